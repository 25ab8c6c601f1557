# SPDX-License-Identifier: Apache-2.0
"""Every register, field and error code has its line."""

from __future__ import annotations

from esl_ref.arch import load
from esl_ref.program.fields import ErrorCode
from esl_ref.registers import COUNTERS, REGISTERS
from rtl.views.markdown import register_map_markdown


def test_complete() -> None:
    text = register_map_markdown(load("base"))
    for register in REGISTERS:
        assert f"| 0x{register.offset:03X} | {register.name} | {register.access.value} |" in text
        for field in register.fields:
            assert f"| {field.name} | {field.doc} |" in text
    for code in ErrorCode:
        assert f"| {code.value} | {code.name} |" in text
    assert f"| {4 * len(COUNTERS) + 4} | {COUNTERS[-1][0]} |" in text
    assert f"0x{load('base').hash() >> 32:08X}" in text
