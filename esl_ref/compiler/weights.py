# SPDX-License-Identifier: Apache-2.0
"""Weight SRAM as a ring: which chunk of which task lies where, when it must be loaded, and how early it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from esl_ref.arch import Arch
from esl_ref.compiler.tasks import Task
from esl_ref.errors import BudgetError
from esl_ref.program.dense import WordPattern, lay, nbytes

__all__ = ["FINENESS", "Chunk", "Constants", "Placement", "chunks", "place"]

FINENESS = 8
"""How finely weights are cut unless the plan says otherwise: so many chunks of a task's weights fit the weight SRAM at
once."""


@dataclass(frozen=True)
class Chunk:
    """Groups [first, last) of a task's weights (all groups where they share one record)."""

    task: Task
    first: int
    last: int

    @cached_property
    def words(self) -> int:
        """Weight words of the chunk."""
        return self.task.weights.per_group * (1 if self.task.weights.shared else self.last - self.first)

    @cached_property
    def key(self) -> tuple[int, int, int]:
        """Identity of its contents."""
        return id(self.task.weights), self.first, self.last

    def pattern(self, arch: Arch) -> WordPattern:
        """Which bytes of its words lie in memory."""
        return self.task.weights.pattern(self.last, arch.lanes)

    def data(self, arch: Arch) -> bytes:
        """Its words as they lie in memory."""
        return lay(self.task.weights.chunk(self.first, self.last), self.pattern(arch), arch)

    def beats(self, arch: Arch) -> int:
        """Bus words that bring it."""
        return -(-nbytes(self.words, self.pattern(arch), arch) // arch.axi_bytes)


@dataclass(frozen=True)
class Placement:
    """Use `use` reads its chunk at weight word `word`; `load`: it must be loaded, once use `free_after` has run."""

    word: int
    load: bool
    free_after: int


def chunks(task: Task, arch: Arch, fineness: int = FINENESS) -> list[Chunk]:
    """Whole groups per chunk, as many as fit a `fineness`-th of the weight SRAM.

    BudgetError if one group is larger than all of it.
    """
    per_group, groups = task.weights.per_group, task.groups(arch.lanes)
    if per_group > arch.weight_words:
        raise BudgetError(
            f"one group of weights takes {per_group} words of weight SRAM, {arch.weight_words} are there",
            where=f"operator '{task.op}'",
            hint=f"needs weight_words >= {per_group}",
        )
    if task.weights.shared:
        return [Chunk(task, 0, groups)]
    each = max(1, arch.weight_words // fineness // per_group)
    return [Chunk(task, g, min(g + each, groups)) for g in range(0, groups, each)]


def place(uses: Sequence[Chunk], capacity: int, ends: Sequence[int] = ()) -> list[Placement]:
    """Where each use finds its chunk, in order of use. `ends`: number of uses up to the end of each group of tasks.

    Chunks go round the SRAM as a ring. A group that runs in strips uses its chunks over and over, in turn: a ring that
    cannot hold them all would never hold the one that is wanted. So as many of them as fit stay where they are, and the
    rest share what is left.
    """
    ring = _Ring(capacity)
    first = 0
    for end in (*ends, len(uses)):
        ring.group(uses[first:end])
        first = end
    return ring.result


class _Ring:
    """Weight SRAM while a program is laid out; words [low, capacity) are the ring, those below are taken."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.low, self.cursor = capacity, 0, 0
        self.spans: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.last_use = np.full(capacity, -1, np.int64)
        self.result: list[Placement] = []

    def group(self, uses: Sequence[Chunk]) -> None:
        """Place the uses of one group of tasks."""
        sizes = {use.key: use.words for use in uses}
        self.low, total = 0, sum(sizes.values())
        stay: dict[tuple[int, int, int], int] = {}
        if len(uses) > len(sizes):
            if total > self.capacity:
                stay = self._staying(sizes)
                self.cursor = self.low = sum(sizes[key] for key in stay)
            elif self.cursor + total > self.capacity:
                self.cursor = 0
        for use in uses:
            self._use(use, stay)

    def _staying(self, sizes: dict[tuple[int, int, int], int]) -> dict[tuple[int, int, int], int]:
        """Chunks that keep a place of their own, smallest first, leaving room for two of the largest others."""
        order = sorted(sizes, key=lambda key: sizes[key])
        room = self.capacity - 2 * max(sizes.values())
        stay: dict[tuple[int, int, int], int] = {}
        taken = 0
        for key in order:
            if taken + sizes[key] <= room:
                stay[key], taken = taken, taken + sizes[key]
        return stay

    def _use(self, chunk: Chunk, stay: dict[tuple[int, int, int], int]) -> None:
        load, free_after = chunk.key not in self.spans, -1
        if load:
            low = stay[chunk.key] if chunk.key in stay else self._turn(chunk.words)
            high = low + chunk.words
            for key in [k for k, (a, b) in self.spans.items() if a < high and low < b]:
                del self.spans[key]
            free_after = int(self.last_use[low:high].max())
            self.spans[chunk.key] = low, high
        word = self.spans[chunk.key][0]
        self.last_use[word : word + chunk.words] = len(self.result)
        self.result.append(Placement(word, load, free_after))

    def _turn(self, words: int) -> int:
        if self.cursor + words > self.capacity:
            self.cursor = self.low
        self.cursor += words
        return self.cursor - words


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
