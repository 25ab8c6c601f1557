# SPDX-License-Identifier: Apache-2.0
"""Views against numpy: whatever reshapes and transpositions follow one another, a view says where each element lies."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref.frontends.onnx.views import View, channels_last, inverse
from tests.helpers.onnx_cases import Array


def value_of(view: View, memory: Array) -> Array:
    """What the definition of a view says it holds."""
    laid = memory.reshape(view.base).transpose(view.perm)
    return laid if view.tail is None else laid.reshape(view.tail)


@st.composite
def shapes(draw: st.DrawFn, count: int) -> tuple[int, ...]:
    """A shape of `count` elements, with axes of one element in it."""
    dims: list[int] = []
    while count > 1:
        dims.append(draw(st.sampled_from([d for d in range(2, count + 1) if count % d == 0])))
        count //= dims[-1]
    for _ in range(draw(st.integers(0, 2))):
        dims.insert(draw(st.integers(0, len(dims))), 1)
    return tuple(draw(st.permutations(dims))) or (1,)


@settings(max_examples=300)
@given(st.data())
def test_any_chain_of_reshapes_and_transpositions(data: st.DataObject) -> None:
    count = data.draw(st.sampled_from([1, 2, 12, 24, 36, 60]))
    memory = np.arange(count)
    shape = data.draw(shapes(count))
    view, expected = View.plain("x", shape), memory.reshape(shape)
    for _ in range(data.draw(st.integers(1, 5))):
        if view.tail is None and data.draw(st.booleans()):
            perm = data.draw(st.permutations(range(len(view.shape))))
            view, expected = view.transposed(perm), expected.transpose(perm)
        else:
            shape = data.draw(shapes(count))
            view, expected = view.reshaped(shape), expected.reshape(shape)
        assert view.shape == expected.shape and prod(view.base) == count
        assert np.array_equal(value_of(view, memory), expected)
        assert not view.in_order or np.array_equal(expected.reshape(-1), memory)


def test_an_nhwc_map_seen_as_nchw_and_back() -> None:
    view = View.ordered("x", (1, 4, 6, 8), channels_last(4))
    assert view.shape == (1, 8, 4, 6) and not view.in_order
    assert view.transposed((0, 2, 3, 1)).in_order


def test_splitting_channels_needs_no_tail() -> None:
    """The heads of detectors: [1, A * K, H, W] to [1, A, K, H, W] to [1, A, H, W, K]."""
    view = View.ordered("x", (1, 4, 6, 24), channels_last(4)).reshaped((1, 3, 8, 4, 6))
    assert view.tail is None and view.base == (1, 4, 6, 3, 8)
    assert view.transposed((0, 1, 3, 4, 2)).shape == (1, 3, 4, 6, 8)


def test_flattening_a_map_needs_one() -> None:
    flat = View.ordered("x", (1, 4, 6, 8), channels_last(4)).reshaped((1, 192))
    assert flat.tail == (1, 192) and flat.shape == (1, 192)
    assert View.ordered("x", (1, 1, 1, 8), channels_last(4)).reshaped((1, 8)).tail is None


def test_inverse() -> None:
    assert inverse((2, 0, 1)) == (1, 2, 0)
