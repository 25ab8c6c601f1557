# SPDX-License-Identifier: Apache-2.0
"""Layout problems: buffers with half-open lifetimes and sizes that want offsets in one arena.

The file format is MiniMalloc's (Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated
Machine Learning", ASPLOS 2023): CSV with a header naming at least `id,lower,upper,size`. A buffer lives in
[lower, upper); ids are strings. An optional column `alignment` asks for offsets that are multiples of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import BudgetError, InputError

__all__ = ["Buffer", "Layout", "Problem", "read_csv", "write_csv"]

_NUMBERS = ("lower", "upper", "size", "alignment")


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size` bytes needed at every time t with lower <= t < upper, at an offset that is a multiple of `align`."""

    id: str
    lower: int
    upper: int
    size: int
    align: int = 1


@dataclass(frozen=True)
class Problem:
    """Buffers and, if the arena is limited, its capacity in bytes. InputError/BudgetError when contradictory."""

    buffers: tuple[Buffer, ...]
    capacity: int | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for buffer in self.buffers:
            _check(buffer)
            if buffer.id in seen:
                raise InputError("appears twice", where=f"buffer '{buffer.id}'", hint="ids must be unique")
            seen.add(buffer.id)
        if self.capacity is not None and self.capacity < 0:
            raise InputError(f"capacity {self.capacity} is negative", hint="give the arena's bytes")
        if self.capacity is not None and self.capacity < self.bound:
            raise BudgetError(
                f"capacity {self.capacity} is {self.bound - self.capacity} below the liveness bound {self.bound}",
                where=f"time {self.peak()[0]}",
                hint=f"no layout can be smaller; alive there are {self._largest()}",
            )

    @property
    def bound(self) -> int:
        """Largest sum of sizes alive at one time: no layout is smaller."""
        return self.peak()[1]

    def peak(self) -> tuple[int, int]:
        """(time, bytes) of the first moment at which most bytes are alive; (0, 0) without buffers."""
        events = sorted(event for b in self.buffers for event in ((b.lower, b.size), (b.upper, -b.size)))
        # At equal times the negative deltas sort first, as half-open lifetimes want it.
        alive, best = 0, (0, 0)
        for time, delta in events:
            alive += delta
            if alive > best[1]:
                best = (time, alive)
        return best

    def alive_at(self, time: int) -> tuple[Buffer, ...]:
        """Buffers alive at `time`, largest first."""
        alive = (b for b in self.buffers if b.lower <= time < b.upper)
        return tuple(sorted(alive, key=lambda b: (-b.size, b.id)))

    def _largest(self, count: int = 4) -> str:
        alive = self.alive_at(self.peak()[0])
        names = ", ".join(f"'{b.id}' ({b.size})" for b in alive[:count])
        return names + (f" and {len(alive) - count} more" if len(alive) > count else "")


@dataclass(frozen=True)
class Layout:
    """Offsets in bytes by buffer id, the arena's height, the liveness bound, and whether height is proved least."""

    offsets: Mapping[str, int]
    height: int
    bound: int
    proved_optimal: bool

    @property
    def gap(self) -> float:
        """(height - bound) / bound: how far from the liveness bound at most."""
        return (self.height - self.bound) / self.bound if self.bound else 0.0


def _check(buffer: Buffer) -> None:
    where = f"buffer '{buffer.id}'"
    if buffer.size < 0:
        raise InputError(f"size {buffer.size} is negative", where=where)
    if buffer.upper <= buffer.lower:
        raise InputError(
            f"lifetime [{buffer.lower}, {buffer.upper}) is empty",
            where=where,
            hint="lifetimes are half-open, lower < upper",
        )
    if buffer.align < 1:
        raise InputError(f"alignment {buffer.align} is not positive", where=where)


def read_csv(source: Path | str, capacity: int | None = None) -> Problem:
    """A problem from a MiniMalloc CSV file. InputError names file and line; BudgetError if capacity < bound."""
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as text ({error})", where=str(path)) from error
    return Problem(tuple(_rows(text, str(path))), capacity)


def _rows(text: str, where: str) -> Iterable[Buffer]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    missing = [name for name in ("id", *_NUMBERS[:3]) if name not in header]
    if missing:
        raise InputError(
            f"no column {', '.join(missing)}", where=where, hint="the first line must be: id,lower,upper,size"
        )
    for row in reader:
        place = f"{where}:{reader.line_num}"
        if None in row or any(value is None for value in row.values()):
            raise InputError(f"has not {len(header)} fields", where=place)
        numbers = {name: _integer(row[name], name, place) for name in header if name in _NUMBERS}
        lower, upper, size = (numbers[name] for name in _NUMBERS[:3])
        yield Buffer(row["id"].strip(), lower, upper, size, numbers.get("alignment", 1))


def _integer(text: str, name: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name} '{text}' is not an integer", where=where) from None


def write_csv(problem: Problem, layout: Layout, target: Path | str) -> None:
    """MiniMalloc's output format: the input columns and `offset`."""
    with Path(target).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "lower", "upper", "size", "offset"))
        for b in problem.buffers:
            writer.writerow((b.id, b.lower, b.upper, b.size, layout.offsets[b.id]))
