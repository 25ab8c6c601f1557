# SPDX-License-Identifier: Apache-2.0
"""Layout problems from and to files in MiniMalloc's format.

CSV with a header naming at least `id,lower,upper,size`, in any order and case (Moffitt, "MiniMalloc: A Lightweight
Memory Allocator for Hardware-Accelerated Machine Learning", ASPLOS 2023). MiniMalloc's own other names are known, too:
`buffer` and `buffer_id`; `start` and `begin`; `end`, which is the last moment of a life and not the first after it. An
optional column `alignment` asks for offsets that are multiples of it. Other columns are not looked at, but gaps in
lifetimes, which this solver does not know, are refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from esl_ref.errors import BudgetError, InputError, UnsupportedError
from esl_ref.files import write_whole
from esl_ref.layout.problem import Buffer, Layout, Problem

__all__ = ["read_csv", "write_csv"]

_NEEDED = ("id", "lower", "upper", "size")
_ALIASES = {"buffer": "id", "buffer_id": "id", "start": "lower", "begin": "lower", "end": "upper"}
_LARGEST = (1 << 63) - 1
"""MiniMalloc's numbers are int64."""


def read_csv(source: Path | str, capacity: int | None = None) -> Problem:
    """A problem from a MiniMalloc CSV file. InputError names file and line; BudgetError if capacity < bound."""
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin their files with a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as text ({error})", where=str(path)) from error
    try:
        return Problem(tuple(_unique(text, str(path))), capacity)
    except BudgetError as error:
        raise BudgetError(error.what, where=f"{path}, {error.where}", hint=error.hint, least=error.least) from None


def _unique(text: str, where: str) -> Iterator[Buffer]:
    """The buffers of a file, whose ids are told apart."""
    seen: dict[str, str] = {}
    for place, buffer in _buffers(text, where):
        if buffer.id in seen:
            raise InputError(f"the id '{buffer.id}' is that of line {seen[buffer.id]}, too", where=place,
                             hint="ids must be unique")  # fmt: skip
        seen[buffer.id] = place.rpartition(":")[2]
        yield buffer


def _buffers(text: str, where: str) -> Iterator[tuple[str, Buffer]]:
    """(file and line, buffer) of every line but the first and empty ones."""
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        header, inclusive = _header(next(reader, []), where)
        for fields in reader:
            place = f"{where}:{reader.line_num}"
            if not "".join(fields).strip():
                continue
            if len(fields) != len(header):
                raise InputError(f"has {len(fields)} fields, the header {len(header)}", where=place)
            yield place, _buffer(dict(zip(header, fields, strict=True)), inclusive, place)
    except csv.Error as error:
        raise InputError(f"is no CSV ({error})", where=f"{where}:{reader.line_num}") from error


def _header(fields: list[str], where: str) -> tuple[list[str], bool]:
    """Names of the columns as they are called here, and whether lifetimes include their end."""
    given = [name.strip().lower() for name in fields]
    header = [_ALIASES.get(name, name) for name in given]
    if missing := [name for name in _NEEDED if name not in header]:
        raise InputError(f"no column {', '.join(missing)}", where=f"{where}:1",
                         hint=f"the first line must be: {','.join(_NEEDED)}")  # fmt: skip
    if twice := [name for name in (*_NEEDED, "alignment") if header.count(name) > 1]:
        raise InputError(f"two columns for {', '.join(twice)}", where=f"{where}:1")
    return header, "end" in given


def _buffer(row: Mapping[str, str], inclusive: bool, where: str) -> Buffer:
    if row.get("gaps", "").strip():
        raise UnsupportedError("a lifetime with gaps", where=where, hint="split the buffer, or leave the gaps out")
    name = row["id"].strip()
    if not name:
        raise InputError("the id is empty", where=where)
    lower, upper, size = (_integer(row[column], column, where) for column in _NEEDED[1:])
    align = _integer(row["alignment"], "alignment", where) if "alignment" in row else 1
    try:
        return Buffer(name, lower, upper + inclusive, size, align).checked()
    except InputError as error:
        raise InputError(f"{error.where}: {error.what}", where=where, hint=error.hint) from None


def _integer(text: str, name: str, where: str) -> int:
    digits = text.strip()
    if not (digits.removeprefix("-").isdecimal() and digits.isascii()):
        raise InputError(f"{name} '{text[:40]}' is not an integer", where=where)
    if len(digits) > 20 or abs(int(digits)) > _LARGEST:
        raise InputError(f"{name} {digits[:40]} is beyond 64 bits", where=where)
    return int(digits)


def write_csv(problem: Problem, layout: Layout, target: Path | str) -> None:
    """MiniMalloc's output format, the input columns and `offset`; whole or not at all, InputError if impossible."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_NEEDED, "offset"))
    for b in problem.buffers:
        writer.writerow((b.id, b.lower, b.upper, b.size, layout.offsets[b.id]))
    write_whole(Path(target), text.getvalue(), "layout")
