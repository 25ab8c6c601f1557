# SPDX-License-Identifier: Apache-2.0
"""Selection against enumeration on small graphs, and the accelerator's mappings on the five networks."""

from __future__ import annotations

import itertools
import random

import pytest

from esl_ref.arch import load
from esl_ref.compiler.model import Choice as Choices
from esl_ref.compiler.schedule import Group
from esl_ref.errors import BudgetError, PlanError
from esl_ref.machine.timing import predict
from esl_ref.pipeline import compile_model
from esl_ref.planner.methods import layer_time
from esl_ref.planner.methods.ilp import Candidates, Choice, Selector, within
from esl_ref.planner.methods.layer_time import CHIP, MEMORY, Layer, Mapping
from esl_ref.planner.methods.mappings import mappings
from esl_ref.workloads import ShapeGraph
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.seeded import seeded


def diamond() -> ShapeGraph:
    b = Builder("t", (8, 8, 4))
    x = b.conv(4, 3)
    b.add(b.conv(4), b.conv(4, 3, source=x))
    return b.build()


def random_candidates(graph: ShapeGraph, seed: int) -> Candidates:
    chance = random.Random(seed)
    layouts = ["a", "b"]
    return {
        node.name: [
            Choice(f"p{k}", chance.randint(1, 50), chance.randint(1, 9), chance.choice(layouts), chance.choice(layouts))
            for k in range(3)
        ]
        for node in graph.nodes
    }


def conversion(name: str, has: str, wants: str) -> int:
    return 0 if has == wants else 7


@pytest.mark.parametrize("seed", range(12))
def test_front_equals_enumeration(seed: int) -> None:
    graph = diamond()
    candidates = random_candidates(graph, seed)
    selector = Selector(graph, candidates, conversion)
    names = list(candidates)
    every = [
        selector.price(dict(zip(names, combo, strict=True)))
        for combo in itertools.product(*(candidates[n] for n in names))
    ]
    pairs = {(s.nbytes, s.cycles) for s in every}
    exact = {(b, c) for b, c in pairs if not any((x <= b and y <= c) and (x, y) != (b, c) for x, y in pairs)}
    assert {(s.nbytes, s.cycles) for s in selector.front()} == exact


def test_greedy_pays_for_conversions() -> None:
    graph = diamond()
    candidates = {n.name: [Choice("a", 9, 1, "a", "a"), Choice("b", 8, 1, "b", "b")] for n in graph.nodes}
    candidates["conv1"] = [Choice("a", 9, 1, "a", "a")]
    selector = Selector(graph, candidates, lambda name, has, wants: 0 if has == wants else 100)
    assert selector.fastest().cycles == 9 * len(graph.nodes)
    assert selector.greedy().cycles > selector.fastest().cycles


def test_one_conversion_serves_all_readers_of_a_layout() -> None:
    b = Builder("t", (4, 4, 4))
    x = b.conv(4)
    b.conv(4, source=x)
    b.conv(4, source=x)
    graph = b.build("conv2", "conv3")
    fixed = {"input": "a", "conv1": "a", "conv2": "b", "conv3": "b"}
    selector = Selector(graph, {n: [Choice("p", 1, 1, v, v)] for n, v in fixed.items()}, conversion)
    assert selector.fastest().cycles == 4 + 7


def two_memories(graph: ShapeGraph, seed: int) -> Candidates:
    chance = random.Random(seed)
    return {
        node.name: [
            Choice(f"p{k}", chance.randint(1, 50), chance.randint(1, 9), "a", "a", chance.randint(0, 9))
            for k in range(4)
        ]
        for node in graph.nodes
    }


@pytest.mark.parametrize("seed", range(8))
def test_front_with_two_memories_equals_enumeration(seed: int) -> None:
    graph = diamond()
    candidates = two_memories(graph, seed)
    selector = Selector(graph, candidates, conversion)
    combos = itertools.product(*candidates.values())
    pairs = {
        (max(c.nbytes for c in combo) + max(c.weights for c in combo), sum(c.cycles for c in combo)) for combo in combos
    }
    exact = {(b, c) for b, c in pairs if not any((x <= b and y <= c) and (x, y) != (b, c) for x, y in pairs)}
    assert {(s.nbytes, s.cycles) for s in selector.front()} == exact


def small() -> ShapeGraph:
    b = Builder("small", (16, 16, 16))
    b.conv(32, 3)
    b.max_pool(2)
    x = b.conv(32, 3)
    b.add(b.conv(32, 3), x)
    b.dense(40)
    return b.build()


def test_mappings_of_a_small_network() -> None:
    graph = small()
    candidates, cost = mappings(graph)
    selector = Selector(graph, candidates, cost)
    front = selector.front()
    assert all(a.nbytes > b.nbytes and a.cycles < b.cycles for a, b in itertools.pairwise(front))
    assert len(front) >= 3
    assert selector.greedy().cycles >= front[0].cycles >= graph.macs / 256
    assert within(front, 0.15).nbytes < front[0].nbytes
    for name, choices in candidates.items():  # a map that two read, or not the next one, is written to memory
        single = len(graph.consumers[name]) == 1 and graph.consumers[name][0].inputs == (name,)
        assert single or all(c.writes == MEMORY for c in choices)


def _timed(kind: str) -> tuple[Layer, Layer]:
    """A layer whose time is reckoned from short Programs, and the same with all of its Program timed."""
    b = Builder("t", (8, 8, 16) if kind == "dense" else (40, 12, 16))
    node = {"conv": lambda: b.conv(64, 3), "pool": lambda: b.max_pool(2), "dense": lambda: b.dense(1200)}[kind]()
    graph = b.build()
    return (Layer(graph, graph[node], load("base")), Layer(graph, graph[node], load("base")))


@pytest.mark.parametrize("kind", ["conv", "pool", "dense"])
def test_long_programs_from_two_short_ones(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, whole = _timed(kind)
    single, double, resident = short.word_counts
    for words in (single, double) if kind == "dense" else (single, double, resident):
        for reads, writes in ((MEMORY, MEMORY), (CHIP, MEMORY), (MEMORY, CHIP)):
            mapping = Mapping(1, words, reads, writes)
            cycles, arena = short.cost(mapping)
            with monkeypatch.context() as patch:
                patch.setattr(layer_time, "MANY", 10**6)
                exact, same = whole.cost(mapping)
            assert arena == same
            assert cycles == pytest.approx(exact, rel=0.001)


def test_a_layer_alone_is_what_the_compiler_makes_of_it() -> None:
    b = Builder("t", (12, 12, 16))
    b.conv(32, 3)
    graph = b.build()
    compiled = compile_model(seeded(graph), load("base"), choices=[Choices((Group(0, 1, 2, 0),), 2)])
    layer = Layer(graph, graph.nodes[1], load("base"))
    cycles, arena = layer.cost(Mapping(2, compiled.arch.weight_words, MEMORY, MEMORY))
    assert arena == compiled.programs[0].plan.height
    assert cycles == predict(compiled.programs[0].program).cycles


def test_missing_primitives_and_impossible_limits() -> None:
    graph = diamond()
    with pytest.raises(PlanError, match="'conv1'.*has no primitive"):
        Selector(graph, {"input": [Choice("p", 1, 1, "a", "a")]}, conversion)
    selector = Selector(graph, {n.name: [Choice("p", 1, 9, "a", "a")] for n in graph.nodes}, conversion)
    with pytest.raises(BudgetError, match="needs 9 bytes, 8 are allowed"):
        selector.fastest(8)
