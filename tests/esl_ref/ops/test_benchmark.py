# SPDX-License-Identifier: Apache-2.0
"""The golden convolution against this machine's matrix product."""

from __future__ import annotations

import pytest

from esl_ref.ops.benchmark import measure_golden_rate


def test_the_figures_belong_together() -> None:
    rate = measure_golden_rate(map_side=8, repeats=2)
    assert rate.layer_macs == 8 * 8 * 64 * 64 * 9
    assert rate.fraction == pytest.approx(rate.layer_rate / rate.gemm_rate)
    assert rate.layer_seconds > 0 and rate.gemm_seconds > 0


@pytest.mark.slow
def test_reaches_a_third_of_the_gemm_rate() -> None:
    """0.3 of the float32 GEMM rate on 3x3x64x64; slow because it needs a quiet machine to mean anything."""
    assert max(measure_golden_rate(56, 30).fraction for _ in range(3)) >= 0.3
