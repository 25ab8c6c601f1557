# SPDX-License-Identifier: Apache-2.0
"""Plans as JSON: written by `esl-ref plan --json`, taken up again by `--plan FILE` of every verb that compiles.

A file holds one plan (`plan`), or the points of a front (`points`); `FILE:3` is the third point. A plan names the tasks
that it was made for, so that it is not applied to another network by mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from esl_ref.arch import Arch
from esl_ref.compiler.fold import fold_padding
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Choice, prepare
from esl_ref.compiler.schedule import Group
from esl_ref.errors import InputError, PlanError
from esl_ref.ir import Graph
from esl_ref.rewrite import rewritten
from esl_ref.rewrite.steps import as_records, from_records

__all__ = ["as_record", "budget", "read"]

_HINT = "write one with `esl-ref plan MODEL --json FILE`, or --pareto with it, and name a point as FILE:3"
_SHOWN = 60
"""Characters of a damaged entry that a message repeats."""


def as_record(lowered: Sequence[Lowered], choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """Per accelerator segment: operators of its tasks, and what was chosen."""
    return [
        {
            "tasks": [task.op for task in low.tasks],
            "groups": [[g.first, g.last, g.strip, g.ahead] for g in choice.groups],
            "parts": choice.fineness,  # under the name that files have had from the start
            "parked": sorted(choice.parked),
            "weight_words": choice.weight_words,
            "whole_ends": choice.whole_ends,
            "rewriting": as_records(choice.rewriting),
            "room": [list(more) for more in choice.room],
        }
        for low, choice in zip(lowered, choices, strict=True)
    ]


def read(spec: str, graph: Graph, arch: Arch) -> tuple[Choice, ...]:
    """The choices in `FILE` or `FILE:POINT`, one per accelerator segment of `graph` on `arch`.

    InputError if the file, the point or the network is another one.
    """
    path, point = _parts(spec)
    segments = _plan(path, point)
    steps = from_records(segments[0].get("rewriting", ()) if segments else (), where=str(path))
    try:
        graph = rewritten(fold_padding(graph), steps)
    except PlanError as error:
        raise InputError(f"is a plan for another network: {error.what}", where=str(path)) from error
    _, _, _, lowered = prepare(graph, arch)
    if len(segments) != len(lowered):
        raise InputError(f"is a plan of {len(segments)} segments, the model has {len(lowered)}", where=str(path))
    choices = (_choice(record, low, path) for record, low in zip(segments, lowered.values(), strict=True))
    return tuple(replace(choice, rewriting=steps) for choice in choices)


def budget(spec: str | None, sram: int | None) -> int | None:
    """Bytes of activation SRAM to fit and to build: `sram`, or what the plan in `FILE` or `FILE:POINT` was made for.

    None for as many as the plan needs. InputError as `read`.
    """
    if sram is not None or spec is None:
        return sram
    path, point = _parts(spec)
    asked = _record(path, point).get("sram")
    if asked is not None and (not _is_count(asked) or asked < 1):
        raise InputError(f"is damaged: 'sram' is {json.dumps(asked)[:_SHOWN]}, no bytes", where=str(path), hint=_HINT)
    return asked


def _parts(spec: str) -> tuple[Path, int | None]:
    name, _, number = spec.rpartition(":")
    if name and number.isdigit() and not Path(spec).exists():
        return Path(name), int(number)
    return Path(spec), None


def _plan(path: Path, point: int | None) -> Sequence[Mapping[str, Any]]:
    plan = _record(path, point).get("plan")
    if not isinstance(plan, list) or not all(isinstance(segment, dict) for segment in plan):
        raise InputError("holds no plan that runs", where=str(path), hint=_HINT)
    return plan


def _record(path: Path, point: int | None) -> Mapping[str, Any]:
    """The plan, or the point of the front, with all that the file says of it."""
    try:
        record = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read the plan: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", where=str(path), hint=_HINT) from error
    points = record.get("points") if isinstance(record, dict) else None
    if isinstance(points, list):
        if point is None:
            raise InputError(f"holds {len(points)} points; which one?", where=str(path), hint=f"say {path}:1")
        if not 1 <= point <= len(points):
            raise InputError(f"holds {len(points)} points, and no point {point}", where=str(path), hint=f"say {path}:1")
        record = points[point - 1]
    elif point is not None:
        raise InputError("holds one plan, no points", where=str(path), hint=f"say {path}")
    if not isinstance(record, dict):
        raise InputError("holds no plan that runs", where=str(path), hint=_HINT)
    return record


def _choice(record: Mapping[str, Any], lowered: Lowered, path: Path) -> Choice:
    ops = [task.op for task in lowered.tasks]
    if record.get("tasks") != ops:
        raise InputError("is a plan for another network", where=str(path), hint=_first_difference(record, ops))
    _check_entries(record, path)
    groups = tuple(Group(*group) for group in record["groups"])
    words = record["weight_words"]
    room = tuple((name, rows) for name, rows in record["room"])
    choice = Choice(
        groups, record["parts"], frozenset(record["parked"]), words, record["whole_ends"], room=room
    )  # fmt: skip
    ends = [0, *(g.last for g in groups)]
    if [g.first for g in groups] != ends[:-1] or ends[-1] != len(ops) or any(g.first >= g.last for g in groups):
        raise InputError("has groups that do not cover every task once, in order", where=str(path), hint=_HINT)
    if choice.fineness < 1 or any(g.strip < 1 or g.ahead < 0 for g in groups) or (words is not None and words < 1):
        raise InputError("has a strip, part or weight word below 1", where=str(path), hint=_HINT)
    return choice


def _check_entries(record: Mapping[str, Any], path: Path) -> None:
    """InputError naming the first entry that is missing or not of the form in which it is written."""
    for name, (fits, form) in _ENTRIES.items():
        if name not in record:
            raise InputError(f"is damaged: a segment has no '{name}'", where=str(path), hint=_HINT)
        if not fits(record[name]):
            shown = json.dumps(record[name])
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]} ..."
            raise InputError(f"is damaged: '{name}' is {shown}, not {form}", where=str(path), hint=_HINT)


def _is_count(value: Any) -> bool:
    return type(value) is int  # no bool


def _is_group(value: Any) -> bool:
    return isinstance(value, list) and 2 <= len(value) <= 4 and all(map(_is_count, value))


def _is_room(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and _is_count(value[1])
        and value[1] >= 0
    )


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


_ENTRIES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "groups": (_list_of(_is_group), "a list of [first, last, strip, ahead]"),
    "parts": (_is_count, "a whole number"),
    "parked": (_list_of(lambda value: isinstance(value, str)), "a list of names"),
    "weight_words": (lambda value: value is None or _is_count(value), "a whole number or null"),
    "whole_ends": (lambda value: isinstance(value, bool), "true or false"),
    "room": (_list_of(_is_room), "a list of [name, rows]"),
}
"""What a segment holds beside its tasks and the rewriting: whether a value has the form, and the form in words."""


def _first_difference(record: Mapping[str, Any], ops: Sequence[str]) -> str:
    named = record.get("tasks")
    if not isinstance(named, list):
        return "its tasks are no list"
    for number, op in enumerate(ops):
        if number >= len(named) or named[number] != op:
            return (
                f"task {number} of the model is '{op}', the plan's is '{named[number] if number < len(named) else '-'}'"
            )
    return f"the plan has {len(named)} tasks, the model {len(ops)}"
