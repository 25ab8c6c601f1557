# SPDX-License-Identifier: Apache-2.0
"""The register map as Markdown."""

from __future__ import annotations

from esl_ref.arch import Arch
from esl_ref.program.fields import ErrorCode
from esl_ref.registers import COUNTERS, PROFILE_RECORD_BYTES, REGISTERS
from rtl.registers import ALIGNMENT, id_values

__all__ = ["register_map_markdown"]


def register_map_markdown(arch: Arch) -> str:
    """Tables of registers, fields, error codes and the profile record of one architecture."""
    resets = id_values(arch)
    lines = [
        f"# Registers of `esl_accel`, architecture {arch.name}",
        "",
        "32-bit registers on AXI4-Lite, 12-bit byte addresses; the two low address bits are ignored, byte strobes",
        "honoured. A write that is refused (read-only or unmapped address, or locked while busy) changes nothing, is",
        "answered SLVERR and sets STATUS.refused. Unmapped addresses read 0 with SLVERR, write-only registers read 0.",
        "",
        "| offset | name | access | reset | meaning |",
        "|---|---|---|---|---|",
    ]
    for r in REGISTERS:
        doc = f"{r.doc}; low bits read 0" if r.name in ALIGNMENT else r.doc
        reset = resets.get(r.name, r.reset)
        lines.append(f"| 0x{r.offset:03X} | {r.name} | {r.access.value} | 0x{reset:08X} | {doc} |")
    lines += ["", "## Fields", "", "| register | bits | field | meaning |", "|---|---|---|---|"]
    for r in REGISTERS:
        for f in r.fields:
            bits = f"{f.lsb + f.width - 1}:{f.lsb}" if f.width > 1 else f"{f.lsb}"
            lines.append(f"| {r.name} | {bits} | {f.name} | {f.doc} |")
    lines += ["", "## ERROR_CODE", "", "| value | name |", "|---|---|"]
    lines += [f"| {code.value} | {code.name} |" for code in ErrorCode]
    lines += [
        "",
        f"## Profile record: {PROFILE_RECORD_BYTES} bytes, little endian",
        "",
        "Counters are as they stand after the cycle in which the command completed.",
        "",
        "| byte | content |",
        "|---|---|",
        "| 0 | command index |",
        "| 4 | tag |",
    ]
    lines += [f"| {8 + 4 * i} | {name} |" for i, (name, _) in enumerate(COUNTERS)]
    return "\n".join(lines) + "\n"
