# SPDX-License-Identifier: Apache-2.0
"""What all verbs share: the options they have in common, JSON reports, sizes in bytes, and the consoles."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from esl_ref.arch import MOST_ACT_BYTES
from esl_ref.files import refusals, write_whole

__all__ = [
    "BYTES",
    "SECONDS",
    "SEED",
    "SRAM",
    "arch_option",
    "json_option",
    "output_console",
    "plan_option",
    "progress_console",
    "show_table",
    "to_plain",
    "write_json",
]

_UNLIMITED = 10_000
"""Columns of a console on which every table has room."""

_STDOUT = "standard output"

_SUFFIXES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json FILE` as the parameter `json_file` (a Path, `-` for standard output, or None)."""
    return click.option(
        "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        help="Also write the result as JSON to FILE (- for standard output).",
    )(function)  # fmt: skip


def arch_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--arch ARCH` as the parameter `arch_name`, for `esl_ref.arch.load`."""
    return click.option(
        "--arch", "arch_name", default="base", show_default=True, metavar="ARCH",
        help="Preset (tiny, base, wide) or TOML file; behind commas what to change: base,weight_words=256.",
    )(function)  # fmt: skip


def plan_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--plan FILE[:POINT]` as the parameter `plan_file` (a string or None)."""
    return click.option(
        "--plan", "plan_file", metavar="FILE[:POINT]",
        help="Use the plan in FILE, which `esl-ref plan --json FILE` wrote; of a front, its point number POINT.",
    )(function)  # fmt: skip


class _Output(Console):
    """A console whose full disk is said to be that of standard output: the error itself has no name."""

    def print(self, *objects: Any, **how: Any) -> None:
        with refusals(_STDOUT, "output"):
            super().print(*objects, **how)


def output_console() -> Console:
    """Standard output: what the verb is asked for."""
    return _Output(highlight=False)


def progress_console() -> Console:
    """Standard error: progress and remarks, so that standard output stays clean for pipes."""
    return Console(stderr=True, highlight=False)


def show_table(console: Console, table: Table) -> None:
    """Print a table as narrow as the console wants it, but wide enough for every word of it.

    Left alone, rich shortens names and figures to fit, and a row whose name is cut is of no use.
    """
    wide = console.options.update(max_width=_UNLIMITED)
    for column in table.columns:
        words = max(Measurement.get(console, wide, cell).minimum for cell in (column.header, *column.cells))
        column.min_width = min(words, column.max_width or words)
    needed = Measurement.get(console, wide, table).minimum
    if needed > console.width:
        table.width = needed
        for column in table.columns:
            column.width = column.min_width
    console.print(table, crop=False)


class _Bytes(click.ParamType[int]):
    """A size in bytes: 65536, 64K, 64KiB, 1M."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", str(value).strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is not a size; write for example 65536, 64K or 1M", param, ctx)
        return int(match[1]) * _SUFFIXES[match[2].lower()]


BYTES = _Bytes()
"""click type for sizes."""


class _Sram(_Bytes):
    """A size that the activation SRAM can have."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        size = super().convert(value, param, ctx)
        if size > MOST_ACT_BYTES:
            self.fail(f"{value} is more than the {MOST_ACT_BYTES >> 20}M that the machine can address", param, ctx)
        return size


SRAM = _Sram()
"""click type for sizes of the activation SRAM."""


class _Seconds(click.FloatRange):
    """A time above zero that ends."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):  # nan is not above the least, but not below it either
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


SECONDS = _Seconds(min=0, min_open=True)
"""click type for time limits."""
SEED = click.IntRange(0, (1 << 31) - 1)
"""click type for seeds of searches: CP-SAT's are int32."""


def to_plain(value: Any) -> Any:
    """`value` with dataclasses, enums, numpy numbers, arrays and paths turned into what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key.name if isinstance(key, enum.Enum) else str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return value


def write_json(path: Path | None, value: Any) -> None:
    """Write `value` to `path` (None: do nothing), whole or not at all; raises `InputError` if that is impossible."""
    if path is None:
        return
    text = json.dumps(to_plain(value), indent=2) + "\n"
    if str(path) == "-":
        with refusals(_STDOUT, "output"):
            sys.stdout.write(text)
            sys.stdout.flush()
        return
    write_whole(path, text, "JSON report")
