# SPDX-License-Identifier: Apache-2.0
"""Operators of a model in the order that keeps the fewest bytes alive, as a step of rewriting."""

from __future__ import annotations

from esl_ref.arch import Arch
from esl_ref.compiler.fold import fold_padding
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import prepare
from esl_ref.ir import Graph
from esl_ref.planner.order import Work, least_peak
from esl_ref.rewrite import Ordered

__all__ = ["reordered", "work_of"]

WORTH = 0.98
"""An order is worth planning for if it keeps no more than this part of the given one's bytes alive."""


def reordered(graph: Graph, arch: Arch) -> tuple[Ordered, ...]:
    """The step that puts operators in the order of fewest bytes, where that is better than the model's by `WORTH`."""
    _, _, segments, lowered = prepare(graph, arch)
    names: list[str] = []
    better = False
    for number, segment in enumerate(segments):
        ops = [op.name for op in segment.ops]
        if number in lowered:
            work = work_of(lowered[number])
            found = least_peak(work)
            if found.peak <= WORTH * work.peak(range(len(ops))):
                ops, better = [ops[k] for k in found.order], True
        names += ops
    known = {op.name for op in fold_padding(graph).ops}  # not the first steps of divided pools
    return (Ordered(tuple(name for name in names if name in known)),) if better else ()


def work_of(lowered: Lowered) -> Work:
    """What the operators of a segment touch, each result in a storage of its own or a part of one."""
    ops, views = lowered.segment.ops, lowered.spread.binder.views
    users: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for number, op in enumerate(ops):
        for view in (views[name] for name in (*op.inputs, *op.outputs) if name in views):
            users[view.storage.name] = users.get(view.storage.name, 0) | 1 << number
            sizes[view.storage.name] = view.storage.wrap
    made = {name: number for number, op in enumerate(ops) for name in op.outputs}
    after = tuple(sum({1 << made[n] for n in op.inputs if n in made}) for op in ops)
    kept = {views[name].storage.name for name in lowered.segment.outputs if name in views}
    held = frozenset(k for k, name in enumerate(users) if name in kept)
    return Work(after, tuple(users.values()), tuple(sizes.values()), held)
