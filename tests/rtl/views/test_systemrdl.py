# SPDX-License-Identifier: Apache-2.0
"""The SystemRDL compiles in the field's own compiler, and says what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref.arch import PRESETS, load
from esl_ref.registers import REGISTERS, Access
from rtl.registers import id_values, writable_mask
from rtl.views.systemrdl import register_map_rdl

systemrdl = pytest.importorskip("systemrdl")


@pytest.mark.parametrize("name", PRESETS)
def test_compiles_and_agrees_with_the_table(name: str, tmp_path: Path) -> None:
    (tmp_path / "map.rdl").write_text(register_map_rdl(load(name)))
    compiler = systemrdl.RDLCompiler()
    compiler.compile_file(str(tmp_path / "map.rdl"))
    registers = {r.inst_name: r for r in compiler.elaborate().top.registers()}
    assert list(registers) == [r.name for r in sorted(REGISTERS, key=lambda r: r.offset)]
    resets = id_values(load(name))
    for register in REGISTERS:
        found = registers[register.name]
        assert found.absolute_address == register.offset and found.size == 4
        fields = list(found.fields())
        assert sum(f.get_property("reset") << f.low for f in fields) == resets.get(register.name, register.reset)
        writable = sum(((1 << f.width) - 1) << f.low for f in fields if f.is_sw_writable)
        assert writable == writable_mask(register)
        assert all(f.is_sw_readable == (register.access is not Access.WO) for f in fields)
        if register.fields:
            places = {(f.name, f.lsb, f.width) for f in register.fields}
            assert {(f.inst_name, f.low, f.width) for f in fields} == places
