# SPDX-License-Identifier: Apache-2.0
"""Padding and means of sequences run on the accelerator, with the interpreter's bytes."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.compiler.segments import host_reason
from esl_ref.ir import Conv2D, Mean, Pad, Reshape
from tests.helpers.one_operator import Net


@pytest.mark.parametrize("shape", [(1, 6, 5), (1, 7)])
@pytest.mark.parametrize("where", [(2, 0), (1, 3)])
def test_pad(shape: tuple[int, ...], where: tuple[int, int]) -> None:
    n = Net()
    pads = [(0, 0), *([where] if len(shape) == 2 else [where, (1, 2)])]
    y = n.y(tuple(d + a + b for d, (a, b) in zip(shape, pads, strict=True)))
    amounts = n.w.add_tensor("pads", (len(pads), 2), "int32", data=np.array(pads, np.int32))
    n.w.add_op("PAD", [n.x(shape), amounts], [y])
    graph = n.check([y], machine=True)
    assert not any(host_reason(op, graph) for op in graph.ops)


@pytest.mark.parametrize("keep", [False, True])
def test_mean_over_a_sequence(keep: bool) -> None:
    n = Net()
    y = n.y((1, 1, 5) if keep else (1, 5), scale=0.3)
    n.w.add_op("MEAN", [n.x((1, 9, 5)), n.ints(1)], [y], keep_dims=keep)
    graph = n.check([y], machine=True)
    assert [op.axes for op in graph.ops if isinstance(op, Mean)] == [(2,)]
    assert not any(host_reason(op, graph) for op in graph.ops)


def test_means_over_channels_stay_as_they_are() -> None:
    n = Net()
    y = n.y((1, 9), scale=0.3)
    n.w.add_op("MEAN", [n.x((1, 9, 5)), n.ints(2)], [y])
    assert [op.axes for op in n.check([y]).ops if isinstance(op, Mean)] == [(2,)]


def test_a_causal_convolution_reads_its_padding_without_reshapes_between() -> None:
    """PAD of [1, L, C], EXPAND_DIMS, CONV_2D: nothing may stand between the padding and the convolution."""
    n = Net()
    padded, raised, y = n.y((1, 8, 3)), n.y((1, 1, 8, 3)), n.y((1, 1, 6, 2), scale=40.0)
    pads = n.w.add_tensor("pads", (3, 2), "int32", data=np.array([[0, 0], [2, 0], [0, 0]], np.int32))
    k = n.w.add_tensor("k", (2, 1, 3, 3), "int8", data=np.arange(-9, 9).reshape(2, 1, 3, 3).astype(np.int8), scale=0.5)
    n.w.add_op("PAD", [n.x((1, 6, 3)), pads], [padded])
    n.w.add_op("EXPAND_DIMS", [padded, n.ints(1)], [raised])
    n.w.add_op("CONV_2D", [raised, k], [y], padding="VALID")
    graph = n.check([y], machine=True)
    assert [type(op) for op in graph.ops] == [Reshape, Pad, Conv2D]


def test_rows_of_a_dense_layer_are_no_batch() -> None:
    """Keras' Dense of [-1, L, C] is a matrix of L rows between reshapes."""
    n = Net()
    x, rows, made, y = n.x((1, 6, 5)), n.y((6, 5)), n.y((6, 4), scale=60.0), n.y((1, 6, 4), scale=60.0)
    weights = n.w.add_tensor("w", (4, 5), "int8", data=np.arange(-10, 10).reshape(4, 5).astype(np.int8), scale=0.5)
    n.w.add_op("RESHAPE", [x, n.ints(6, 5)], [rows], new_shape=[6, 5])
    n.w.add_op("FULLY_CONNECTED", [rows, weights, -1], [made])
    n.w.add_op("RESHAPE", [made, n.ints(1, 6, 4)], [y], new_shape=[1, 6, 4])
    graph = n.check([y], machine=True)
    assert not any(host_reason(op, graph) for op in graph.ops)
