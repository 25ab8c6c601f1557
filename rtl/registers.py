# SPDX-License-Identifier: Apache-2.0
"""The register file, built from the table in `esl_ref.registers`."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import FORMAT_VERSION
from esl_ref.registers import BASES, COUNTERS, REGISTERS, Access, Register
from rtl.axi.lite import LiteSignature, LiteSlave
from rtl.surface import BasesSignature

__all__ = ["ALIGNMENT", "Registers", "id_values", "writable_mask"]

ALIGNMENT = {"PROG_ADDR": 16, "PROFILE_ADDR": 64, **{f"BASE{i}": 16 for i in range(BASES)}}
"""Address registers: the bits below the alignment read as zero and cannot be set."""

_WRITABLE = (Access.RW, Access.WO, Access.RWA, Access.W1C)
_LOCKED_WHILE_BUSY = (Access.RW, Access.WO)


def writable_mask(register: Register) -> int:
    """Bits software can change (or, W1C, clear; or, WO, act through)."""
    if register.access not in _WRITABLE:
        return 0
    if register.fields:
        return sum(((1 << f.width) - 1) << f.lsb for f in register.fields)
    return (1 << 32) - ALIGNMENT.get(register.name, 1)


def id_values(arch: Arch) -> dict[str, int]:
    """Registers that are constants of the architecture; the others of the table have their own reset value."""
    constants = {"ARCH_HASH_LO": arch.hash() & 0xFFFFFFFF, "ARCH_HASH_HI": arch.hash() >> 32}
    for register in REGISTERS:
        if register.name == "ID":
            constants["ID"] = register.reset
        if register.name == "VERSION":
            constants["VERSION"] = FORMAT_VERSION << 16 | register.reset
    return constants


class Registers(wiring.Component):
    """Access rules: writes to read-only or unmapped addresses, and to RW and WO registers while busy, change nothing,
    are answered SLVERR and set STATUS.refused. Unmapped addresses read 0 with SLVERR; WO registers read 0.

    Members
    -------
    bus : In(LiteSignature)
    irq : Out(1)
    start : Out(1)
        Pulse: doorbell.
    busy, done, error : In(1)
        STATUS bits.
    error_code, error_index : In(8), In(32)
    done_event, error_event : In(1)
        Pulses that set IRQ_STATUS.
    prog_addr, profile_addr : Out(32)
    bases : Out(BasesSignature)
    counters : In(32).array(len(COUNTERS))
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "bus": In(LiteSignature),
            "irq": Out(1),
            "start": Out(1),
            "busy": In(1),
            "done": In(1),
            "error": In(1),
            "error_code": In(8),
            "error_index": In(32),
            "done_event": In(1),
            "error_event": In(1),
            "prog_addr": Out(32),
            "profile_addr": Out(32),
            "bases": Out(BasesSignature),
            "counters": In(32).array(len(COUNTERS)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slave = slave = LiteSlave()
        wiring.connect(m, wiring.flipped(self.bus), slave.bus)
        refused, enable, pending = Signal(), Signal(2), Signal(2)
        status = Cat(self.busy, self.done, self.error, refused)
        values: dict[str, Value] = {name: Const(value, 32) for name, value in id_values(self._arch).items()}
        values |= {
            "CTRL": Const(0, 32), "STATUS": status, "ERROR_CODE": self.error_code, "ERROR_INDEX": self.error_index,
            "IRQ_ENABLE": enable, "IRQ_STATUS": pending,
            "PROG_ADDR": self.prog_addr, "PROFILE_ADDR": self.profile_addr,
        }  # fmt: skip
        values |= {f"BASE{i}": base for i, base in enumerate(self.bases.base)}
        values |= {name: self.counters[i] for i, (name, _) in enumerate(COUNTERS)}
        self._read(m, slave, values)
        self._write(m, slave, values, refused)
        m.d.comb += self.irq.eq((enable & pending).any())
        with m.If(self.done_event):
            m.d.sync += pending[0].eq(1)
        with m.If(self.error_event):
            m.d.sync += pending[1].eq(1)
        return m

    def _read(self, m: Module, slave: LiteSlave, values: dict[str, Value]) -> None:
        """Which register it is was found in the cycle before, one bit each."""
        chosen = Signal(len(REGISTERS))
        m.d.sync += chosen.eq(Cat(slave.read_word == register.offset // 4 for register in REGISTERS))
        read: Value = Const(0, 32)
        for one, register in zip(chosen, REGISTERS, strict=True):
            read = read | Mux(one, values[register.name], 0)
        m.d.comb += [slave.read_data.eq(read), slave.read_ok.eq(chosen.any())]

    def _write(self, m: Module, slave: LiteSlave, values: dict[str, Value], refused: Signal) -> None:
        bits = Cat(strobe.replicate(8) for strobe in slave.write_strb)
        with m.If(self.start):
            m.d.sync += refused.eq(0)
        with m.If(slave.write & ~slave.write_ok):
            m.d.sync += refused.eq(1)
        for register in REGISTERS:
            if register.access not in _WRITABLE:
                continue
            chosen = Signal(name=f"writes_{register.name}")  # found in the cycle before
            m.d.sync += chosen.eq(slave.write_word == register.offset // 4)
            locked = self.busy if register.access in _LOCKED_WHILE_BUSY else Const(0, 1)
            with m.If(chosen & ~locked):
                m.d.comb += slave.write_ok.eq(1)
                with m.If(slave.write):
                    self._change(m, register, values[register.name], slave.write_data & bits, bits)

    def _change(self, m: Module, register: Register, value: Value, written: Value, bits: Value) -> None:
        mask = writable_mask(register)
        if register.access is Access.WO:
            m.d.comb += self.start.eq(written[0])
        elif register.access is Access.W1C:
            m.d.sync += value.eq(value & ~written)
        else:
            m.d.sync += value.eq(((value & ~bits) | written) & mask)
