# SPDX-License-Identifier: Apache-2.0
"""How a unit reports the error that stops the Program."""

from __future__ import annotations

from amaranth.hdl import Module, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from esl_ref.program.fields import ErrorCode

__all__ = ["FaultSignature", "raise_fault"]

FaultSignature = wiring.Signature({"valid": Out(1), "code": Out(8), "index": Out(32)})
"""valid: an error, now; code: its ErrorCode; index: of the command in the stream. Only the first counts."""


def raise_fault(m: Module, fault: wiring.PureInterface, code: ErrorCode, index: ValueLike) -> None:
    """Report in this cycle, under the conditions of the enclosing `m.If`."""
    m.d.comb += [fault.valid.eq(1), fault.code.eq(code.value), fault.index.eq(index)]
