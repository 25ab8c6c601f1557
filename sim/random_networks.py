# SPDX-License-Identifier: Apache-2.0
"""Random small networks with branches, and random plans for them: groups, strips, parked maps, cuts of the weights.

A plan that nobody would choose is as good a test as the best one: the bytes must be the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from esl_ref.compiler import Choice
from esl_ref.compiler.lower import Lowered
from esl_ref.compiler.model import Strategy, realise
from esl_ref.compiler.schedule import WHOLE, Group
from esl_ref.compiler.sizing import Sizing
from esl_ref.errors import ModelError, PlanError
from esl_ref.ir import Graph
from esl_ref.planner.joint.improve import FINENESSES
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind
from esl_ref.workloads.seeded import seeded

__all__ = ["NetworkSpec", "network", "random_network", "random_plan"]

_INPUTS = ((8, 8, 3), (17, 13, 1), (24, 20, 3), (1, 40, 8), (33, 12, 4), (16, 16, 16), (49, 10, 1), (40, 1, 5))
_CHANNELS = (3, 4, 8, 12, 16, 20, 24, 32, 40)
_KINDS = ("conv", "conv", "depthwise", "depthwise", "max_pool", "average", "concat", "add", "upsample", "table")
_NEAR = 4
"""A layer reads one of so many last ones, so that branches stay open for a while."""
_TRIES = 6
_MOST_BYTES = 12_000
"""Of a map: several must fit the activation SRAM of the smallest machine together."""


@dataclass(frozen=True)
class NetworkSpec:
    """`layers` layers, the first ones of all that follow from `seed`."""

    seed: int
    layers: int


def random_network(seed: int, lanes: int = 16) -> NetworkSpec:
    """A network of 3 to 9 layers. `lanes` do not matter."""
    return NetworkSpec(seed, random.Random(seed).randint(3, 9))


def network(spec: NetworkSpec) -> Graph:
    """The network, with seeded weights; what no layer reads is an output."""
    dice = random.Random(spec.seed)
    builder = Builder(f"network-{spec.seed}-{spec.layers}", dice.choice(_INPUTS))
    names = [builder.conv(dice.choice(_CHANNELS), dice.choice((1, 3, (3, 2), 5)), dice.choice((1, 1, 2)))]
    while len(names) < spec.layers:
        names += _grown(builder, dice, names)
    read = {name for node in builder.nodes.values() for name in node.inputs}
    return seeded(builder.build(*(name for name in names if name not in read)), spec.seed)


def _grown(builder: Builder, dice: random.Random, names: list[str]) -> list[str]:
    """One more layer, or none if what was drawn does not fit the map."""
    kind, source = dice.choice(_KINDS), dice.choice(names[-_NEAR:])
    others = [name for name in names[-_NEAR:] if name != source]
    other, channels = dice.choice(others or names), dice.choice(_CHANNELS)
    stride, kernel = dice.choice((1, 1, 2)), dice.choice((1, 3, 5, (3, 1), (1, 5)))
    size, shape = dice.choice((3, 3, 5, 7, (3, 1))), builder.shape(source)
    try:
        if kind == "conv":
            return [builder.conv(channels, kernel, stride, source=source)]
        if kind == "depthwise":
            return [builder.depthwise(size, stride, source=source)]
        if kind == "max_pool":
            return [builder.max_pool(dice.choice((2, 3, 5)), stride, "same", source=source)]
        if kind == "average" and min(shape[:2]) > 1:
            return [builder.pool(Kind.AVG_POOL, 2, stride, source=source)]
        if kind == "table":
            return [builder.table(source)]
        if kind == "upsample" and 4 * shape[0] * shape[1] * shape[2] <= _MOST_BYTES:
            return [builder.upsample(2, source)]
        if kind == "concat" and other != source:
            return [builder.concat(source, other)]
        if kind == "add" and other != source:
            return [builder.add(source, other)]
    except ModelError:  # maps of different sizes, windows larger than theirs
        pass
    return []


def random_plan(seed: int) -> Strategy:
    """Strategy: random groups, strips, parked maps and cuts of the weights that fit the machine, or PlanError."""

    def strategy(graph: Graph, lowered: Lowered, sizing: Sizing, budget: int | None) -> Choice:
        dice, machine = random.Random(seed), sizing.planning()
        for _ in range(_TRIES):
            choice = _choice(lowered, dice)
            if budget is None or realise(lowered, choice, machine).height <= budget:
                return choice
        raise PlanError(f"none of {_TRIES} random plans fits {budget} bytes", where=f"model '{graph.name}'")

    return strategy


def _choice(lowered: Lowered, dice: random.Random) -> Choice:
    parks = dice.random() < 0.5
    tasks = (lowered.spread if parks else lowered).tasks
    cuts = sorted(dice.sample(range(1, len(tasks)), dice.randint(0, len(tasks) - 1))) if len(tasks) > 1 else []
    groups = []
    for first, last in zip([0, *cuts], [*cuts, len(tasks)], strict=True):
        streams = last - first > 1 or (first == 0 and dice.random() < 0.5)
        strip, ahead = (dice.randint(1, 3), dice.randint(0, 1)) if streams else (WHOLE, 0)
        groups.append(Group(first, last, strip, ahead))
    maps = [task.ofm.storage.name for task in tasks]
    parked = frozenset(name for name in maps if dice.random() < 0.5) if parks else frozenset[str]()
    room = tuple((name, dice.randint(1, 2)) for name in sorted(set(maps)) if dice.random() < 0.2)
    return Choice(tuple(groups), dice.choice(FINENESSES), parked, room=room)
