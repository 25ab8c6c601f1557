# SPDX-License-Identifier: Apache-2.0
"""Vectors as flat signals: element `i` of `width` bits lies in bits [width * i, width * (i + 1))."""

from __future__ import annotations

from amaranth.hdl import Cat, Value

__all__ = ["elements", "sign_extend", "signed_elements"]


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
