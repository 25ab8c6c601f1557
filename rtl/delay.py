# SPDX-License-Identifier: Apache-2.0
"""Delay lines, which align the fixed latencies of the pipeline behind the issuer."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, Value

__all__ = ["delay", "hold"]


def delay(m: Module, value: Value, cycles: int, *, name: str, valid: bool = False) -> Value:
    """`value` as it was `cycles` cycles ago.

    Registers without reset, as a valid bit qualifies them; `valid=True` makes them clear on reset instead.
    """
    if cycles < 0:
        raise ValueError(f"delay of {name} must not be negative, not {cycles!r}")
    value = Value.cast(value)
    for stage in range(1, cycles + 1):
        register = Signal(value.shape(), name=f"{name}_{stage}", reset_less=not valid)
        m.d.sync += register.eq(value)
        value = register
    return value


def hold(m: Module, start: Value, cycles: int, name: str) -> Value:
    """High in the `cycles` cycles after each cycle with `start`, which may come again before they are over.

    The flag is a register beside the counter, so that what waits for it need not compare.
    """
    if cycles == 0:
        return Const(0)
    left = Signal(range(cycles + 1), name=f"{name}_left")
    busy = Signal(name=name)
    with m.If(start):
        m.d.sync += [left.eq(cycles), busy.eq(1)]
    with m.Elif(busy):
        m.d.sync += [left.eq(left - 1), busy.eq(left != 1)]
    return busy
