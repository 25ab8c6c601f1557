# SPDX-License-Identifier: Apache-2.0
"""Byte-moving and comparing operators that the random layers leave out, and the uint8 edges, against interpreters."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.one_operator import SHAPE, Net


def test_slice() -> None:
    n = Net()
    y = n.y((1, 2, 3, 1))
    n.w.add_op("SLICE", [n.x(), n.ints(0, 1, 0, 1), n.ints(1, -1, 3, 1)], [y])
    n.check([y])


def test_padv2() -> None:
    n = Net()
    value = n.w.add_tensor("v", (), "int8", data=np.array(-77, np.int8), scale=0.5, zero_point=5)
    pads = n.w.add_tensor("p", (4, 2), "int32", data=np.array([[0, 0], [1, 0], [2, 1], [0, 0]], np.int32))
    y = n.y((1, 4, 7, 2))
    n.w.add_op("PADV2", [n.x(), pads, value], [y])
    n.check([y])


def test_squeeze_and_expand_dims() -> None:
    n = Net()
    x = n.x((1, 1, 4, 2))
    flat, y = n.y((1, 4, 2)), n.y((1, 4, 1, 2))
    n.w.add_op("SQUEEZE", [x], [flat], squeeze_dims=[1])
    n.w.add_op("EXPAND_DIMS", [flat, n.ints(2)], [y])
    n.check([y])


@pytest.mark.parametrize("code", ["MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("other", [SHAPE, (1, 1, 1, 2)])
def test_extremum(code: str, other: tuple[int, ...]) -> None:
    n = Net()
    a, b, y = n.x(), n.x(other), n.y(SHAPE)
    n.w.add_op(code, [a, b], [y])
    n.check([y])


def test_strided_slice_with_masks_and_a_shrunk_axis() -> None:
    """x[:, ::2, -2:, 1]: masks replace the given limits of their axes, negative ones count from the end."""
    n = Net()
    y = n.y((1, 2, 2))
    limits = [n.ints(0, 7, -2, 1), n.ints(1, 7, 4, 0), n.ints(1, 2, 1, 1)]
    n.w.add_op("STRIDED_SLICE", [n.x(), *limits], [y], begin_mask=0b0010, end_mask=0b0010, shrink_axis_mask=0b1000)
    n.check([y])


def test_uint8_edges_around_an_int8_network() -> None:
    """The converter's uint8 interface: QUANTIZE uint8 -> int8 first, int8 -> uint8 last."""
    n = Net()
    x = n.x(dtype="uint8", zero=100)
    inner = n.w.add_tensor("inner", SHAPE, "int8", scale=0.5, zero_point=-28)
    active = n.w.add_tensor("active", SHAPE, "int8", scale=0.25, zero_point=3)
    y = n.y(SHAPE, "uint8", 120, 0.375)
    n.w.add_op("QUANTIZE", [x], [inner])
    n.w.add_op("RELU", [inner], [active])
    n.w.add_op("QUANTIZE", [active], [y])
    for seed in range(5):
        n.check([y], seed)
