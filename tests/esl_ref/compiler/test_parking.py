# SPDX-License-Identifier: Apache-2.0
"""Maps parked in external memory between groups, and outputs that leave row by row: same bytes, smaller arenas."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from esl_ref import arch
from esl_ref.compiler import Choice, Compiled
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.errors import HazardError
from esl_ref.ir import Graph
from esl_ref.machine import execute
from esl_ref.pipeline import compile_model
from esl_ref.program.fields import Opcode
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import mismatches
from tests.helpers.random_nets import random_net

BASE = arch.load("base")


def _compiled(graph: Graph, strip: int, *, parked: bool, size: int = 1) -> Compiled:
    """Groups of `size` tasks in strips, everything between them parked or on chip."""
    _, _, _, lowered = prepare(graph, BASE)
    (low,) = lowered.values()
    count = len(low.tasks)
    groups = tuple(Group(i, min(i + size, count), strip) for i in range(0, count, size))
    views = [v for t in low.tasks for v in (t.ifm, t.ifm2, t.ofm) if v is not None]
    names = frozenset(v.storage.name for v in views) if parked else frozenset()
    compiled = compile_model(graph, BASE, trace=True, choices=[Choice(groups, parked=names)])
    wrong, compared = mismatches(compiled)
    assert compared and not wrong, wrong
    return compiled


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize(("strip", "size"), [(1, 1), (3, 2)])
def test_parked_maps_come_back_as_they_were(seed: int, strip: int, size: int) -> None:
    _compiled(random_net(seed, steps=5), strip, parked=True, size=size)


def _deep() -> Graph:
    b = Builder("deep", (32, 16, 3))
    for _ in range(4):
        b.conv(16, 3)
    return seeded(b.build())


def test_layers_by_themselves_need_only_their_rows() -> None:
    graph = _deep()
    kept, parked = (_compiled(graph, 1, parked=p) for p in (False, True))
    row = 16 * 16
    assert kept.programs[0].plan.height >= 2 * 32 * row
    assert parked.programs[0].plan.height <= 6 * row
    moved = [c for c in parked.programs[0].program.commands if c.opcode is Opcode.STORE_ROWS]
    assert sum(c["rows"] * c["row_bytes"] for c in moved) == 4 * 32 * row


def test_outputs_leave_row_by_row() -> None:
    b = Builder("one", (32, 16, 3))
    b.conv(16, 3)
    compiled = _compiled(seeded(b.build()), 1, parked=False)
    assert compiled.programs[0].plan.height <= 2 * 16 * 16 + 4 * 16 * 3


def test_a_network_input_is_loaded_again_rather_than_kept() -> None:
    b = Builder("skip", (16, 16, 8))
    b.conv(8, 3)
    b.conv(8, 3)
    b.add("conv2", "input")
    compiled = _compiled(seeded(b.build()), 1, parked=True)
    assert compiled.programs[0].plan.height <= 8 * 16 * 8
    loads = [c for c in compiled.programs[0].program.commands if c.opcode is Opcode.LOAD_ROWS]
    assert sum(c["rows"] * c["row_bytes"] for c in loads if c["base"] == 1) == 2 * 16 * 16 * 8


def test_a_fetch_waits_for_what_it_fetches() -> None:
    program = _compiled(_deep(), 32, parked=True).programs[0].program
    fetches = [i for i, c in enumerate(program.commands) if c.opcode is Opcode.LOAD_ROWS and c["base"] == 3]
    assert fetches and all(program.commands[i]["need_store"] for i in fetches)
    careless = list(program.commands)
    for index in fetches:
        careless[index] = careless[index].replace(need_store=0, wait_store=0)
    inputs = {s.name: np.zeros(s.shape, np.int8) for s in program.surfaces_of("in")}
    with pytest.raises(HazardError, match="may still be storing it"):
        execute(dataclasses.replace(program, commands=tuple(careless)), inputs)
