# SPDX-License-Identifier: Apache-2.0
"""The post-processor: accumulators [..., C] to bytes, with the requantisation records of the weight SRAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esl_ref.arch import HEADER_BYTES, Arch
from esl_ref.errors import NumericError, ProgramError
from esl_ref.machine.geometry import Bytes, Ints, channel_count
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant, requantise
from esl_ref.program.commands import Command
from esl_ref.program.fields import Rounding

__all__ = ["Records", "average", "finish", "header_words_of", "read_records"]


@dataclass(frozen=True)
class Records:
    """Per channel: bias int32, multiplier int32, shift int8, all as int64 [C]."""

    bias: Ints
    multiplier: Ints
    shift: Ints


def header_words_of(command: Command, arch: Arch) -> Ints:
    """Weight words of the records: [groups, header_words]."""
    group = np.arange(command["groups"], dtype=np.int64)[:, None]
    return command["wgt_header"] + group * command["wgt_step"] + np.arange(arch.header_words, dtype=np.int64)


def read_records(words: Bytes, command: Command, arch: Arch) -> Records:
    """`words` int8 [groups, header_words, lane, byte]: byte b of a lane's record is byte b mod L of word b div L."""
    channels = channel_count(command, arch.lanes)
    lanes = words.transpose(0, 2, 1, 3).reshape(-1, arch.header_words * arch.lanes)[:channels, :HEADER_BYTES]
    raw = np.ascontiguousarray(lanes)
    ints = np.ascontiguousarray(raw[:, :8]).view("<i4").astype(np.int64)
    return Records(ints[:, 0], ints[:, 1], raw[:, 8].astype(np.int64))


def average(acc: Ints, records: Records) -> Ints:
    """Division by a reciprocal in sign and magnitude: (((|acc| + bias) << s) * multiplier) >> 31 >> -s."""
    magnitude = (np.abs(acc) + records.bias) << np.maximum(records.shift, 0)
    if magnitude.size and not 0 <= int(magnitude.min()) <= int(magnitude.max()) <= INT32_MAX:
        raise NumericError(f"averaged sum {int(magnitude.max())} leaves int32")
    magnitude = (magnitude * records.multiplier) >> 31 >> np.maximum(-records.shift, 0)
    return np.where(acc < 0, -magnitude, magnitude)


def finish(acc: Ints, records: Records, command: Command, profile: Profile, table: Bytes) -> Bytes:
    """acc [oy, ox, C] int64 -> bytes. NumericError where an int32 register would not hold the sum."""
    _fits(acc, "accumulator")
    if command["rounding"] == Rounding.AVERAGE:
        value = average(acc, records)
    elif command["rounding"] == Rounding.PROFILE:
        value = _requantise(acc, records, profile)
    elif command["rounding"] == Rounding.ONCE and profile is Profile.TFLITE:
        _fits((acc + records.bias) << np.maximum(records.shift, 0), "left-shifted accumulator")
        value = _requantise(acc, records, Profile.SINGLE)
    else:
        raise ProgramError(f"unknown rounding {command['rounding']} of profile {profile.value}")
    if command["low"] > command["high"]:
        raise ProgramError(f"clamp [{command['low']}, {command['high']}] is empty")
    q: npt.NDArray[np.int8] = np.clip(value + command["zero_out"], command["low"], command["high"]).astype(np.int8)
    return table[q.astype(np.intp) + 128] if command["table"] else q


def _requantise(acc: Ints, records: Records, profile: Profile) -> Ints:
    """Rounding PROFILE. MUL_ADD_SHIFT adds the record's bias to the product, the others to the accumulator."""
    if profile is Profile.MUL_ADD_SHIFT:
        return requantise(acc, Requant(records.multiplier, records.shift, profile, records.bias))
    biased = acc + records.bias
    _fits(biased, "accumulator plus bias")
    return requantise(biased, Requant(records.multiplier, records.shift, profile))


def _fits(value: Ints, what: str) -> None:
    if value.size and (int(value.min()) < INT32_MIN or int(value.max()) > INT32_MAX):
        raise NumericError(f"{what} range [{int(value.min())}, {int(value.max())}] overflows int32")
