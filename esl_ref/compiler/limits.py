# SPDX-License-Identifier: Apache-2.0
"""Maps that are too large for a command: cut where commands may cover a part of the rows, else refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from esl_ref.errors import FieldError, LimitError

__all__ = ["LONGEST", "cut", "within_fields"]

LONGEST = (1 << 14) - 1
"""Rows or columns that a command can count."""
STRIP = 1 << 12
"""Rows of the strips into which higher maps are cut: whole vectors, and with strides of up to 3 rows that the command
can count, too."""


def cut(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Rows [first, last) in strips."""
    for row in range(first, last, STRIP):
        yield row, min(last, row + STRIP)


@contextmanager
def within_fields(where: str) -> Iterator[None]:
    """LimitError, naming `where`, for a command with a number too large for its field."""
    try:
        yield
    except FieldError as error:
        hint = f"maps of up to {LONGEST} columns and 32 MiB fit: scale the input down or cut it in parts"
        raise LimitError(error.what, where=where, hint=hint) from error
