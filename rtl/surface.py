# SPDX-License-Identifier: Apache-2.0
"""What LOAD_ROWS and STORE_ROWS have in common: where a surface lies, how long it is, whether its buffer fits."""

from __future__ import annotations

from amaranth.hdl import Array, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from esl_ref.arch import Arch
from esl_ref.registers import BASES

__all__ = ["BasesSignature", "buffer_overflows", "external_address", "misaligned", "whole_beats"]

BasesSignature = wiring.Signature({"base": Out(32).array(BASES)})
"""The BASE registers."""


def external_address(f: data.View, bases: wiring.PureInterface) -> Value:
    """Byte address of a transfer, modulo 2**32."""
    return (Array(bases.base)[f.base] + f.offset)[:32]


def misaligned(f: data.View, arch: Arch) -> Value:
    """1 if the offset is not on a bus word; the BASE registers always are."""
    return (f.offset & (arch.axi_bytes - 1)) != 0


def buffer_overflows(f: data.View, arch: Arch) -> Value:
    """1 if a row buffer reaches beyond the activation SRAM."""
    return f.buf_base + f.buf_wrap > arch.act_bytes


def whole_beats(count: Value, arch: Arch) -> Value:
    """Bus words that hold so many bytes."""
    return (count + (arch.axi_bytes - 1)) >> (arch.axi_bytes.bit_length() - 1)
