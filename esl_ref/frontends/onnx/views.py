# SPDX-License-Identifier: Apache-2.0
"""How a tensor of the file lies in a tensor of the graph.

The file's convention is NCHW, the graph's NHWC. No tensor is ever moved for that: each tensor of the file is a view of
one in the graph, transpositions and reshapes of the file change the view, and only an operator that cannot work on the
view as it is makes a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from esl_ref.frontends.onnx.schema import elements

__all__ = ["View", "channels_last", "inverse"]


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `perm`."""
    return tuple(sorted(range(len(perm)), key=lambda axis: perm[axis]))


def channels_last(rank: int) -> tuple[int, ...]:
    """File axes in the graph's order: N, spatial ones, C."""
    return (0, *range(2, rank), 1) if rank >= 3 else tuple(range(rank))


@dataclass(frozen=True)
class View:
    """File tensor = graph tensor `name`, seen with dimensions `base`, transposed by `perm`, then reshaped to `tail`.

    file axis k (before `tail`) is axis perm[k] of `base`. `tail` is None unless a reshape of the file mixes axes that
    are not neighbours in the graph.
    """

    name: str
    base: tuple[int, ...]
    perm: tuple[int, ...]
    tail: tuple[int, ...] | None = None

    @classmethod
    def plain(cls, name: str, shape: tuple[int, ...]) -> View:
        """The graph's tensor as it is."""
        return cls(name, shape, tuple(range(len(shape))))

    @classmethod
    def ordered(cls, name: str, shape: tuple[int, ...], order: Sequence[int]) -> View:
        """A graph tensor of `shape` whose axis j is file axis order[j]."""
        return cls(name, shape, inverse(order))

    @property
    def untailed(self) -> tuple[int, ...]:
        """Shape before `tail`."""
        return tuple(self.base[axis] for axis in self.perm)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the file."""
        return self.untailed if self.tail is None else self.tail

    @property
    def order(self) -> tuple[int, ...]:
        """File axes (before `tail`) in the order in which they lie in memory."""
        return inverse(self.perm)

    @property
    def in_order(self) -> bool:
        """Whether memory has the file's order; axes of one element lie anywhere."""
        axes = [axis for axis in self.perm if self.base[axis] != 1]
        return axes == sorted(axes)

    def transposed(self, perm: Sequence[int]) -> View:
        """The file's transposition: new axis k is old axis perm[k]. Not for views with a tail."""
        assert self.tail is None
        return View(self.name, self.base, tuple(self.perm[axis] for axis in perm))

    def reshaped(self, shape: tuple[int, ...]) -> View:
        """The file's reshape to `shape` of as many elements."""
        if self.in_order:
            return View.plain(self.name, shape)
        if self.tail is None:
            regrouped = _regroup(self, shape)
            if regrouped is not None:
                return regrouped
        tail = None if self.tail is not None and shape == self.untailed else shape
        return View(self.name, self.base, self.perm, tail)


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[range, range]] | None:
    """Smallest runs of axes of both shapes with as many elements each; None if nothing but the whole fits."""
    groups, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        first, begin, a, b = i, j, 1, 1
        if i < len(old):
            a, i = old[i], i + 1
        if j < len(new):
            b, j = new[j], j + 1
        while a != b:
            if a < b and i < len(old):
                a, i = a * old[i], i + 1
            elif a > b and j < len(new):
                b, j = b * new[j], j + 1
            else:
                return None
        groups.append((range(first, i), range(begin, j)))
    return groups


def _regroup(view: View, shape: tuple[int, ...]) -> View | None:
    """A reshape that splits axes, or joins those that are neighbours in memory, too: still a plain view."""
    groups = _groups(view.untailed, shape)
    if groups is None:
        return None
    parts: list[tuple[int, tuple[int, ...]]] = []  # (place in memory, new dimensions) of each group
    for old, new in groups:
        places = [view.perm[axis] for axis in old if view.untailed[axis] != 1]
        if any(b != a + 1 and elements(view.base[a + 1 : b]) != 1 for a, b in zip(places, places[1:], strict=False)):
            return None
        if places != sorted(places):
            return None
        place = places[0] if places else view.perm[old[0]] if len(old) else len(view.base)
        parts.append((place, tuple(shape[axis] for axis in new)))
    memory = sorted(range(len(parts)), key=lambda k: parts[k][0])
    base = tuple(d for k in memory for d in parts[k][1])
    starts, at = {}, 0
    for k in memory:
        starts[k] = at
        at += len(parts[k][1])
    perm = tuple(starts[k] + n for k in range(len(parts)) for n in range(len(parts[k][1])))
    return View(view.name, base, perm)
