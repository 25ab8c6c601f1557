# SPDX-License-Identifier: Apache-2.0
"""Solver against validator: public instances, random problems, small optima by brute force, and bad input."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esl_ref import layout
from esl_ref.errors import BudgetError, InputError
from esl_ref.layout import exact, heuristics
from esl_ref.layout.sections import sections
from esl_ref.layout.validate import Reason

MINIMALLOC = ["A", "C", "E", "G", "I", "K"]


def buffer(name: str, lower: int, upper: int, size: int, align: int = 1) -> layout.Buffer:
    return layout.Buffer(name, lower, upper, size, align)


HOLES = (buffer("a", 0, 2, 4), buffer("b", 0, 2, 1, 4), buffer("c", 0, 2, 1, 4))


@st.composite
def problems(draw: st.DrawFn, most: int = 24) -> layout.Problem:
    count = draw(st.integers(0, most))
    rows = []
    for k in range(count):
        lower = draw(st.integers(0, 12))
        rows.append(
            buffer(
                f"b{k}",
                lower,
                lower + draw(st.integers(1, 8)),
                draw(st.integers(0, 40)),
                draw(st.sampled_from([1, 1, 4, 16])),
            )
        )
    return layout.Problem(tuple(rows))


@given(problems())
@settings(max_examples=60)
def test_layouts_are_legal_and_not_below_the_bound(problem: layout.Problem) -> None:
    found = layout.solve(problem, 1.0)
    assert layout.validate(problem, found) == []
    assert found.height >= found.bound == problem.bound
    assert found.height == max((found.offsets[b.id] + b.size for b in problem.buffers), default=0)


@given(problems(most=6))
@settings(max_examples=40)
def test_proved_optimum_is_the_optimum(problem: layout.Problem) -> None:
    found = layout.solve(problem, 20.0)
    assert found.proved_optimal
    assert found.height == brute_force(problem)


def brute_force(problem: layout.Problem) -> int:
    """Least height over all orders of bottom-up placement, which reach every bottom-justified layout."""
    solid = [b for b in problem.buffers if b.size]
    best = sum(b.size + b.align for b in solid)
    for order in itertools.islice(itertools.permutations(solid), 50_000):
        offsets: dict[str, int] = {}
        for b in order:
            tops = [
                offsets[a.id] + a.size for a in solid if a.id in offsets and a.lower < b.upper and b.lower < a.upper
            ]
            offsets[b.id] = -(-max(tops, default=0) // b.align) * b.align
        best = min(best, max((offsets[b.id] + b.size for b in solid), default=0))
    return best if solid else 0


@pytest.mark.parametrize("name", MINIMALLOC)
def test_minimalloc_instance_fits(data_dir: Path, name: str) -> None:
    problem = layout.read_csv(data_dir / "planner" / "minimalloc" / f"{name}.1048576.csv", 1 << 20)
    started = time.monotonic()
    found = layout.solve(problem, 60.0)
    assert time.monotonic() - started < 60
    assert layout.validate(problem, found) == []
    assert found.height <= 1 << 20


def test_input_12_is_optimal(data_dir: Path) -> None:
    problem = layout.read_csv(data_dir / "planner" / "minimalloc" / "input.12.csv")
    found = layout.solve(problem)
    assert (found.height, found.proved_optimal) == (12, True)


@pytest.mark.parametrize(("name", "bound"), [("somas_resnet50", 1_515_472_556), ("iopddl_G_1", 3_030_937_746)])
def test_training_graphs_within_one_percent(data_dir: Path, name: str, bound: int) -> None:
    problem = layout.read_csv(data_dir / "planner" / "idealloc" / f"{name}.csv")
    found = layout.solve(problem, 60.0)
    assert layout.validate(problem, found) == []
    assert problem.bound == bound
    assert found.gap <= 0.01


def test_least_height_above_the_bound_is_proved() -> None:
    # Alignment leaves holes: a (4) and two aligned bytes are 6 bytes alive, but the second byte can only be at 4 or 8.
    found = layout.solve(layout.Problem(HOLES), 10.0)
    assert (found.height, found.bound, found.proved_optimal) == (9, 6, True)


def test_capacity_is_a_target_not_a_wish() -> None:
    rows = [buffer(f"b{k}", k % 5, k % 5 + 3, 7 + k) for k in range(12)]
    least = layout.solve(layout.Problem(tuple(rows))).height
    problem = layout.Problem(tuple(rows), least + 40)
    assert layout.solve(problem).height <= least + 40


def test_impossible_capacity_is_proved() -> None:
    with pytest.raises(BudgetError, match="proved impossible"):
        layout.solve(layout.Problem(HOLES, 8), 10.0)


def test_same_seed_same_offsets(data_dir: Path) -> None:
    problem = layout.read_csv(data_dir / "planner" / "minimalloc" / "E.1048576.csv", 1 << 20)
    assert layout.solve(problem, 60, 7).offsets == layout.solve(problem, 60, 7).offsets


def test_arena_sized_problem_takes_milliseconds() -> None:
    rows = tuple(buffer(f"b{k}", k, k + 2 + (k % 7 == 0) * 5, 100 + 37 * (k % 11)) for k in range(150))
    started = time.perf_counter()
    found = layout.solve(layout.Problem(rows))
    assert found.proved_optimal
    assert time.perf_counter() - started < 0.5


@given(problems())
def test_sections_keep_exactly_the_conflicts(problem: layout.Problem) -> None:
    solid = [b for b in problem.buffers if b.size]
    blocks = {b.id: b for b in sections(problem).blocks}
    for a, b in itertools.combinations(solid, 2):
        meet = a.lower < b.upper and b.lower < a.upper
        assert meet == (blocks[a.id].first < blocks[b.id].last and blocks[b.id].first < blocks[a.id].last)
    assert all(block.first < block.last for block in blocks.values())


@given(problems())
@settings(max_examples=30)
def test_every_heuristic_is_legal(problem: layout.Problem) -> None:
    reduced = sections(problem)
    for offsets in heuristics.constructions(reduced):
        top = heuristics.height(reduced, offsets) * reduced.grain
        placed = {b.id: 0 for b in problem.buffers} | {n: o * reduced.grain for n, o in offsets.items()}
        assert layout.validate(problem, layout.Layout(placed, top, problem.bound, False)) == []


def test_exact_search_finds_and_refutes() -> None:
    reduced = sections(layout.Problem(tuple(buffer(f"b{k}", 0, 1, 5) for k in range(4))))
    assert reduced.grain == 5
    assert exact.decide(reduced, 4, "area", 100, 5.0, 0).verdict is exact.Verdict.FOUND
    assert exact.decide(reduced, 3, "area", 100, 5.0, 0).verdict is exact.Verdict.IMPOSSIBLE


@pytest.mark.parametrize(
    ("offsets", "height", "reason"),
    [
        ({"a": 0, "b": 0}, 8, Reason.OVERLAP),
        ({"a": 0}, 8, Reason.MISSING),
        ({"a": 0, "b": 4, "x": 0}, 8, Reason.UNKNOWN),
        ({"a": -4, "b": 4}, 8, Reason.NEGATIVE),
        ({"a": 0, "b": 6}, 10, Reason.MISALIGNED),
        ({"a": 0, "b": 4}, 7, Reason.ABOVE_HEIGHT),
        ({"a": 0, "b": 8}, 12, Reason.ABOVE_CAPACITY),
    ],
)
def test_validator_says_why(offsets: dict[str, int], height: int, reason: Reason) -> None:
    problem = layout.Problem((buffer("a", 0, 2, 4), buffer("b", 1, 3, 4, 4)), 11)
    found = layout.validate(problem, layout.Layout(offsets, height, min(height, 8), False))
    assert reason in {violation.reason for violation in found}
    assert str(found[0])


@pytest.mark.parametrize(("at", "legal"), [(3, False), (4, True)])
def test_validator_sees_a_single_shared_byte(at: int, legal: bool) -> None:
    problem = layout.Problem((buffer("a", 0, 2, 4), buffer("b", 1, 3, 4)))
    for offsets in ({"a": 0, "b": at}, {"b": 0, "a": at}):
        assert (layout.validate(problem, layout.Layout(offsets, 8, 8, False)) == []) is legal


def test_validator_accepts_touching_lifetimes_and_checks_the_bound() -> None:
    problem = layout.Problem((buffer("a", 0, 2, 4), buffer("b", 2, 3, 4)))
    assert layout.validate(problem, layout.Layout({"a": 0, "b": 0}, 4, 4, True)) == []
    wrong = layout.validate(problem, layout.Layout({"a": 0, "b": 0}, 4, 5, True))
    assert [violation.reason for violation in wrong] == [Reason.WRONG_BOUND]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ((buffer("a", 0, 1, -1),), "size -1 is negative"),
        ((buffer("a", 3, 3, 1),), r"lifetime \[3, 3\) is empty"),
        ((buffer("a", 4, 3, 1),), "is empty"),
        ((buffer("a", 0, 1, 1), buffer("a", 1, 2, 1)), "appears twice"),
        ((buffer("a", 0, 1, 1, 0),), "alignment 0"),
    ],
)
def test_contradictory_buffers_are_refused(rows: tuple[layout.Buffer, ...], match: str) -> None:
    with pytest.raises(InputError, match=match):
        layout.Problem(rows)


def test_capacity_below_the_bound_names_what_is_alive() -> None:
    with pytest.raises(BudgetError, match=r"2 below the liveness bound 10.*'b' \(6\), 'a' \(4\)"):
        layout.Problem((buffer("a", 0, 2, 4), buffer("b", 1, 3, 6)), 8)
    with pytest.raises(InputError, match="negative"):
        layout.Problem((), -1)


@pytest.mark.parametrize("limit", [0, -1.0])
def test_time_limit_must_be_positive(limit: float) -> None:
    with pytest.raises(InputError, match="time limit"):
        layout.solve(layout.Problem(()), limit)
