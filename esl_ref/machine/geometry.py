# SPDX-License-Identifier: Apache-2.0
"""Addresses of one command, from its fields: rolling row buffers, kernel positions, result vectors.

Shapes use the names of docs/program.md: oy, ox output pixel; ky, kx kernel step; C = all output channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode

__all__ = [
    "Bytes", "Flags", "Ints", "Ofm", "Rows", "channel_count", "channel_offsets", "check_counts", "inside",
    "kernel_rows", "ofm_of", "positions", "rolling",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]
# A position can reach 2**21 + 2**14 steps of 2**20; nothing real comes near this many bytes of one row.
_LONGEST_ROW = 1 << 22


def rolling(start: int, wrap: int, *steps: tuple[int, int]) -> Ints:
    """(start + sum i_k * step_k) mod wrap for all i_k < count_k: offsets of shape [count_0, count_1, ...].

    The hardware reduces by one conditional subtraction per step, which is right only for steps below wrap.
    """
    for name, value in (("start", start), *(("step", step) for step, count in steps if count > 1)):
        if value >= wrap:
            raise ProgramError(f"row buffer {name} {value} is not below its wrap of {wrap}")
    offset = np.asarray(start, np.int64)
    for step, count in steps:
        offset = offset[..., None] + step * np.arange(count, dtype=np.int64)
    return offset % wrap


def channel_count(command: Command, lanes: int) -> int:
    """Channels of all groups: the last one may be smaller."""
    groups, last = command["groups"], command["last_lanes"]
    if groups < 1 or not 1 <= last <= lanes:
        raise ProgramError(f"{groups} groups with last_lanes {last}; 1 to {lanes} lanes are possible")
    return (groups - 1) * lanes + last


def check_counts(command: Command, lanes: int) -> None:
    """ProgramError unless there are output pixels and channels. A window may just visit rows that it keeps."""
    channel_count(command, lanes)
    if command.opcode is Opcode.DEPTHWISE_WINDOW and command["line_keep"] and command["oy_count"] == 0:
        return
    if command["oy_count"] < 1 or command["ox_count"] < 1:
        raise ProgramError(f"{command['oy_count']} x {command['ox_count']} output pixels")


def channel_offsets(command: Command, lanes: int, step: str = "group_step") -> Ints:
    """Byte offset of every channel from its group 0 lane 0: [C]. Channels that share a byte have the same."""
    channel = np.arange(channel_count(command, lanes), dtype=np.int64)
    spread = command["spread"] if command.opcode is Opcode.DEPTHWISE_WINDOW else 0
    if 1 << spread > lanes:
        raise ProgramError(f"one byte spread over {1 << spread} of {lanes} lanes")
    return channel // lanes * command[step] + (channel % lanes >> spread)


@dataclass(frozen=True)
class Rows:
    """Kernel rows, equal ones once: `offset` [n] in the buffer, `valid` [n]; `index` [oy, ky] points into them."""

    offset: Ints
    valid: npt.NDArray[np.bool_]
    index: Ints


def kernel_rows(command: Command, oy_count: int, ky_count: int, oy_step: int | None = None) -> Rows:
    """Row index decides what is padding, row offset where the bytes are."""
    oy_step = command["oy_step"] if oy_step is None else oy_step
    offset = rolling(command["ifm_start"], command["ifm_wrap"], (oy_step, oy_count), (command["ky_step"], ky_count))
    index = (
        command["ifm_y0"]
        + command["oy_rows"] * np.arange(oy_count, dtype=np.int64)[:, None]
        + command["ky_rows"] * np.arange(ky_count, dtype=np.int64)
    )
    valid = (index >= 0) & (index < command["ifm_rows"])
    distinct, inverse = np.unique(np.where(valid, offset, -1), return_inverse=True)
    return Rows(distinct, distinct >= 0, inverse.reshape(offset.shape).astype(np.int64))


def positions(command: Command, ox_count: int, ox_step: int, kx_count: int) -> Ints:
    """Byte position in the row of every (ox, kx): [ox, kx]."""
    span = ox_count * ox_step + kx_count * command["kx_step"] + abs(command["ifm_x0"])
    if span > _LONGEST_ROW:
        raise ProgramError(f"positions reach {span} bytes along a row; {_LONGEST_ROW} is the most this model follows")
    return (
        command["ifm_x0"]
        + ox_step * np.arange(ox_count, dtype=np.int64)[:, None]
        + command["kx_step"] * np.arange(kx_count, dtype=np.int64)
    )


def inside(command: Command, prefix: str, offsets: Ints, act_bytes: int) -> Ints:
    """SRAM addresses of buffer offsets, which must lie within the buffer. `prefix`: 'ifm', 'ifm2', 'ofm', 'buf'."""
    base, wrap = command[f"{prefix}_base"], command[f"{prefix}_wrap"]
    if offsets.size and not 0 <= int(offsets.min()) <= int(offsets.max()) < wrap:
        raise ProgramError(
            f"reaches offset {int(offsets.max())} (least {int(offsets.min())}) of a {prefix} buffer of {wrap} bytes",
            hint="a row's bytes are contiguous and may not run over the end of their buffer",
        )
    if base + wrap > act_bytes:
        raise ProgramError(f"{prefix} buffer ends at {base + wrap}, the SRAM at {act_bytes}")
    return base + offsets


@dataclass(frozen=True)
class Ofm:
    """Where the results go: `rows` [oy] and `columns` [ox, C] add up to the SRAM address of every byte."""

    rows: Ints
    columns: Ints

    @property
    def addresses(self) -> Ints:
        """[oy, ox, C]"""
        return self.rows[:, None, None] + self.columns


def ofm_of(command: Command, arch: Arch) -> Ofm:
    """Result addresses; ProgramError if they leave the buffer or two results share a byte."""
    oy, ox = command["oy_count"], command["ox_count"]
    channels = np.arange(channel_count(command, arch.lanes), dtype=np.int64)
    columns = command["ofm_pix_step"] * np.arange(ox, dtype=np.int64)[:, None] + channels
    offsets = rolling(command["ofm_start"], command["ofm_wrap"], (command["ofm_row_step"], oy))
    rows = inside(command, "ofm", offsets, arch.act_bytes)
    inside(command, "ofm", np.array([int(offsets.max()) + int(columns[-1, -1])]), arch.act_bytes)
    flat = np.sort((rows[:, None, None] + columns).ravel())
    if (flat[1:] == flat[:-1]).any():
        raise ProgramError("writes a byte twice", hint="ofm_pix_step, ofm_row_step and ofm_wrap disagree")
    return Ofm(rows, columns)
