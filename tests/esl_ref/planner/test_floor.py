# SPDX-License-Identifier: Apache-2.0
"""The bound on all plans: by hand for a chain, and below everything that the search finds."""

from __future__ import annotations

from esl_ref import arch
from esl_ref.compiler import Choice
from esl_ref.compiler.model import prepare, realise
from esl_ref.compiler.schedule import Group
from esl_ref.compiler.sizing import Sizing, scratch_bytes
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from esl_ref.planner.floor import least_arena
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded


def test_rows_of_the_neediest_layer() -> None:
    b = Builder("t", (16, 16, 4))
    b.conv(8, 3)  # three rows of 16 x 4 in, one of 16 x 8 out
    b.conv(24, 5)  # five of 16 x 8 in, one of 16 x 24 out
    b.conv(4, 1)
    (low,) = prepare(seeded(b.build()), arch.load("base"))[3].values()
    assert least_arena(low, arch.load("base")) == (5 * 16 * 8 + 16 * 24, "conv2")


def test_single_rows_with_everything_parked_come_close_and_never_below() -> None:
    base = arch.load("base")
    _, shaped, _, lowered = prepare(load(embedded_path()), base)
    (low,) = lowered.values()
    planning = Sizing(shaped, (low,), scratch_bytes(base)).planning()
    least, neediest = least_arena(low, planning)
    tasks = low.spread.tasks
    rows = tuple(Group(i, i + 1, 1) for i in range(len(tasks)))
    parked = realise(low, Choice(rows, parked=frozenset(t.ofm.storage.name for t in tasks)), planning).height
    assert least <= parked <= 1.25 * least
    assert neediest in {task.op for task in tasks}
