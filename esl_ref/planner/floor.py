# SPDX-License-Identifier: Apache-2.0
"""A lower bound on the arena over all plans of given tasks, however they are grouped, streamed or parked.

While a command runs, the rows that it reads and the row that it writes are in SRAM. Run by single rows, with sums
spread over accumulator slots and depthwise windows in the line buffers, a layer needs the fewest; no plan needs less
than the neediest layer. Only another lowering does: tiles and channel splits, which cut rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from esl_ref.arch import Arch
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.rolling import accesses
from esl_ref.compiler.schedule import Compute, Group, GroupBuilder, sources_and_grids

__all__ = ["least_arena"]


def least_arena(lowered: Lowered, arch: Arch) -> tuple[int, str]:
    """(bytes, operator that needs them) below which no plan of a segment gets on the machine that plans are made for.

    Results may lie over operands or apart, narrow maps run as one row or as they stand: the smallest need counts.
    """
    return min(max(_needs(low, arch), key=lambda need: need[0]) for low in (lowered, lowered.spread, lowered.upright))


def _needs(lowered: Lowered, arch: Arch) -> Iterator[tuple[int, str]]:
    """(bytes, operator) of every command of every task by itself in rows."""
    sources, grids = sources_and_grids(lowered)
    for index, task in enumerate(lowered.tasks):
        done = {k: other.ofm.height * (k < index) for k, other in enumerate(lowered.tasks)}
        builder = GroupBuilder(lowered, arch, Group(index, index + 1, 1), done, {}, sources, grids)
        builder.run()
        for step in builder.steps:
            if isinstance(step, Compute):
                yield _touched(step, builder), task.op


def _touched(step: Compute, builder: GroupBuilder) -> int:
    """Bytes of all rows that a command reads or writes."""
    spans: dict[str, tuple[int, int]] = {}
    sizes: dict[str, int] = {}
    for view, first, last, _ in accesses(step):
        name, grid = view.storage.name, builder.grids[view.storage.name]
        low, high = grid.span(view, first, last) if grid else (0, int(first < last))
        before = spans.get(name, (low, high))
        spans[name] = min(low, before[0]), max(high, before[1])
        sizes[name] = grid.pitch if grid else view.storage.wrap
    return sum((high - low) * sizes[name] for name, (low, high) in spans.items())
