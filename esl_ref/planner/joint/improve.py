# SPDX-License-Identifier: Apache-2.0
"""Neighbours of a plan: a boundary moved, two groups joined, one cut in two, another strip height, a map parked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice
from esl_ref.compiler.schedule import WHOLE, Group
from esl_ref.planner.joint.front import STRIPS

__all__ = ["neighbour", "roomier"]

_Groups = list[Group]
FINENESSES = (3, 4, 8, 16, 32, 64)
"""How finely weights may be cut: finer starts earlier, coarser has fewer commands."""


def neighbour(choice: Choice, lowered: Lowered, random: Random) -> Choice:
    """`choice` with one random change."""
    groups = list(choice.groups)
    change = random.choice((*_CHANGES, "fineness", "room", "parked"))
    if change == "fineness":
        return replace(choice, fineness=random.choice([f for f in FINENESSES if f != choice.fineness]))
    if change == "room":
        return roomier(choice, lowered, random.choice(lowered.tasks).ofm.storage.name) or choice
    if change == "parked":
        return replace(choice, parked=choice.parked ^ {random.choice(lowered.spread.tasks).ofm.storage.name})
    assert callable(change)
    at = random.randrange(len(groups))
    return replace(choice, groups=tuple(change(groups, at, random)))


def roomier(choice: Choice, lowered: Lowered, storage: str) -> Choice | None:
    """`choice` with a row more in a storage; None if no group streams through it."""
    streamed = [t for g in choice.groups if g.last - g.first > 1 for t in lowered.tasks[g.first : g.last - 1]]
    if all(task.ofm.storage.name != storage for task in streamed):
        return None
    room = dict(choice.room)
    return replace(choice, room=tuple(sorted((room | {storage: room.get(storage, 0) + 1}).items())))


def _mode(group: Group, random: Random) -> Group:
    """Another way to run the same tasks; several tasks always stream."""
    ways = [(s, a) for s, a in STRIPS if (s, a) != (group.strip, group.ahead)]
    if group.last - group.first == 1:
        return replace(group, strip=WHOLE, ahead=0)
    strip, ahead = random.choice(ways)
    return replace(group, strip=strip, ahead=ahead)


def _restripped(groups: _Groups, at: int, random: Random) -> _Groups:
    return [*groups[:at], _mode(groups[at], random), *groups[at + 1 :]]


def _joined(groups: _Groups, at: int, random: Random) -> _Groups:
    if at + 1 >= len(groups):
        return groups
    strip, ahead = random.choice([(g.strip, g.ahead) for g in groups[at : at + 2] if g.strip < WHOLE] or [STRIPS[0]])
    return [*groups[:at], Group(groups[at].first, groups[at + 1].last, strip, ahead), *groups[at + 2 :]]


def _cut(groups: _Groups, at: int, random: Random) -> _Groups:
    group = groups[at]
    if group.last - group.first < 2:
        return groups
    where = random.randrange(group.first + 1, group.last)
    return [*groups[:at], *_halves(group.first, where, group.last, group, group), *groups[at + 1 :]]


def _moved(groups: _Groups, at: int, random: Random) -> _Groups:
    if at + 1 >= len(groups):
        return groups
    left, right = groups[at], groups[at + 1]
    where = left.last + random.choice((-2, -1, 1, 2))
    if not left.first < where < right.last:
        return groups
    return [*groups[:at], *_halves(left.first, where, right.last, left, right), *groups[at + 2 :]]


def _halves(first: int, where: int, last: int, left: Group, right: Group) -> _Groups:
    """Two groups that meet at task `where`, each in the way of the group it comes from, as far as its length allows."""
    found = []
    for low, high, like in ((first, where, left), (where, last, right)):
        alone = high - low == 1
        strip, ahead = (WHOLE, 0) if alone else (like.strip, like.ahead) if like.strip < WHOLE else STRIPS[0]
        found.append(Group(low, high, strip, ahead))
    return found


_CHANGES: tuple[Callable[[_Groups, int, Random], _Groups], ...] = (_restripped, _joined, _cut, _moved, _moved)
