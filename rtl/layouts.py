# SPDX-License-Identifier: Apache-2.0
"""Hardware views of commands, generated from `esl_ref.program.fields`: no bit position is typed twice."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from esl_ref.program.fields import COMMAND_BYTES, COMPUTE_OPCODES, LAYOUTS, Field, Opcode

__all__ = ["COMMAND_BITS", "COMPUTE_LAYOUT", "command_payload", "view_of"]

COMMAND_BITS = 8 * COMMAND_BYTES


def _shape(field: Field) -> Shape:
    return signed(field.width) if field.signed else unsigned(field.width)


def view_of(*opcodes: Opcode) -> data.FlexibleLayout:
    """Layout of COMMAND_BITS bits in which every field of these opcodes has its name; alternatives overlap."""
    fields: dict[str, data.Field] = {}
    for opcode in opcodes:
        for field in LAYOUTS[opcode]:
            placed = data.Field(_shape(field), field.offset)
            if fields.setdefault(field.name, placed) != placed:
                raise ValueError(f"field {field.name} of {opcode.name} lies elsewhere in another opcode")
    return data.FlexibleLayout(COMMAND_BITS, fields)


COMPUTE_LAYOUT = view_of(*sorted(COMPUTE_OPCODES))


def command_payload() -> data.StructLayout:
    """Payload of a command stream: the command, least significant byte first in memory, and its index in the stream."""
    return data.StructLayout({"word": unsigned(COMMAND_BITS), "index": unsigned(32)})
