# SPDX-License-Identifier: Apache-2.0
"""The golden convolution against this machine's matrix product."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from esl_ref.ops.benchmark import measure_golden_rate

THREAD_COUNTS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def test_the_figures_belong_together() -> None:
    rate = measure_golden_rate(map_side=8, repeats=2)
    assert rate.layer_macs == 8 * 8 * 64 * 64 * 9
    assert rate.fraction == pytest.approx(rate.layer_rate / rate.gemm_rate)
    assert rate.layer_seconds > 0 and rate.gemm_seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", None])
def test_reaches_a_third_of_the_gemm_rate(threads: str | None) -> None:
    """0.3 of the float32 GEMM rate on 3x3x64x64, with one BLAS thread and with as many as there are cores.

    Slow because it needs a quiet machine to mean anything; a process of its own because BLAS reads this once.
    """
    env = {key: value for key, value in os.environ.items() if key not in THREAD_COUNTS}
    env |= dict.fromkeys(THREAD_COUNTS, threads) if threads else {}
    measure = "from esl_ref.ops.benchmark import measure_golden_rate as m; print(m(56, 100).fraction)"
    out = subprocess.run([sys.executable, "-c", measure], env=env, capture_output=True, text=True, check=True).stdout
    assert float(out) >= 0.3
