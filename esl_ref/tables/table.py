# SPDX-License-Identifier: Apache-2.0
"""What a table of the planner's benchmark is, and the helpers its makers share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from esl_ref.errors import InputError

__all__ = ["Maker", "Settings", "Table", "Timer", "mean", "percent", "timer"]


Row: TypeAlias = tuple[Any, ...]


class _Rows(list[Row]):
    """Rows of a table in the making: somebody is told of each, so that it survives an interruption."""

    def __init__(self, found: Callable[[Row], None]) -> None:
        self._found = found

    def append(self, row: Row) -> None:
        super().append(row)
        self._found(row)


def _nobody(row: Row) -> None:
    """Rows are told to nobody."""


@dataclass(frozen=True)
class Settings:
    """Where third-party instances lie, seconds a single search may take, the seed, and who is told of every row."""

    data: Path
    seconds: float = 60.0
    seed: int = 0
    found: Callable[[Row], None] = _nobody

    def rows(self) -> list[Row]:
        """An empty list for the rows of a table."""
        return _Rows(self.found)

    def folder(self, *parts: str) -> Path:
        """A folder of the data; InputError if it is absent."""
        path = self.data.joinpath(*parts)
        if not path.is_dir():
            raise InputError("no such folder", where=str(path), hint="set ESL_REF_DATA or --data to the shared data")
        return path


@dataclass(frozen=True)
class Table:
    """Rows of values under column names, what they add up to, and remarks on how to read them."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    summary: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """Rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


Maker = Callable[[Settings, Callable[[str], None]], Table]
"""(settings, say what is being worked on) -> table."""


@dataclass
class Timer:
    """Seconds that a `with timer()` block took."""

    seconds: float = 0.0


@contextmanager
def timer() -> Iterator[Timer]:
    clock, started = Timer(), time.perf_counter()
    yield clock
    clock.seconds = round(time.perf_counter() - started, 2)


def percent(part: float, whole: float) -> float:
    """How much smaller `part` is than `whole`, in per cent with one decimal."""
    return round(100 * (1 - part / whole), 1)


def mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 2)
