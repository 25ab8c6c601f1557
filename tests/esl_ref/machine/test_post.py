# SPDX-License-Identifier: Apache-2.0
"""esl_ref.machine.post: what the compiler packs into records gives the golden model's bytes, in every profile."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.arch import Arch
from esl_ref.compiler.packing import records
from esl_ref.machine.post import finish, read_records
from esl_ref.numerics import Profile, Requant, requantise
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

LANES = 8


def _requant(profile, rng):
    """Scales from 20-bit accumulators to bytes."""
    shift = rng.integers(-14, -10, LANES)
    if profile is Profile.POW2:
        return Requant(np.ones(LANES, np.int64), shift, profile)
    if profile is Profile.MUL_ADD_SHIFT:
        return Requant(rng.integers(1, 256, LANES), shift - 7, profile, add=np.int64(1) << (-shift + 6))
    return Requant(rng.integers(1 << 30, 1 << 31, LANES), shift, profile)


@pytest.mark.parametrize("profile", Profile)
def test_records_of_every_profile(profile):
    rng, arch = np.random.default_rng(5), Arch(lanes=LANES, post_lanes=LANES, window_rows=3, profile=profile)
    requant, bias = _requant(profile, rng), rng.integers(-4096, 4096, LANES)
    acc = rng.integers(-(1 << 20), 1 << 20, (4, 5, LANES))
    command = Command(Opcode.CONV, {"groups": 1, "last_lanes": LANES, "zero_out": -3, "low": -128, "high": 127})

    words = records(arch, bias, requant, "test").view(np.int8).reshape(1, arch.header_words, LANES, LANES)
    got = finish(acc, read_records(words, command, arch), command, profile, np.zeros(256, np.int8))
    golden = np.clip(requantise(acc + bias, requant) - 3, -128, 127)
    assert np.array_equal(got, golden) and len(np.unique(golden)) > 50
