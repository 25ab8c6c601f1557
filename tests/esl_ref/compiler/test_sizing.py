# SPDX-License-Identifier: Apache-2.0
"""Memories as deep as the plan asks for: accumulator slots."""

from __future__ import annotations

import pytest

from esl_ref import arch
from esl_ref.compiler import Choice
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.errors import ArchError
from esl_ref.pipeline import compile_model
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check


def test_a_mean_over_many_channels_gets_the_slots_it_streams_with() -> None:
    base = arch.load("base")
    b = Builder("t", (5, 5, 16))
    b.conv(640)
    b.mean()
    graph = seeded(b.build())
    count = sum(len(low.tasks) for low in prepare(graph, base)[3].values())
    streamed = check(graph, base, [Choice((Group(0, count, 1),))])
    whole = check(graph, base, [Choice(tuple(Group(i, i + 1) for i in range(count)))])
    assert (streamed.arch.acc_words, whole.arch.acc_words) == (640 // 16, base.acc_words)
    assert streamed.programs[0].plan.height < whole.programs[0].plan.height / 2


def test_a_machine_without_table_refuses_the_model() -> None:
    b = Builder("t", (4, 4, 3))
    b.table()
    graph = seeded(b.build())
    assert compile_model(graph, arch.load("base")).arch.tables == 1
    with pytest.raises(ArchError, match="the machine has no table.*give an architecture with tables = 1"):
        compile_model(graph, arch.load("base"), sized=arch.load("base").with_depths(tables=0))
