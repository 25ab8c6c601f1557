# SPDX-License-Identifier: Apache-2.0
"""Weight SRAM as a ring: which chunk of which task lies where, when it must be loaded, and how early it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from esl_ref.arch import Arch
from esl_ref.compiler.tasks import Task
from esl_ref.errors import BudgetError

__all__ = ["Chunk", "Constants", "Placement", "chunks", "place"]

PARTS = 8
"""Unless the plan says otherwise, a task's weights are cut so that this many chunks fit the weight SRAM at once."""


@dataclass(frozen=True)
class Chunk:
    """Groups [first, last) of a task's weights (all groups where they share one record)."""

    task: Task
    first: int
    last: int

    @property
    def words(self) -> int:
        """Weight words of the chunk."""
        return self.task.weights.per_group * (1 if self.task.weights.shared else self.last - self.first)

    @property
    def key(self) -> tuple[int, int, int]:
        """Identity of its contents."""
        return id(self.task.weights), self.first, self.last

    def data(self) -> bytes:
        """Its words as they lie in memory."""
        words = self.task.weights.words
        return (words if self.task.weights.shared else words[self.first : self.last]).tobytes()


@dataclass(frozen=True)
class Placement:
    """Use `use` reads its chunk at weight word `word`; `load`: it must be loaded, once use `free_after` has run."""

    word: int
    load: bool
    free_after: int


def chunks(task: Task, arch: Arch, parts: int = PARTS) -> list[Chunk]:
    """Whole groups per chunk, as many as fit a `parts`-th of the weight SRAM. BudgetError if one group is too large."""
    per_group, groups = task.weights.per_group, task.groups(arch.lanes)
    if per_group > arch.weight_words:
        raise BudgetError(
            f"one group of weights takes {per_group} words of weight SRAM, {arch.weight_words} are there",
            where=f"operator '{task.op}'",
            hint=f"needs weight_words >= {per_group}",
        )
    if task.weights.shared:
        return [Chunk(task, 0, groups)]
    each = max(1, arch.weight_words // parts // per_group)
    return [Chunk(task, g, min(g + each, groups)) for g in range(0, groups, each)]


def place(uses: Sequence[Chunk], capacity: int) -> list[Placement]:
    """Walk the ring in order of use. A chunk still resident is not loaded again."""
    resident: dict[tuple[int, int, int], int] = {}
    spans: dict[tuple[int, int, int], tuple[int, int]] = {}
    last_use = np.full(capacity, -1, np.int64)
    cursor, result = 0, []
    for index, chunk in enumerate(uses):
        load = chunk.key not in resident
        free_after = -1
        if load:
            if cursor + chunk.words > capacity:
                cursor = 0
            low, high = cursor, cursor + chunk.words
            for key in [k for k, (a, b) in spans.items() if a < high and low < b]:
                del resident[key], spans[key]
            free_after = int(last_use[low:high].max())
            resident[chunk.key], spans[chunk.key], cursor = low, (low, high), high
        word = resident[chunk.key]
        last_use[word : word + chunk.words] = index
        result.append(Placement(word, load, free_after))
    return result


class Constants:
    """The constant blob; equal pieces are stored once, each piece aligned for every bus width."""

    ALIGN = 16

    def __init__(self) -> None:
        self._blob = bytearray()
        self._known: dict[bytes, int] = {}

    def add(self, data: bytes) -> int:
        """Offset of `data` in the blob."""
        if data not in self._known:
            self._blob.extend(bytes(-len(self._blob) % self.ALIGN))
            self._known[data] = len(self._blob)
            self._blob.extend(data)
        return self._known[data]

    def bytes(self) -> bytes:
        """The blob, whole bus words."""
        return bytes(self._blob) + bytes(-len(self._blob) % self.ALIGN)
