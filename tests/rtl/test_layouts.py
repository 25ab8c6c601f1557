# SPDX-License-Identifier: Apache-2.0
"""Hardware views of commands name the same bits as the encoder."""

from __future__ import annotations

import random

import pytest

from esl_ref.program.commands import Command
from esl_ref.program.fields import LAYOUTS, Opcode
from rtl.layouts import COMPUTE_LAYOUT, view_of


@pytest.mark.parametrize("opcode", Opcode)
def test_every_field_reads_back(opcode: Opcode) -> None:
    rng = random.Random(int(opcode))
    values = {f.name: rng.randint(f.low, f.high) for f in LAYOUTS[opcode] if not f.name.startswith("reserved")}
    command = Command(opcode, values)
    view = view_of(opcode).from_bits(int.from_bytes(command.encode(), "little"))
    for name, value in command.fields.items():
        assert view[name] == value, name


def test_compute_view_covers_every_compute_opcode() -> None:
    command = Command(Opcode.ELTWISE, {"zero_a": -5, "ifm2_base": 77})
    view = COMPUTE_LAYOUT.from_bits(int.from_bytes(command.encode(), "little"))
    assert (view.opcode, view.zero_a, view.ifm2_base) == (Opcode.ELTWISE, -5, 77)


