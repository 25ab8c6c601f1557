# SPDX-License-Identifier: Apache-2.0
"""Tensor against tensor: where they first part, in the order in which commands write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.compiler.views import map_shape
from esl_ref.program.fields import COMPUTE_OPCODES
from esl_ref.program.image import CommandInfo, Program

__all__ = ["Mismatch", "differing", "first_mismatch"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Mismatch:
    """The first wrong element of a tensor, and the command that wrote it.

    coordinate  (y, x, channel) of the tensor as a map; index: the same in the tensor's own shape
    command     index in the stream, -1 if no command claims the element
    wrong, size elements that differ, of how many
    """

    tensor: str
    coordinate: tuple[int, int, int]
    index: tuple[int, ...]
    expected: int
    actual: int
    wrong: int
    size: int
    command: int = -1


def differing(expected: Mapping[str, Array], actual: Mapping[str, Array]) -> list[str]:
    """Names in `actual` whose values are not the expected ones."""
    return [name for name, value in actual.items() if not np.array_equal(value, expected[name])]


def _region(info: CommandInfo, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """The part of a map of `shape` that a command writes. A one-pixel-wide map may have run as one row."""
    rows, columns, channels = info.rows, info.columns, info.channels
    if shape[1] == 1 and columns[0] + columns[1] > 1:
        rows, columns = columns, (0, 1)
    return tuple(slice(first, first + count) for first, count in (rows, columns, channels))  # type: ignore[return-value]


def _writers(program: Program, tensor: str) -> Iterator[tuple[int, CommandInfo]]:
    for index, info in enumerate(program.debug):
        if tensor in info.writes and program.commands[index].opcode in COMPUTE_OPCODES:
            yield index, info


def _first_in_order(wrong: npt.NDArray[np.bool_], lanes: int) -> tuple[int, int, int]:
    """The first wrong element as the engine computes: group by group, row by row."""
    for low in range(0, wrong.shape[2], lanes):
        where = np.argwhere(wrong[:, :, low : low + lanes])
        if len(where):
            y, x, c = (int(v) for v in where[0])
            return y, x, low + c
    raise AssertionError("nothing is wrong")


def first_mismatch(name: str, expected: Array, actual: Array, program: Program) -> Mismatch:
    """Locate the first difference of two unequal tensors of the same shape.

    Commands are tried in stream order; one that writes a part of its tensor which the debug record cannot express (a
    phase of an upsampling) leaves the element to the first difference overall.
    """
    shape = map_shape(expected.shape)
    wrong = (expected != actual).reshape(shape)
    command, where = -1, None
    for index, info in _writers(program, name):
        part = np.zeros_like(wrong)
        region = _region(info, shape)
        part[region] = wrong[region]
        if part.any():
            command, where = index, _first_in_order(part, program.arch.lanes)
            break
    where = where or _first_in_order(wrong, program.arch.lanes)
    flat = int(np.ravel_multi_index(where, shape))
    own = tuple(int(v) for v in np.unravel_index(flat, expected.shape)) if expected.shape else ()
    return Mismatch(
        name, where, own, int(expected.reshape(-1)[flat]), int(actual.reshape(-1)[flat]), int(wrong.sum()), wrong.size,
        command,
    )  # fmt: skip
