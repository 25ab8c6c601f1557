# SPDX-License-Identifier: Apache-2.0
"""Random graphs of operators that mostly move bytes, some on the host: views of views, in every rank and order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np

from esl_ref import ir
from esl_ref.ir import Graph, Op, Tensor

__all__ = ["moving_net"]

_SHAPES = ((1, 7, 3, 16), (1, 6, 5, 3), (1, 9, 8, 1), (1, 9, 17), (1, 4, 4, 17), (1, 40), (1, 1, 8, 20))
_TABLE = np.roll(np.arange(-128, 128, dtype=np.int8), 5)


@dataclass
class _Net:
    """Operators appended one by one, each reading one of the last few tensors."""

    dice: random.Random
    tensors: dict[str, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)

    def tensor(self, shape: tuple[int, ...]) -> str:
        name = f"t{len(self.tensors)}"
        self.tensors[name] = Tensor(name, shape, np.dtype(np.int8))
        return name

    def new_input(self, shape: tuple[int, ...]) -> str:
        self.inputs.append(self.tensor(shape))
        return self.inputs[-1]

    def add(self, make: Callable[[str], Op], shape: tuple[int, ...]) -> None:
        self.ops.append(make(self.tensor(shape)))

    def shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def grow(self) -> None:
        """One more operator on one of the last tensors."""
        source = self.dice.choice(list(self.tensors)[-3:])
        self.dice.choice((_table, _cut, _regroup, _pad, _concat, _pool, _larger, _turn))(self, source)


def _table(net: _Net, source: str) -> None:
    net.add(lambda out: ir.Table(out, (source,), (out,), _TABLE), net.shape(source))


def _cut(net: _Net, source: str) -> None:
    begin = [0, *(net.dice.randrange(n) for n in net.shape(source)[1:])]
    end = [1, *(net.dice.randint(b + 1, n) for b, n in zip(begin[1:], net.shape(source)[1:], strict=True))]
    shape = tuple(e - b for b, e in zip(begin, end, strict=True))
    net.add(lambda out: ir.Slice(out, (source,), (out,), tuple(begin), tuple(end), (1,) * len(shape)), shape)


def _regroup(net: _Net, source: str) -> None:
    count = prod(net.shape(source))
    rows = net.dice.choice([n for n in range(1, count + 1) if count % n == 0])
    pixels = net.dice.choice([n for n in range(1, count // rows + 1) if count // rows % n == 0])
    shape = net.dice.choice(((1, count), (1, rows, count // rows), (1, rows, pixels, count // rows // pixels)))
    net.add(lambda out: ir.Reshape(out, (source,), (out,)), shape)


def _pad(net: _Net, source: str) -> None:
    if len(net.shape(source)) != 4:
        return _table(net, source)
    pads = ((0, 0), *((net.dice.randint(0, 2), net.dice.randint(0, 2)) for _ in range(3)))
    shape = tuple(n + before + after for n, (before, after) in zip(net.shape(source), pads, strict=True))
    return net.add(lambda out: ir.Pad(out, (source,), (out,), pads, -3), shape)


def _concat(net: _Net, source: str) -> None:
    axis = net.dice.randrange(1, len(net.shape(source)))
    parts = (source,) * net.dice.randint(1, 3)
    shape = tuple(n * (len(parts) if a == axis else 1) for a, n in enumerate(net.shape(source)))
    net.add(lambda out: ir.Concat(out, parts, (out,), axis), shape)


def _pool(net: _Net, source: str) -> None:
    if len(net.shape(source)) != 4 or min(net.shape(source)[1:3]) < 2:
        return _table(net, source)
    _, height, width, channels = net.shape(source)
    shape = (1, height - 1, width - 1, channels)
    return net.add(lambda out: ir.MaxPool(out, (source,), (out,), (2, 2), (1, 1)), shape)


def _larger(net: _Net, source: str) -> None:
    """On the host."""
    other = net.new_input(net.shape(source)) if net.dice.random() < 0.5 else source
    net.add(lambda out: ir.Maximum(out, (source, other), (out,)), net.shape(source))


def _turn(net: _Net, source: str) -> None:
    """On the host."""
    axes = list(range(1, len(net.shape(source))))
    net.dice.shuffle(axes)
    perm = (0, *axes)
    net.add(lambda out: ir.Transpose(out, (source,), (out,), perm), tuple(net.shape(source)[p] for p in perm))


def moving_net(seed: int) -> Graph:
    """2 to 8 operators. Whatever no other reads is an output, and now and then something that another reads, too."""
    net = _Net(random.Random(seed))
    net.new_input(net.dice.choice(_SHAPES))
    for _ in range(net.dice.randint(2, 8)):
        net.grow()
    read = {name for op in net.ops for name in op.inputs}
    made = [name for op in net.ops for name in op.outputs]
    outputs = [name for name in made if name not in read or net.dice.random() < 0.2]
    return Graph(f"moving-{seed}", net.tensors, tuple(net.ops), tuple(net.inputs), tuple(outputs))
