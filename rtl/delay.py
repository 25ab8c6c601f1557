# SPDX-License-Identifier: Apache-2.0
"""Delay lines, which align the fixed latencies of the pipeline behind the issuer."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

__all__ = ["delay"]


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
