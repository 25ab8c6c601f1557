# SPDX-License-Identifier: Apache-2.0
"""Dilated convolutions that a converter left in pieces, against LiteRT, which runs the pieces as a batch.

tflite-micro never sets the byte that it pads the pieces with: where there is padding it differs, by what memory held.
"""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.compiler.segments import host_reason
from esl_ref.errors import UnsupportedError
from esl_ref.frontends.tflite import load_bytes
from esl_ref.ir import Conv2D, DepthwiseConv2D, Graph
from tests.helpers.one_operator import Net
from tests.helpers.oracles import run_litert, run_micro

Pairs = tuple[tuple[int, int], ...]


def _pairs(n: Net, *pairs: tuple[int, int]) -> int:
    data = np.array(pairs, np.int32)
    return n.w.add_tensor(f"pairs{pairs}", data.shape, "int32", data=data)


def _weights(n: Net, shape: tuple[int, ...]) -> int:
    data = np.random.default_rng(len(shape)).integers(-127, 128, shape).astype(np.int8)
    return n.w.add_tensor("w", shape, "int8", data=data, scale=0.01)


def _bias(n: Net, channels: int) -> int:
    data = np.arange(channels).astype(np.int32) * 99 - 150
    return n.w.add_tensor("b", (channels,), "int32", data=data, scale=0.005)


def _no_host(graph: Graph) -> None:
    assert not any(host_reason(op, graph) for op in graph.ops)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(
    ("block", "pads", "crops"),
    [
        ((2, 2), ((2, 2), (2, 2)), ((0, 0), (0, 0))), ((2, 3), ((2, 4), (3, 4)), ((0, 2), (0, 1))),
        ((4, 1), ((4, 4), (1, 1)), ((1, 1), (0, 0))), ((2, 2), ((0, 0), (0, 0)), ((1, 0), (0, 1))),
    ],
)  # fmt: skip
def test_a_convolution_of_a_map(depthwise: bool, block: tuple[int, int], pads: Pairs, crops: Pairs) -> None:
    n, (h, w), (by, bx) = Net(), (8, 8), block
    ph, pw = ((size + sum(p)) // b for size, p, b in zip((h, w), pads, block, strict=True))
    out = [b * (p - 2) - sum(c) for b, p, c in zip(block, (ph, pw), crops, strict=True)]
    pieces, made = n.y((by * bx, ph, pw, 3)), n.y((by * bx, ph - 2, pw - 2, 3), scale=0.9)
    y = n.y((1, *out, 3), scale=0.9)
    shape = (1, 3, 3, 3) if depthwise else (3, 3, 3, 3)
    code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    n.w.add_op("SPACE_TO_BATCH_ND", [n.x((1, h, w, 3)), n.ints(*block), _pairs(n, *pads)], [pieces])
    n.w.add_op(code, [pieces, _weights(n, shape), _bias(n, 3)], [made], padding="VALID")
    n.w.add_op("BATCH_TO_SPACE_ND", [made, n.ints(*block), _pairs(n, *crops)], [y])
    graph = n.check([y], machine=True, oracle=run_litert if any(map(any, pads)) else run_micro)
    assert [op.dilation for op in graph.ops if isinstance(op, Conv2D | DepthwiseConv2D)] == [block]
    _no_host(graph)


def test_a_causal_convolution_of_a_sequence() -> None:
    """As Keras' Conv1D: pieces of [1, L, C], raised to maps, with an addition before they are joined."""
    n = Net()
    pieces, raised, made, flat, sums, y = (
        n.w.add_tensor(name, shape, "int8", scale=scale, zero_point=5)
        for name, shape, scale in (
            ("pieces", (2, 6, 4), 0.5), ("raised", (2, 1, 6, 4), 0.5), ("made", (2, 1, 4, 3), 0.9),
            ("flat", (2, 4, 3), 0.9), ("sums", (2, 4, 3), 0.8), ("y", (1, 8, 3), 0.8),
        )
    )  # fmt: skip
    added = n.w.add_tensor("a", (3,), "int8", data=np.array([-90, 3, 77], np.int8), scale=0.4)
    n.w.add_op("SPACE_TO_BATCH_ND", [n.x((1, 8, 4)), n.ints(2), _pairs(n, (4, 0))], [pieces])
    n.w.add_op("EXPAND_DIMS", [pieces, n.ints(1)], [raised])
    n.w.add_op("CONV_2D", [raised, _weights(n, (3, 1, 3, 4)), _bias(n, 3)], [made], padding="VALID")
    n.w.add_op("RESHAPE", [made, n.ints(-1, 4, 3)], [flat], new_shape=[-1, 4, 3])
    n.w.add_op("ADD", [flat, added], [sums])
    n.w.add_op("BATCH_TO_SPACE_ND", [sums, n.ints(2), _pairs(n, (0, 0))], [y])
    graph = n.check([y], machine=True, oracle=run_litert)
    assert [op.dilation for op in graph.ops if isinstance(op, Conv2D)] == [(1, 2)]
    _no_host(graph)


@pytest.mark.parametrize("last", ["RELU", "MAX_POOL_2D"])
def test_pieces_that_something_else_reads_are_refused_by_name(last: str) -> None:
    """Pieces as the model's output, or pooled: that is no dilated convolution."""
    n = Net()
    pieces, y = n.y((4, 2, 2, 2)), n.w.add_tensor("y", (4, 2, 2, 2), "int8", scale=0.5, zero_point=5)
    n.w.add_op("SPACE_TO_BATCH_ND", [n.x((1, 4, 4, 2)), n.ints(2, 2), _pairs(n, (0, 0), (0, 0))], [pieces])
    n.w.add_op(last, [pieces], [y])
    with pytest.raises(UnsupportedError, match=r"operators: SPACE_TO_BATCH_ND \(1x\).*sides of a convolution"):
        load_bytes(n.w.finish(n.inputs, [y]))
