# SPDX-License-Identifier: Apache-2.0
"""Darknet configuration files as sections of options, before any of them means something.

A line is `[kind]`, `key=value` or a comment; blanks count nowhere. Of a key that is given twice Darknet takes the
first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from esl_ref.errors import ModelError

__all__ = ["MOST_BYTES", "Option", "Section", "read_sections", "sections"]

MOST_BYTES = 4 << 20
"""Largest file that is read: real ones have some ten kilobytes."""

_MOST = 2**31 - 1
_QUOTED = 40


@dataclass(frozen=True)
class Option:
    """The text after the equals sign, and the number of its line."""

    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """One `[kind]` block: its options by key, the line it starts at, the name of its file."""

    kind: str
    options: Mapping[str, Option]
    line: int
    file: str = ""

    @property
    def where(self) -> str:
        """File, kind and line, for error messages."""
        return f"{self.file + ', ' if self.file else ''}[{self.kind[:_QUOTED]}] at line {self.line}"

    def place(self, key: str) -> str:
        """Where an option is, for error messages: its own line if it is given."""
        option = self.options.get(key)
        return f"{self.where}, line {option.line}" if option else self.where

    def text(self, key: str, default: str) -> str:
        """Option as it is written."""
        option = self.options.get(key)
        return option.value if option else default

    def number(self, key: str, default: int | None = None, low: int = -_MOST, high: int = _MOST) -> int:
        """Integer option; ModelError if it is absent without a default, no integer, or out of its range."""
        option = self.options.get(key)
        if option is None and default is not None:
            return default
        return self._checked(key, self._integer(key, option.value if option else ""), low, high)

    def numbers(self, key: str) -> list[int]:
        """Integers separated by commas; empty if the option is absent."""
        return [self._integer(key, part) for part in self._parts(key)]

    def real(self, key: str, default: float) -> float:
        """Finite real option."""
        option = self.options.get(key)
        return default if option is None else self._real(key, option.value)

    def reals(self, key: str) -> list[float]:
        """Real numbers separated by commas; empty if the option is absent."""
        return [self._real(key, part) for part in self._parts(key)]

    def flag(self, key: str, default: bool = False) -> bool:
        """Anything but 0 is true, as in Darknet."""
        return self.number(key, int(default)) != 0

    def _parts(self, key: str) -> list[str]:
        return [part for part in self.text(key, "").split(",") if part]

    def _integer(self, key: str, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise ModelError(f"option {key} = '{self._quoted(key)}' is not {self._kind(key, 'an integer')}",
                             where=self.place(key)) from None  # fmt: skip

    def _real(self, key: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ModelError(f"option {key} = '{self._quoted(key)}' is not {self._kind(key, 'a number')}",
                             where=self.place(key))  # fmt: skip
        return value

    def _quoted(self, key: str) -> str:
        return self.text(key, "")[:_QUOTED]

    def _kind(self, key: str, one: str) -> str:
        return f"a list of {one.split()[-1]}s" if "," in self.text(key, "") else one

    def _checked(self, key: str, value: int, low: int, high: int) -> int:
        if not low <= value <= high:
            bounds = f"at least {low}" if high == _MOST else f"from {low} to {high}"
            raise ModelError(f"option {key} = {value} must be {bounds}", where=self.place(key))
        return value


def sections(text: str, file: str = "") -> tuple[list[Section], list[str]]:
    """Sections of a configuration in order, and notes about keys given twice.

    ModelError for text outside sections or lines that are no option.
    """
    found: list[tuple[str, dict[str, Option], int]] = []
    notes = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = "".join(raw.split("#")[0].split(";")[0].split())
        if line.startswith("[") and line.endswith("]"):
            found.append((line[1:-1], {}, number))
        elif line:
            key, equals, value = line.partition("=")
            if not equals or not found:
                raise ModelError(f"'{line[:_QUOTED]}' is no option", where=_place(file, number),
                                 hint="expected [layer] or key=value")  # fmt: skip
            if key in found[-1][1]:
                notes.append(f"[{found[-1][0]}] at line {found[-1][2]}: '{key}' is given again, the first counts")
            found[-1][1].setdefault(key, Option(value, number))
    return [Section(kind, options, line, file) for kind, options, line in found], notes


def _place(file: str, line: int) -> str:
    return f"{file}, line {line}" if file else f"line {line}"


def read_sections(path: Path) -> tuple[list[Section], list[str]]:
    """`sections` of a file; ModelError if it cannot be read or is no text of a sensible size."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if len(data) > MOST_BYTES:
        raise ModelError(f"is larger than {MOST_BYTES:,} bytes", where=str(path), hint="is it the .weights file?")
    if b"\0" in data:
        raise ModelError("is no text", where=str(path), hint="is it the .weights file?")
    return sections(data.decode("utf-8-sig", errors="replace"), str(path))
