# SPDX-License-Identifier: Apache-2.0
"""The register map as SystemRDL 2.0."""

from __future__ import annotations

from collections.abc import Iterator

from esl_ref.arch import Arch
from esl_ref.registers import REGISTERS, Access, BitField, Register
from rtl.registers import ALIGNMENT, id_values

__all__ = ["register_map_rdl"]

_PROPERTIES = {
    Access.RO: "sw = r; hw = w;",
    Access.RW: "sw = rw; hw = r;",
    Access.RWA: "sw = rw; hw = r;",
    Access.W1C: "sw = rw; hw = w; woclr;",
    Access.WO: "sw = w; hw = r; singlepulse;",
}


def register_map_rdl(arch: Arch) -> str:
    """One addrmap `esl_accel`. Constants of the architecture are reset values of fields that hardware never changes."""
    resets = id_values(arch)
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "addrmap esl_accel {",
        f'    name = "esl_accel";\n    desc = "Registers of architecture {arch.name}";',
        "    default regwidth = 32;",
        "    default accesswidth = 32;",
    ]
    for register in REGISTERS:
        lines += _register(register, resets)
    return "\n".join([*lines, "};"]) + "\n"


def _register(r: Register, resets: dict[str, int]) -> Iterator[str]:
    reset = resets.get(r.name, r.reset)
    yield "    reg {"
    yield f'        desc = "{r.doc} ({r.access.value})";'
    low = ALIGNMENT.get(r.name, 1).bit_length() - 1
    for f in r.fields or (BitField("value", low, 32 - low, r.doc),):
        properties = "sw = r; hw = na;" if r.name in resets else _PROPERTIES[r.access]
        value = (reset >> f.lsb) & ((1 << f.width) - 1)
        msb = f.lsb + f.width - 1
        yield f'        field {{ desc = "{f.doc}"; {properties} }} {f.name}[{msb}:{f.lsb}] = 0x{value:X};'
    yield f"    }} {r.name} @ 0x{r.offset:03X};"
