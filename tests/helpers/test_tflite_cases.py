# SPDX-License-Identifier: Apache-2.0
"""The random single-operator models are repeatable, valid for the oracles, and not trivial."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.oracles import run_litert, run_micro
from tests.helpers.tflite_cases import KINDS, make_case

SEEDS = range(6)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_case_and_another_gives_another(kind: str) -> None:
    first, again, other = make_case(kind, 3), make_case(kind, 3), make_case(kind, 4)
    assert first.model == again.model and first.note == again.note
    assert all(np.array_equal(a, b) for a, b in zip(first.inputs, again.inputs, strict=True))
    assert first.model != other.model


@pytest.mark.parametrize("kind", KINDS)
def test_runs_in_both_interpreters_within_one_step(kind: str) -> None:
    """FULLY_CONNECTED is the one operator that the two may round differently."""
    for seed in SEEDS:
        case = make_case(kind, seed)
        micro, litert = run_micro(case.model, case.inputs), run_litert(case.model, case.inputs)
        assert len(micro) == len(litert)
        for ours, theirs in zip(micro, litert, strict=True):
            assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, case
            step = 1 if kind == "fully_connected" else 0
            assert np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max() <= step, case


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_seldom_constant(kind: str) -> None:
    """A kind whose results all saturate would prove nothing."""
    cases = [make_case(kind, seed) for seed in range(40)]
    outputs = [out for case in cases for out in run_micro(case.model, case.inputs) if out.size >= 8]
    assert len(outputs) >= 15
    assert np.mean([len(np.unique(out)) > 3 for out in outputs]) >= 0.5
