# SPDX-License-Identifier: Apache-2.0
"""Bands of full arenas: joined problems are much smaller, and their layouts are layouts of what was given."""

from __future__ import annotations

import time

import pytest

from esl_ref import layout
from esl_ref.layout import Buffer
from esl_ref.layout.bands import joined
from esl_ref.layout.sections import sections
from tests.helpers.packings import guillotine

MIB = 1 << 20


def test_a_stack_and_its_successor_are_one_band() -> None:
    """a and b end where c of their sum begins; d lives beside them."""
    buffers = (Buffer("a", 0, 2, 3), Buffer("b", 0, 2, 4), Buffer("c", 2, 5, 7), Buffer("d", 0, 5, 2))
    bands = joined(sections(layout.Problem(buffers)), 9)
    (band, beside) = bands.problem.blocks
    assert (band.first, band.last, band.size, beside.id) == (0, 2, 7, "d")
    assert bands.expanded({band.id: 2, "d": 0}) == {"a": 2, "b": 5, "c": 2, "d": 0}


@pytest.mark.parametrize(
    "buffers, ceiling",
    [
        ((Buffer("a", 0, 2, 3), Buffer("c", 2, 5, 3), Buffer("d", 0, 5, 2)), 6),  # a byte is free
        ((Buffer("a", 0, 2, 3), Buffer("c", 2, 5, 2), Buffer("d", 0, 5, 2)), 5),  # free after the moment
        ((Buffer("a", 0, 2, 4), Buffer("c", 2, 5, 4, 2), Buffer("d", 0, 5, 2)), 6),  # an alignment of its own
    ],
)
def test_where_bytes_are_free_nothing_is_joined(buffers: tuple[Buffer, ...], ceiling: int) -> None:
    problem = sections(layout.Problem(buffers))
    assert joined(problem, ceiling).problem == problem


@pytest.mark.parametrize("count, times, grain", [(150, 2000, 512), (500, 100_000, 1), (300, 300, 64)])
@pytest.mark.parametrize("seed", [1, 2])
def test_perfect_packings_shrink_and_fit(count: int, times: int, grain: int, seed: int) -> None:
    problem = layout.Problem(guillotine(count, times, MIB, seed, grain), MIB)
    assert problem.bound == MIB
    reduced = sections(problem)
    assert 4 * len(joined(reduced, MIB // reduced.grain).problem.blocks) < len(reduced.blocks)
    started = time.monotonic()
    found = layout.solve(problem, 60.0)
    assert layout.validate(problem, found) == [] and found.height == MIB
    assert time.monotonic() - started < 60


def test_thousands_of_buffers_fit_in_time() -> None:
    """Without bands, 3000 such buffers kept the constructions alone busy for more than a minute."""
    problem = layout.Problem(guillotine(3000, 20_000, MIB, 3000), MIB)
    found = layout.solve(problem, 60.0)
    assert layout.validate(problem, found) == [] and found.height == MIB


def test_sizes_of_64_bits_are_no_matter() -> None:
    """CP-SAT overflows on them: what no construction finds is then not searched."""
    tall = tuple(Buffer(f"b{k}", k % 3, k % 3 + 1 + k % 2, (1 << 61) + k) for k in range(7))
    found = layout.solve(layout.Problem(tall), 5.0)
    assert layout.validate(layout.Problem(tall), found) == []
