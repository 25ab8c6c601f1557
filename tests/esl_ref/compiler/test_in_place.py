# SPDX-License-Identifier: Apache-2.0
"""Sums written over the input of their residual block: in the bytes that golden says, streamed in every way, and only
where no row is overwritten that somebody still reads."""

from __future__ import annotations

import pytest

from esl_ref import arch
from esl_ref.compiler import Choice
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import prepare
from esl_ref.compiler.schedule import Group
from esl_ref.ir import Graph
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded
from tests.helpers.networks import check

BASE = arch.load("base")


def _lowered(graph: Graph) -> Lowered:
    (low,) = prepare(graph, BASE)[3].values()
    return low


def _blocks(kernels: tuple[int, ...]) -> Graph:
    """Inverted residual blocks, one after the other."""
    b = Builder("blocks", (14, 10, 3))
    x = b.conv(16, 3)
    for kernel in kernels:
        b.conv(40, source=x)
        b.depthwise(kernel)
        x = b.add(b.conv(16), x)
    b.conv(8)
    return seeded(b.build())


def test_blocks_share_one_storage() -> None:
    tasks = _lowered(_blocks((3, 5, 3))).tasks
    sums = [t for t in tasks if t.ifm2 is not None]
    assert len({t.ofm.storage for t in sums}) == 1
    assert sums[0].ofm.storage == tasks[0].ofm.storage


@pytest.mark.parametrize("kernels", [(3,), (3, 5, 3), (7, 3), (5, 7)])
def test_blocks_stream_in_place(kernels: tuple[int, ...]) -> None:
    graph = _blocks(kernels)
    count = len(_lowered(graph).tasks)
    for strip, ahead in ((1, 0), (1, 1), (2, 0), (3, 1), (4, 0)):
        check(graph, BASE, [Choice((Group(0, count, strip, ahead),))])
    cut = count // 2
    for first in (cut, cut + 1, cut + 2):
        check(graph, BASE, [Choice((Group(0, first, 1), Group(first, count, 2, 1)))])
    check(graph, BASE, [Choice(tuple(Group(i, i + 1) for i in range(count)))])


def _spatial_reader() -> Graph:
    """One 3 x 3 layer beside the sum: row r of the input is still read for row r + 1 when the sum has written row r."""
    b = Builder("spatial", (12, 9, 16))
    x = b.conv(16)
    b.add(b.conv(16, 3, source=x), x)
    b.conv(16)
    return seeded(b.build())


def _reader_aside() -> Graph:
    """Somebody reads the input that the sum does not wait for."""
    b = Builder("aside", (12, 9, 16))
    x = b.conv(16)
    aside = b.conv(16, source=x)
    y = b.add(b.conv(16, source=b.conv(16, source=x)), x)
    b.add(b.conv(16, 3, source=y), aside)
    return seeded(b.build())


@pytest.mark.parametrize("make", [_spatial_reader, _reader_aside])
def test_inputs_that_are_still_read_stay(make: object) -> None:
    assert callable(make)
    graph = make()
    tasks = _lowered(graph).tasks
    first = next(t for t in tasks if t.ifm2 is not None)
    assert first.ofm.storage != tasks[0].ofm.storage
    for strip in (1, 2, 3):
        check(graph, BASE, [Choice((Group(0, len(tasks), strip),))])


def test_an_upsampled_map_that_is_summed_into_is_not_taken_for_whole() -> None:
    b = Builder("upsampled", (8, 6, 16))
    low = b.conv(16, 3, 2)
    high = b.conv(16, 3, source="input")
    b.add(b.upsample(2, low), high)
    b.conv(16)
    graph = seeded(b.build())
    count = len(_lowered(graph).tasks)
    for strip in (1, 2, 4):  # the sum is whole at the end of its group, the map under it was not
        check(graph, BASE, [Choice((Group(0, count - 1, strip), Group(count - 1, count)))])
