# SPDX-License-Identifier: Apache-2.0
"""Blocks that share a band of a full arena in every layout, joined to one: what is left to search is often little.

Where a section and the next are both full, what ends between them leaves exactly the bytes that what begins there
takes, since the blocks that live on do not move. Enders and starters that can be told apart by their sums therefore lie
in one band each: a stack of blocks of one lifetime is one block, and a block followed by another of its size is one
longer block. Sums of several such groups at one moment may coincide by chance; then the joined problem is harder than
the given one, and that it has no layout proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from esl_ref.layout.heuristics import Offsets
from esl_ref.layout.sections import Block, Sections

__all__ = ["Joined", "joined"]

_MOST = 10
"""Enders or starters of one moment whose sums are looked at: there are two to this power of them."""


@dataclass(frozen=True)
class Joined:
    """The problem of bands; `parts`: id of a band -> (id, offset within it) of the blocks it is made of."""

    problem: Sections
    parts: Mapping[str, tuple[tuple[str, int], ...]]

    def expanded(self, offsets: Offsets) -> Offsets:
        """Offsets of the given blocks from those of the bands."""
        return {name: at + inner for band, at in offsets.items() for name, inner in self.parts[band]}


def joined(problem: Sections, ceiling: int) -> Joined:
    """`problem` with all bands that can be told in an arena of `ceiling` grains."""
    bands = _Bands(problem, ceiling)
    # A join makes a block longer, and may so allow one at a moment that was looked at before.
    while any([bands.join(moment) for moment in bands.moments]):
        pass
    blocks = tuple(bands.alive.values())
    return Joined(replace(problem, blocks=blocks), {b.id: tuple(bands.parts[b.id]) for b in blocks})


class _Bands:
    """Blocks that are alive, by id, and what they are made of. `moments`: full sections that follow full ones."""

    def __init__(self, problem: Sections, ceiling: int) -> None:
        loads = [0] * (problem.count + 1)
        for block in problem.blocks:
            for section in range(block.first, block.last):
                loads[section] += block.size
        plain = all(block.align == 1 for block in problem.blocks)
        self.moments = [k for k in range(1, problem.count) if plain and loads[k - 1] == loads[k] == ceiling]
        self.alive = {block.id: block for block in problem.blocks}
        self.parts = {block.id: [(block.id, 0)] for block in problem.blocks}

    def join(self, moment: int) -> bool:
        """Join what can be joined at one moment; whether anything could."""
        enders = [b for b in self.alive.values() if b.last == moment]
        starters = [b for b in self.alive.values() if b.first == moment]
        before = len(self.alive)
        for left, right in _groups(enders, starters):
            whole = [self._stacked(side, same) for side, same in ((left, "first"), (right, "last"))]
            if whole[0] is not None and whole[1] is not None:
                self._chained(whole[0], whole[1])
        return len(self.alive) < before

    def _stacked(self, blocks: Sequence[Block], same: str) -> Block | None:
        """Blocks of one band as one block, if their lifetimes are the same."""
        if len({getattr(b, same) for b in blocks}) > 1:
            return None
        lowest, *others = blocks
        size = lowest.size
        for block in others:
            self.parts[lowest.id] += [(name, size + inner) for name, inner in self.parts.pop(block.id)]
            size += self.alive.pop(block.id).size
        self.alive[lowest.id] = band = replace(lowest, size=size)
        return band

    def _chained(self, left: Block, right: Block) -> None:
        """A block and its successor in its band."""
        self.parts[left.id] += self.parts.pop(right.id)
        del self.alive[right.id]
        self.alive[left.id] = replace(
            left, last=right.last, span=left.span + right.span, pressure=max(left.pressure, right.pressure)
        )


def _groups(enders: Sequence[Block], starters: Sequence[Block]) -> Iterable[tuple[list[Block], list[Block]]]:
    """Enders and starters of equal sums, in the smallest groups that there are."""
    left, right = list(enders), list(starters)
    if max(len(left), len(right)) > _MOST:
        return
    while left and right and (pair := _smallest(left, right)):
        yield pair
        left = [b for b in left if b not in pair[0]]
        right = [b for b in right if b not in pair[1]]


def _smallest(left: Sequence[Block], right: Sequence[Block]) -> tuple[list[Block], list[Block]] | None:
    """The fewest blocks of two sides with one sum; of several such groups one of equal lifetimes."""
    sums: dict[int, list[tuple[Block, ...]]] = {}
    for some in _some(right):
        sums.setdefault(sum(b.size for b in some), []).append(some)
    found = (
        (len(some) + len(other), len({b.first for b in some}) + len({b.last for b in other}), some, other)
        for some in _some(left)
        for other in sums.get(sum(b.size for b in some), ())
    )
    best = min(found, key=lambda f: f[:2], default=None)
    return None if best is None else (list(best[2]), list(best[3]))


def _some(blocks: Sequence[Block]) -> Iterable[tuple[Block, ...]]:
    """All choices of one or more."""
    for count in range(1, len(blocks) + 1):
        yield from combinations(blocks, count)
