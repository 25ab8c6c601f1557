# SPDX-License-Identifier: Apache-2.0
"""Fields of a command as signals: and the waits every command may carry."""

from __future__ import annotations

from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from esl_ref.program.fields import Opcode
from rtl.layouts import view_of

__all__ = ["CountsSignature", "fields", "is_one_of", "waits"]

CountsSignature = wiring.Signature({"load": Out(16), "store": Out(16), "compute": Out(16)})
"""Completed commands of each queue since the doorbell, modulo 2**16."""


def fields(word: Value, opcode: Opcode) -> data.View:
    """The command as `opcode` reads it: every field by name, signed where it is."""
    return data.View(view_of(opcode), word)


def is_one_of(opcode: Value, opcodes: frozenset[Opcode]) -> Value:
    """1 if the 8-bit opcode is in the set."""
    return opcode.matches(*sorted(o.value for o in opcodes))


def waits(word: Value, counts: wiring.PureInterface) -> Value:
    """1 while a count the command asks for is not reached: `(count - wait) mod 2**16 >= 2**15`."""
    f = fields(word, Opcode.END)
    blocked = [
        need & (count - wait)[15]
        for need, count, wait in (
            (f.need_load, counts.load, f.wait_load),
            (f.need_store, counts.store, f.wait_store),
            (f.need_compute, counts.compute, f.wait_compute),
        )
    ]
    return blocked[0] | blocked[1] | blocked[2]
