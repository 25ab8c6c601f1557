# SPDX-License-Identifier: Apache-2.0
"""ELTWISE: two maps, added with their own scales, subtracted or multiplied."""

from __future__ import annotations

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.geometry import Ints, channel_offsets, inside, rolling
from esl_ref.machine.operands import Operands
from esl_ref.numerics import Profile, rounding_shift_right, srdhm
from esl_ref.program.commands import Command

__all__ = ["LEFT_SHIFT", "eltwise", "eltwise_sources", "scaled_operand"]

LEFT_SHIFT = 20
"""Bits of headroom an operand of an addition is given before it is rescaled (TFLite's int8 ADD)."""


def scaled_operand(q: Ints, zero: int, multiplier: int, shift: int, profile: Profile) -> Ints:
    """s(q): the operand on the common scale of the sum. `shift` counts to the right."""
    if profile is Profile.TFLITE:
        return rounding_shift_right(srdhm((q - zero) << LEFT_SHIFT, np.int64(multiplier)), shift)  # type: ignore[arg-type]
    product = (q - zero) * multiplier
    if profile not in (Profile.SINGLE, Profile.EVEN):
        return np.asarray(product >> shift)
    # |product| < 2**39, so every total from 41 up rounds to 0 like 41, and the half stays far from int64's end.
    total = min(31 - LEFT_SHIFT + shift, 41)
    return np.asarray((product + (1 << (total - 1))) >> total)


def _addresses(command: Command, arch: Arch, second: bool) -> Ints:
    """SRAM addresses of one operand: [oy, ox, C]."""
    prefix, row, pixel, group = (
        ("ifm2", "ifm2_row_step", "ifm2_pix_step", "ifm2_group_step") if second
        else ("ifm", "oy_step", "ox_step", "group_step")
    )  # fmt: skip
    rows = rolling(command[f"{prefix}_start"], command[f"{prefix}_wrap"], (command[row], command["oy_count"]))
    pixels = command[pixel] * np.arange(command["ox_count"], dtype=np.int64)
    offsets = rows[:, None, None] + pixels[:, None] + channel_offsets(command, arch.lanes, group)
    return inside(command, prefix, offsets, arch.act_bytes)


def eltwise(command: Command, arch: Arch, data: Operands) -> Ints:
    """Accumulators [oy, ox, C]."""
    if command["elt_mul"] and command["elt_sub"]:
        raise ProgramError("elt_mul and elt_sub exclude each other")
    operands = []
    for second, name in ((False, "a"), (True, "b")):
        addresses = _addresses(command, arch, second)
        data.reads(addresses.ravel())
        q, zero = data.act[addresses].astype(np.int64), command[f"zero_{name}"]
        if command["elt_mul"]:
            operands.append(q - zero)
        else:
            operands.append(scaled_operand(q, zero, command[f"mul_{name}"], command[f"shift_{name}"], arch.profile))
    a, b = operands
    if command["elt_mul"]:
        return a * b
    return a - b if command["elt_sub"] else a + b


def eltwise_sources(command: Command, arch: Arch) -> list[Ints]:
    """For the in-place rule: where each result's operands come from, two arrays [oy, ox, C]."""
    return [_addresses(command, arch, second) for second in (False, True)]
