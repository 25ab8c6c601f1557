# SPDX-License-Identifier: Apache-2.0
"""Histograms that grow, and the ranges chosen from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.quantiser.histogram import Histogram, TensorStatistics
from esl_ref.quantiser.ranges import Method, TensorScale, choose_range, scale_of


def _histogram(*parts: np.ndarray) -> Histogram:
    result = Histogram()
    for part in parts:
        result.add(np.asarray(part, np.float64))
    return result


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=40), st.randoms())
def test_order_and_grouping_of_values_do_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    one, many = _histogram(np.array(values)), _histogram(*[np.array([v]) for v in shuffled])
    assert (one.low, one.high, one.limit) == (many.low, many.high, many.limit)
    np.testing.assert_array_equal(one.counts, many.counts)
    assert one.counts.sum() == len(values)


def test_centres_are_within_a_bin_of_the_values():
    values = np.random.default_rng(0).normal(size=4000) * 3
    centres, shares = _histogram(values[:100], values[100:]).filled()
    ordered = np.repeat(centres, np.rint(shares * 4000).astype(int))
    assert np.abs(ordered - np.sort(values)).max() <= np.abs(values).max() / 2000


def test_statistics_per_channel():
    parts = [np.random.default_rng(k).normal(size=(1, 3, 4, 5)) for k in range(3)]
    statistics = TensorStatistics()
    for part in parts:
        statistics.add(part)
    rows = np.concatenate(parts).reshape(-1, 5)
    np.testing.assert_allclose(statistics.mean, rows.mean(axis=0))
    np.testing.assert_allclose(statistics.mean_square, np.square(rows).mean(axis=0))
    np.testing.assert_array_equal(statistics.largest, np.abs(rows).max(axis=0))


def test_minmax_covers_all_and_percentile_cuts_tails():
    values = np.concatenate([np.linspace(-1, 1, 10001), [50.0]])
    assert choose_range(_histogram(values), Method.MINMAX) == (-1.0, 50.0)
    low, high = choose_range(_histogram(values), Method.PERCENTILE, percent=99.9)
    assert -1.02 <= low <= -0.97 and 0.97 <= high <= 1.02


def _error(values: np.ndarray, limits: tuple[float, float], through=lambda x: x) -> float:
    scale = scale_of(*limits)
    return float(np.square(through(scale.real(scale.quantise(values))) - through(values)).mean())


def test_mse_makes_less_error_than_the_others():
    values = np.random.default_rng(1).standard_t(3, size=20000)
    histogram = _histogram(values)
    errors = {m: _error(values, choose_range(histogram, m)) for m in Method}
    assert errors[Method.MSE] < 0.97 * min(errors[Method.MINMAX], errors[Method.PERCENTILE])


def test_what_a_table_makes_of_the_values_decides():
    """Below a leaky activation the negative side is worth a tenth, so that it is cut off for the positive one."""

    def leaky(x):
        return np.where(x > 0, x, 0.1 * x)

    values = np.random.default_rng(2).normal(size=20000) * np.where(np.arange(20000) % 2, 1, 20)
    values[values > 0] /= 10
    plain = choose_range(_histogram(values), Method.MSE)
    aware = choose_range(_histogram(values), Method.MSE, through=leaky)
    assert aware[0] > plain[0]
    assert _error(values, aware, leaky) < 0.8 * _error(values, plain, leaky)


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_scales_cover_their_range_and_have_an_exact_zero(a, b):
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    if high - low < 1e-6:
        return
    scale = scale_of(low, high)
    assert -128 <= scale.zero_point <= 127 and scale.scale == float(np.float32(scale.scale))
    assert scale.high - scale.low >= high - low
    assert scale.real(scale.quantise(np.zeros(1)))[0] == 0
    for end in (low, high):
        assert abs(scale.real(scale.quantise(np.array([end])))[0] - end) <= 1.01 * scale.scale


def test_codes_saturate():
    scale = TensorScale(0.5, 3)
    np.testing.assert_array_equal(scale.quantise(np.array([-1e9, 0.0, 0.26, 1e9])), [-128, 3, 4, 127])


@pytest.mark.parametrize("value", [0.0, -3.0, 7.0])
def test_constants_have_a_range(value):
    assert choose_range(_histogram(np.full(10, value)), Method.MSE) == (value, value)
