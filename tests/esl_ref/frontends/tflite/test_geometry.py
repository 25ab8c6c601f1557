# SPDX-License-Identifier: Apache-2.0
"""SAME and VALID padding against TensorFlow's definitions, and the nearest-neighbour tables by plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.errors import ModelError
from esl_ref.frontends.tflite.geometry import pad_axis, window_options
from esl_ref.frontends.tflite.resize import nearest_indices
from esl_ref.ops.windows import out_size

sizes, kernels, strides, dilations = st.integers(1, 200), st.integers(1, 16), st.integers(1, 5), st.integers(1, 4)


@given(sizes, kernels, strides, dilations)
def test_same_gives_one_output_per_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = pad_axis(0, size, kernel, stride, dilation)
    assert after - before in (0, 1)
    assert out_size(size, before, after, kernel, stride, dilation) == math.ceil(size / stride)
    # No less would do: with one element fewer the last window would not fit.
    if before + after:
        extent = (kernel - 1) * dilation + 1
        assert (size + before + after - 1 - extent) // stride + 1 < math.ceil(size / stride)


@given(sizes, kernels, strides, dilations)
def test_valid_pads_nothing(size: int, kernel: int, stride: int, dilation: int) -> None:
    assert pad_axis(1, size, kernel, stride, dilation) == (0, 0)
    extent = (kernel - 1) * dilation + 1
    if extent > size:
        with pytest.raises(ModelError, match="does not fit"):
            out_size(size, 0, 0, kernel, stride, dilation)
    else:
        assert out_size(size, 0, 0, kernel, stride, dilation) == math.ceil((size - extent + 1) / stride)


def test_unknown_schemes_and_wild_strides_are_refused() -> None:
    good = {"Padding": 0, "StrideH": 1, "StrideW": 2}
    assert window_options(good, "here") == (0, (1, 2), (1, 1))
    for bad in ({"Padding": 2}, {"StrideH": 0}, {"StrideW": -1}, {"DilationHFactor": 0}, {"StrideH": 1 << 20}):
        with pytest.raises(ModelError, match="here"):
            window_options(good | bad, "here")


@given(st.integers(1, 64), st.integers(1, 5))
def test_whole_factors_repeat(size: int, factor: int) -> None:
    expected = tuple(np.repeat(np.arange(size), factor).tolist())
    assert nearest_indices(size, size * factor, False, False) == expected
    assert nearest_indices(size, size * factor, False, True) == expected


@given(st.integers(1, 64), st.integers(1, 64), st.booleans(), st.booleans())
def test_indices_stay_inside_and_rise(size: int, out: int, align: bool, half: bool) -> None:
    indices = nearest_indices(size, out, align, half)
    assert len(indices) == out and min(indices) >= 0 and max(indices) < size
    assert list(indices) == sorted(indices)
    if align and not half and out > 1:
        assert indices[0] == 0 and indices[-1] == size - 1
