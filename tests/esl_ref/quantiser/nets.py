# SPDX-License-Identifier: Apache-2.0
"""Small float networks that have every operator the quantiser writes."""

from __future__ import annotations

import numpy as np

from esl_ref.detection.heads import YoloHead
from esl_ref.floating import graph as f
from esl_ref.floating.activation import LINEAR, Activation, Function
from esl_ref.floating.graph import FloatGraph, Parameter
from esl_ref.ir import Padding
from esl_ref.quantiser.data import CalibrationSet, from_seed

RELU, RELU6 = Activation(Function.RELU), Activation(Function.RELU6)
LEAKY = Activation(Function.LEAKY, 0.1)


class Net:
    """A graph under construction; every method returns the tensor it makes."""

    def __init__(self, shape=(1, 8, 8, 3), seed=0):
        self.rng = np.random.default_rng(seed)
        self.shapes, self.ops, self.constants = {"x": shape}, [], {}

    def add(self, kind, inputs, shape, *attributes):
        name = f"{kind.__name__.lower()}{len(self.ops)}"
        self.ops.append(kind(name, tuple(inputs), name, *attributes))
        self.shapes[name] = tuple(shape)
        return name

    def conv(self, source, units, kernel=3, stride=1, pad=1, groups=1, activation=LINEAR, dilation=1):
        _, h, w, c = self.shapes[source]
        weight = self.rng.normal(size=(units, kernel, kernel, c // groups)) / np.sqrt(kernel * kernel * c / groups)
        reach = (kernel - 1) * dilation + 1
        size = ((n + 2 * pad - reach) // stride + 1 for n in (h, w))
        return self.add(
            f.Conv, [source], (1, *size, units), Parameter.of(weight), Parameter.of(self.rng.normal(size=units) * 0.2),
            (stride, stride), (dilation, dilation), Padding(pad, pad, pad, pad), groups, activation,
        )  # fmt: skip

    def dense(self, source, units, activation=LINEAR):
        depth = int(np.prod(self.shapes[source]))
        weight = self.rng.normal(size=(units, depth)) / np.sqrt(depth)
        return self.add(f.Dense, [source], (1, units), Parameter.of(weight), Parameter.of(np.zeros(units)), activation)

    def constant(self, name, values):
        self.constants[name] = Parameter.of(values)
        self.shapes[name] = self.constants[name].shape
        return name

    def graph(self, *outputs, heads=()):
        return FloatGraph("net", self.shapes, tuple(self.ops), ("x",), outputs, self.constants, heads)


def data(graph: FloatGraph, count: int = 4) -> CalibrationSet:
    return from_seed(graph, 0, count)


def detector() -> FloatGraph:
    """Strided, grouped, depthwise and dilated convolutions, a shortcut, a route, an upsampling, two outputs, heads."""
    net = Net((1, 16, 16, 3))
    stem = net.conv("x", 8, stride=2, activation=LEAKY)
    wide = net.conv(stem, 16, 1, pad=0, activation=LEAKY)
    deep = net.conv(wide, 16, groups=16, activation=LEAKY)
    thin = net.conv(deep, 8, 1, pad=0)
    both = net.add(f.Add, [thin, stem], net.shapes[stem], LINEAR)
    down = net.conv(both, 12, stride=2, groups=2, activation=RELU6)
    pooled = net.add(f.MaxPool, [both], (1, 4, 4, 8), (2, 2), (2, 2), Padding())
    route = net.add(f.Concat, [down, pooled], (1, 4, 4, 20), 3)
    far = net.conv(route, 14, pad=2, dilation=2, activation=Activation(Function.MISH))
    first = net.conv(far, 14, 1, pad=0)
    rows = tuple(k // 2 for k in range(8))
    up = net.add(f.ResizeNearest, [route], (1, 8, 8, 20), rows, rows)
    joined = net.add(f.Concat, [up, thin], (1, 8, 8, 28), 3)
    second = net.conv(joined, 7, 1, pad=0)
    heads = (YoloHead(first, (16, 16), 2, ((3.0, 4.0), (5.0, 6.0))), YoloHead(second, (16, 16), 2, ((1.0, 2.0),)))
    return net.graph(first, second, heads=heads)


def classifier() -> FloatGraph:
    """Pools of all kinds, arithmetic with constants, slices, functions with and without a fixed scale, softmax."""
    net = Net((1, 9, 9, 4))
    scaled = net.add(f.Mul, ["x", net.constant("gain", [1.0, 2.0, -0.5, 0.7])], (1, 9, 9, 4), LINEAR)
    shifted = net.add(f.Sub, [scaled, net.constant("mean", [0.4])], (1, 9, 9, 4), LINEAR)
    top = net.conv(shifted, 8, activation=RELU)
    spp = net.add(f.MaxPool, [top], (1, 9, 9, 8), (5, 5), (1, 1), Padding(2, 2, 2, 2))
    odd = net.add(f.MaxPool, [top], (1, 5, 5, 8), (2, 2), (2, 2), Padding(1, 0, 1, 0))
    gate = net.conv(spp, 8, 1, pad=0, activation=Activation(Function.LOGISTIC))
    gated = net.add(f.Mul, [gate, top], (1, 9, 9, 8), LINEAR)
    part = net.add(f.Slice, [gated], (1, 5, 5, 4), (0, 0, 0, 2), (1, 9, 9, 6), (1, 2, 2, 1))
    mean = net.add(f.AveragePool, [part], (1, 5, 5, 4), (3, 3), (1, 1), Padding(1, 1, 1, 1), True)
    padded = net.add(f.Pad, [mean], (1, 5, 5, 8), ((0, 0), (0, 0), (0, 0), (1, 3)), 0.25)
    joined = net.add(f.Add, [padded, odd], (1, 5, 5, 8), RELU)
    turned = net.add(f.Transpose, [joined], (1, 5, 5, 8), (0, 2, 1, 3))
    swished = net.add(f.Activate, [turned], (1, 5, 5, 8), Activation(Function.HARD_SWISH))
    flat = net.add(f.Mean, [swished], (1, 8), (1, 2), False)
    hidden = net.dense(flat, 12, Activation(Function.TANH))
    logits = net.dense(hidden, 5)
    return net.graph(net.add(f.Softmax, [logits], (1, 5)))
