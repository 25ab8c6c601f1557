# SPDX-License-Identifier: Apache-2.0
"""Axis orders of files and graphs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.axes import file_shape, in_file_order, in_graph_order


@given(st.permutations(range(4)))
def test_there_and_back(axes: list[int]) -> None:
    value = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    here = in_graph_order(value, tuple(axes))
    assert here.shape == tuple(value.shape[axis] for axis in axes)
    assert file_shape(here.shape, tuple(axes)) == value.shape
    assert np.array_equal(in_file_order(here, tuple(axes)), value)


def test_the_same_order_costs_nothing() -> None:
    value = np.zeros((2, 3))
    assert in_graph_order(value, ()) is value and in_file_order(value, ()) is value and file_shape((2, 3), ()) == (2, 3)
