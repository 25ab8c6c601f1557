# SPDX-License-Identifier: Apache-2.0
"""Vectors as flat signals: element `i` of `width` bits lies in bits [width * i, width * (i + 1))."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["choose", "elements", "sign_extend", "signed_elements"]


def elements(value: Value, width: int) -> list[Value]:
    """The elements of a flat vector, unsigned."""
    if len(value) % width:
        raise ValueError(f"a vector of {width}-bit elements must not have {len(value)} bits")
    return [value[lsb : lsb + width] for lsb in range(0, len(value), width)]


def signed_elements(value: Value, width: int) -> list[Value]:
    """The elements of a flat vector, two's complement."""
    return [element.as_signed() for element in elements(value, width)]


def sign_extend(value: Value, width: int) -> Value:
    """A two's complement value as exactly `width` bits."""
    return Cat(value, value[-1].replicate(width - len(value)))


def choose(m: Module, index: Value, choices: list[Value], name: str) -> Signal:
    """choices[index], all of one width, as a multiplexer; past the end the first.

    Unlike `word_select`, whose variable shift by a multiple of the width Verilog tools build with a multiplier.
    """
    chosen = Signal(len(choices[0]), name=name)
    with m.Switch(index):
        for i, choice in enumerate(choices[1:], start=1):
            with m.Case(i):
                m.d.comb += chosen.eq(choice)
        with m.Default():
            m.d.comb += chosen.eq(choices[0])
    return chosen
