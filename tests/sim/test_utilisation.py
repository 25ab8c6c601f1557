# SPDX-License-Identifier: Apache-2.0
"""Shares of the array's peak that whole layers reach, counted by the RTL: MACs over cycles times multipliers.

Each layer lies between two others, as in a network: maps it reads are in SRAM already (a first layer's arrive while it
runs), what it writes stays there. Channels are whole lanes: other numbers leave lanes idle, which is no stall.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from esl_ref import ir
from esl_ref.arch import Arch
from esl_ref.ir import Act, Graph, Padding
from sim.cosim import Options, cosimulate
from sim.layers import Layer
from sim.random_layers import LayerSpec, build, inputs_of

SAME = (1, 1, 1, 1)


def depthwise(side: int, channels: int) -> LayerSpec:
    return LayerSpec("depthwise", 1, side, side, channels, channels, (3, 3), padding=SAME)


def conv(side: int, channels: int, outputs: int, kernel: int = 3, stride: int = 1) -> LayerSpec:
    padding = (kernel // 2,) * 4
    return LayerSpec("conv", 1, side, side, channels, outputs, (kernel, kernel), (stride, stride), padding=padding)


LAYERS: dict[str, tuple[float, bool, tuple[LayerSpec, ...]]] = {
    # kind: least share of the peak, whether it is a network's first layer, shapes
    "depthwise": (0.50, False, tuple(depthwise(48, c) for c in (16, 32, 48, 64, 96))),
    "pointwise": (0.93, False, (
        conv(48, 16, 16, 1), conv(48, 32, 64, 1), conv(48, 48, 80, 1), conv(48, 128, 16, 1), conv(24, 64, 64, 1),
        conv(12, 128, 128, 1), conv(6, 256, 256, 1),
    )),
    "3x3": (0.93, False, (
        conv(48, 16, 16), conv(48, 16, 48), conv(48, 96, 16), conv(24, 64, 64), conv(12, 64, 128), conv(8, 64, 64),
        conv(48, 16, 32, stride=2), conv(24, 64, 64, stride=2),
    )),
    "first": (0.45, True, (
        conv(32, 3, 8), conv(48, 3, 8), conv(32, 3, 16), conv(48, 3, 16), conv(48, 3, 32),
        conv(96, 3, 8, stride=2), conv(96, 3, 16, stride=2), conv(96, 3, 32, stride=2),
        conv(160, 3, 16, stride=2), conv(64, 3, 32, kernel=5), conv(64, 3, 64, kernel=7, stride=2),
    )),
}  # fmt: skip
CASES = [
    pytest.param(spec, first, least, id=f"{kind}-{spec.height}-{spec.channels}-{spec.outputs}-s{spec.stride[0]}")
    for kind, (least, first, specs) in LAYERS.items()
    for spec in specs
]


def between_others(spec: LayerSpec, first: bool) -> Graph:
    """[table on the network's input] -> the layer -> maximum over the map."""
    graph = build(spec)
    (layer,), a, y = graph.ops, graph.tensors["a"], graph.tensors["y"]
    _, height, width, channels = y.shape
    tensors = dict(graph.tensors)
    tensors["z"] = dataclasses.replace(y, name="z", shape=(1, 1, 1, channels))
    ops = (layer, ir.MaxPool("after", ("y",), ("z",), (height, width), (1, 1), Padding(0, 0, 0, 0), Act()))
    if not first:
        tensors["b"] = dataclasses.replace(a, name="b")
        before = ir.Table("before", ("a",), ("b",), np.arange(-128, 128, dtype=np.int8))
        ops = (before, dataclasses.replace(layer, inputs=("b",)), *ops[1:])
    return Graph(graph.name, tensors, ops, ("a",), ("z",))


def measured(spec: LayerSpec, first: bool, machine: Arch, folder: Path, *, rtl: bool) -> Layer:
    """The layer as one strip on a machine with room for it."""
    graph = between_others(spec, first)
    outcome = cosimulate(graph, inputs_of(spec, graph), Options(machine, folder, fixed=True, rtl=rtl))
    assert outcome.bit_exact
    return next(layer for layer in outcome.layers if layer.name == "layer")


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.xdist_group("roomy")
@pytest.mark.parametrize(("spec", "first", "least"), CASES)
def test_on_the_rtl(spec: LayerSpec, first: bool, least: float, roomy: Arch, tmp_path: Path) -> None:
    layer = measured(spec, first, roomy, tmp_path, rtl=True)
    print(f"{layer.cycles} cycles, {layer.bound.lanes} by lanes, {100 * layer.utilisation:.1f} %", layer.stalls)
    assert layer.utilisation >= least
    assert layer.causes["MAC_ACTIVE"] <= layer.cycles == pytest.approx(layer.predicted_cycles, rel=0.1)


@pytest.mark.parametrize(
    ("spec", "first", "least"), [(depthwise(48, 16), False, 0.5), (conv(12, 64, 128), False, 0.93),
                                 (conv(48, 16, 16, 1), False, 0.93), (conv(32, 3, 16), True, 0.45)],
)  # fmt: skip
def test_as_predicted(spec: LayerSpec, first: bool, least: float, roomy: Arch, tmp_path: Path) -> None:
    """The prediction, which the tests above compare with the RTL, for one shape of each kind every day."""
    assert measured(spec, first, roomy, tmp_path, rtl=False).utilisation >= least
