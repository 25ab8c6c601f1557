# SPDX-License-Identifier: Apache-2.0
"""The compute engine against plain loops written from docs/program.md: bytes, and cycles where they are promised."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from esl_ref.arch import Arch, load
from esl_ref.machine.post import header_words_of
from esl_ref.program.commands import Command
from tests.helpers.naive_machine import NaiveMachine
from tests.helpers.random_commands import KINDS, CommandCase, make_case
from tests.rtl.engine_bench import EngineBench, Outcome

TINY = dataclasses.replace(load("tiny"), act_bytes=3072, weight_words=256, line_depth=16)
REGION = 3072


def used_words(case: CommandCase) -> dict[int, bytes]:
    """The weight words a command may read."""
    size, fields = case.arch.word_bytes, case.command.fields
    end = int(header_words_of(case.command, case.arch).max()) + max(fields["wgt_step"], case.arch.header_words)
    last = min(end + 1, case.arch.weight_words)
    return {w: case.weights[w * size : (w + 1) * size] for w in range(fields["wgt_header"], last)}


def naive_result(case: CommandCase) -> bytes:
    naive = NaiveMachine(case.arch, case.act, case.weights, case.table)
    naive.compute(case.command)
    return np.array(naive.act, np.int8).tobytes()


def run_one(case: CommandCase, **options) -> Outcome:
    return EngineBench(case.arch).run([case.command], case.act, used_words(case), case.table, **options)[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_single_command(kind: str, seed: int) -> None:
    case = make_case(kind, random.Random(seed).randint, seed, TINY)
    outcome = run_one(case)
    wanted = naive_result(case)
    wrong = [i for i, (a, b) in enumerate(zip(outcome.act, wanted, strict=True)) if a != b]
    assert not wrong, f"{len(wrong)} bytes differ, first at {wrong[0]}, of {dict(case.command.fields)}"
