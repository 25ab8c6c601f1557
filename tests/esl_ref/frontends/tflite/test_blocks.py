# SPDX-License-Identifier: Apache-2.0
"""TILE, SPACE_TO_DEPTH, DEPTH_TO_SPACE and UNPACK: the bytes, on golden and on the ESL machine."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.compiler.segments import host_reason
from esl_ref.errors import ModelError
from esl_ref.frontends.tflite import load_bytes
from esl_ref.ir import Graph
from tests.helpers.one_operator import Net


def assert_all_on_the_accelerator(graph: Graph) -> None:
    assert [host_reason(op, graph) for op in graph.ops] == [""] * len(graph.ops)


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ((1, 3, 4, 2), (1, 2, 1, 1)), ((1, 3, 4, 2), (1, 1, 3, 1)), ((1, 3, 4, 2), (1, 2, 3, 2)),
        ((1, 3, 4, 5), (1, 1, 1, 2)), ((1, 5, 1, 4, 6), (1, 1, 2, 1, 1)), ((1, 6, 5, 1, 3), (1, 1, 1, 2, 1)),
        ((1, 1, 1, 1, 7), (1, 1, 9, 1, 1)), ((1, 6), (1, 3)), ((1, 4, 3), (1, 5, 1)), ((1, 2, 2, 2), (1, 1, 1, 1)),
    ],
)  # fmt: skip
def test_tile(shape: tuple[int, ...], times: tuple[int, ...]) -> None:
    """tflite-micro has no TILE; numpy's means the same."""
    n = Net()
    y = n.y(tuple(d * t for d, t in zip(shape, times, strict=True)))
    n.w.add_op("TILE", [n.x(shape), n.ints(*times)], [y])
    assert_all_on_the_accelerator(n.compare([y], lambda x: [np.tile(x, times)], machine=True))


def test_tile_refuses_impossible_multiples() -> None:
    n = Net()
    y = n.y((1, 3, 4, 2))
    n.w.add_op("TILE", [n.x(), n.ints(1, 0, 1, 1)], [y])
    with pytest.raises(ModelError, match=r"TILE: multiples \[1, 0, 1, 1\] of \[1, 3, 4, 2\]"):
        load_bytes(n.w.finish(n.inputs, [y]))


@pytest.mark.parametrize("block", [2, 3])
def test_space_to_depth(block: int) -> None:
    n = Net()
    y = n.y((1, 3, 2, 5 * block * block))
    n.w.add_op("SPACE_TO_DEPTH", [n.x((1, 3 * block, 2 * block, 5))], [y], block_size=block)
    assert_all_on_the_accelerator(n.check([y], machine=True))


@pytest.mark.parametrize(("block", "channels"), [(2, 1), (2, 6), (3, 1), (4, 2)])
def test_depth_to_space(block: int, channels: int) -> None:
    n = Net()
    y = n.y((1, 3 * block, 4 * block, channels))
    n.w.add_op("DEPTH_TO_SPACE", [n.x((1, 3, 4, channels * block * block))], [y], block_size=block)
    assert_all_on_the_accelerator(n.check([y], machine=True))


@pytest.mark.parametrize("code", ["SPACE_TO_DEPTH", "DEPTH_TO_SPACE"])
def test_blocks_that_do_not_fit_are_malformed(code: str) -> None:
    n = Net()
    y = n.y((1, 1, 1, 1))
    n.w.add_op(code, [n.x((1, 3, 3, 3))], [y], block_size=2)
    with pytest.raises(ModelError, match=code):
        load_bytes(n.w.finish(n.inputs, [y]))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_unpack(axis: int) -> None:
    n, shape = Net(), (1, 3, 4, 2)
    left = shape[: axis % 4] + shape[axis % 4 + 1 :]
    outputs = [n.w.add_tensor(f"y{k}", left, "int8", scale=0.5, zero_point=5) for k in range(shape[axis])]
    n.w.add_op("UNPACK", [n.x(shape)], outputs, num=shape[axis], axis=axis)
    n.check(outputs, machine=axis != -1)
