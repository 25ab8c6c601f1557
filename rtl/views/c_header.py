# SPDX-License-Identifier: Apache-2.0
"""The register map as a C header."""

from __future__ import annotations

from esl_ref.arch import Arch
from esl_ref.program.fields import COMMAND_BYTES, FORMAT_VERSION, MAGIC, ErrorCode
from esl_ref.registers import DEVICE_ID, PROFILE_RECORD_BYTES, REGISTERS

__all__ = ["register_map_c"]


def register_map_c(arch: Arch) -> str:
    """Offsets, field masks, error codes and the constants a driver needs."""
    lines = [
        "/* SPDX-License-Identifier: Apache-2.0 */",
        f"/* Registers of esl_accel, architecture {arch.name}. Generated: do not edit. */",
        "#ifndef ESL_ACCEL_H",
        "#define ESL_ACCEL_H",
        "",
        _define("DEVICE_ID", f"0x{DEVICE_ID:08X}u"),
        _define("ARCH_HASH", f"0x{arch.hash():016X}ull"),
        _define("AXI_BYTES", f"{arch.axi_bytes}u"),
        _define("PROGRAM_MAGIC", f"0x{MAGIC:08X}u"),
        _define("PROGRAM_VERSION", f"{FORMAT_VERSION}u"),
        _define("COMMAND_BYTES", f"{COMMAND_BYTES}u"),
        _define("PROFILE_RECORD_BYTES", f"{PROFILE_RECORD_BYTES}u"),
    ]
    for r in REGISTERS:
        lines += ["", f"/* {r.doc} ({r.access.value}) */", _define(r.name, f"0x{r.offset:03X}u")]
        for f in r.fields:
            mask = ((1 << f.width) - 1) << f.lsb
            lines.append(_define(f"{r.name}_{f.name.upper()}", f"0x{mask:08X}u", f.doc))
    lines += ["", "enum esl_error {"]
    lines += [f"    ESL_ERROR_{code.name} = {code.value}," for code in ErrorCode]
    lines += ["};", "", "#endif"]
    return "\n".join(lines) + "\n"


def _define(name: str, value: str, doc: str = "") -> str:
    return f"#define ESL_{name} {value}" + (f" /* {doc} */" if doc else "")
