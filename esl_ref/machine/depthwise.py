# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_TAPS and DEPTHWISE_WINDOW: every lane sums the taps of its own channel."""

from __future__ import annotations

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.geometry import Bytes, Ints, channel_count, kernel_rows, positions
from esl_ref.machine.operands import Operands
from esl_ref.machine.vectors import VectorReader
from esl_ref.program.commands import Command

__all__ = ["depthwise_taps", "depthwise_window", "firing"]


def _tap_weights(command: Command, arch: Arch, data: Operands, cycles: int) -> Bytes:
    """[cycles, byte, C]: weight byte i of array cycle j for every channel."""
    words = data.words(command["wgt_first"], command["wgt_step"], command["groups"], cycles)
    by_byte = words.transpose(1, 3, 0, 2).reshape(cycles, arch.lanes, -1)
    return by_byte[..., : channel_count(command, arch.lanes)]


def depthwise_taps(command: Command, arch: Arch, data: Operands) -> Ints:
    """Accumulators [oy, ox, C]; taps enter a register of L, newest first, which fires when full and after the last."""
    oy, ox, ky, kx = (command[n] for n in ("oy_count", "ox_count", "ky_count", "kx_count"))
    if min(ky, kx) < 1 or command["chunks"] != 1:
        raise ProgramError(f"impossible kernel {ky} x {kx}, {command['chunks']} chunks")
    lanes, taps = arch.lanes, ky * kx
    weights = _tap_weights(command, arch, data, -(-taps // lanes))
    rest = taps % lanes
    if rest and weights[-1, rest:].any():
        raise ProgramError("weights of taps left over from before are not zero")
    rows = kernel_rows(command, oy, ky)
    vectors = VectorReader(command, arch, rows, positions(command, ox, command["ox_step"], kx)).read(data)
    acc = np.zeros((oy, ox, vectors.shape[-1]), np.int64)
    for tap in range(taps):
        row, column = divmod(tap, kx)
        cycle, place = divmod(tap, lanes)
        last = min(lanes, taps - cycle * lanes) - 1
        weight = weights[cycle, last - place].astype(np.int32)
        acc += vectors[rows.index[:, row], :, column].astype(np.int32) * weight
    return acc


def firing(visits: int, first: int, stride: int, what: str) -> int:
    """How many of `visits` rows or columns complete a window."""
    if stride < 1:
        raise ProgramError(f"{what} stride of {stride}")
    return max(0, -(-(visits - first) // stride))


def depthwise_window(command: Command, arch: Arch, data: Operands) -> Ints:
    """Accumulators [oy, ox, C] of a window that slides along the visited rows."""
    passes, cols = command["passes"], command["cols"]
    _check_window(command)
    depth = arch.window_rows if command["column"] else 1
    rows = kernel_rows(command.replace(oy_rows=1), passes, 1, oy_step=command["ky_step"])
    column_positions = positions(command, cols, command["kx_step"], 1)
    visited = VectorReader(command, arch, rows, column_positions).read(data)[rows.index[:, 0], :, 0]
    taps = _window_taps(command, arch, data, depth) if command["oy_count"] and command["ox_count"] else []
    oldest_row = max((a for a, _, _ in taps), default=0)
    oldest_column = max((b for _, b, _ in taps), default=0)
    # Rows not visited yet in this group and columns older than the pass read as padding.
    padded = np.full((passes + oldest_row, cols + oldest_column, visited.shape[-1]), command["pad_value"], np.int32)
    padded[oldest_row:, oldest_column:] = visited
    if command["column"]:
        older = data.lines.older(command)
        for age in range(1, min(oldest_row, len(older)) + 1):
            padded[oldest_row - age, oldest_column:] = older[age - 1]
        data.lines.leave(command, visited)
    acc = np.zeros((command["oy_count"], command["ox_count"], visited.shape[-1]), np.int64)
    for row_age, column_age, weight in taps:
        y, x = oldest_row + command["fire_row"] - row_age, oldest_column + command["fire_col"] - column_age
        acc += padded[y :: command["oy_rows"], x :: command["col_stride"]][: len(acc), : acc.shape[1]] * weight
    return acc


def _check_window(command: Command) -> None:
    passes, cols = command["passes"], command["cols"]
    if min(passes, cols, command["chunks"]) < 1:
        raise ProgramError(f"{passes} passes of {cols} columns, {command['chunks']} chunks")
    if not command["column"] and command["chunks"] != 1:
        raise ProgramError(f"a one-row window takes one chunk, not {command['chunks']}")
    fires = (
        firing(passes, command["fire_row"], command["oy_rows"], "row"),
        firing(cols, command["fire_col"], command["col_stride"], "column"),
    )
    if fires != (command["oy_count"], command["ox_count"]):
        raise ProgramError(
            f"fires {fires[0]} x {fires[1]} times but declares {command['oy_count']} x {command['ox_count']} outputs"
        )


def _window_taps(command: Command, arch: Arch, data: Operands, depth: int) -> list[tuple[int, int, Ints]]:
    """(row age, column age, weights [C]) of every tap that has a weight."""
    lanes, chunks = arch.lanes, command["chunks"]
    used = depth * (lanes // depth)
    columns = arch.window_cols if command["column"] else lanes
    weights = _tap_weights(command, arch, data, chunks)
    if weights[:, used:].any():
        raise ProgramError(f"weights of unused bytes are not zero: an array cycle takes {used} slots")
    taps = []
    for cycle in range(chunks):
        for place in range(used):
            column_age, row_age = divmod(cycle * used + place, depth)
            weight = weights[cycle, place].astype(np.int32)
            if not weight.any():
                continue
            if column_age >= columns:
                raise ProgramError(f"weights for column age {column_age}; the window register holds {columns}")
            taps.append((row_age, column_age, weight))
    return taps
