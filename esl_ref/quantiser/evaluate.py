# SPDX-License-Identifier: Apache-2.0
"""What quantisation cost: signal to noise of every tensor against the float network, and where the noise is made.

Two figures per layer. `sqnr` compares the tensor as the integer network computes it. `own` gives the integer operator
the float network's own tensors (rounded to their codes), so that only this layer's rounding is in it: the layers with
the lowest own figure are those that cost most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.executor import run as run_integer
from esl_ref.floating.executor import run as run_float
from esl_ref.floating.graph import FloatGraph
from esl_ref.ir import Graph, Tensor
from esl_ref.ops import lookup
from esl_ref.quantiser.calibrate import Progress, Sample
from esl_ref.quantiser.ranges import TensorScale

__all__ = ["LayerNoise", "OutputNoise", "Report", "evaluate"]

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerNoise:
    """One operator's output: its quantisation, and decibels of signal to noise."""

    name: str
    kind: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    sqnr: float
    own: float


@dataclass(frozen=True)
class OutputNoise:
    """An output of the network: decibels, and cosine of the angle between float and integer tensor (the least of all
    samples)."""

    name: str
    sqnr: float
    cosine: float


@dataclass(frozen=True)
class Report:
    """`layers` in execution order; `samples` is how many inputs the figures are means over."""

    layers: tuple[LayerNoise, ...]
    outputs: tuple[OutputNoise, ...]
    samples: int

    @property
    def costly(self) -> tuple[LayerNoise, ...]:
        """Layers by what they cost, the worst first."""
        return tuple(sorted(self.layers, key=lambda layer: layer.own))


class _Noise:
    """Energy of signal and of noise, summed over samples."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.cosine = 1.0

    def add(self, wanted: FloatArray, got: FloatArray) -> None:
        wanted = wanted.astype(np.float64)
        self.signal += float(np.square(wanted).sum())
        self.noise += float(np.square(wanted - got).sum())
        lengths = math.sqrt(float(np.square(wanted).sum()) * float(np.square(got).sum()))
        self.cosine = min(self.cosine, float((wanted * got).sum()) / lengths if lengths else 0.0)

    @property
    def decibels(self) -> float:
        """Infinite without noise."""
        if self.noise == 0.0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf


def _scale(tensor: Tensor) -> TensorScale:
    assert tensor.quant is not None
    return TensorScale(tensor.quant.scale[0], tensor.quant.zero_point[0])


def _integer_inputs(graph: Graph, sample: Mapping[str, FloatArray]) -> dict[str, IntArray]:
    return {name: _scale(graph.tensors[name]).quantise(np.asarray(sample[name])) for name in graph.inputs}


def _own_noise(graph: Graph, wanted: Mapping[str, FloatArray], found: Mapping[str, _Noise]) -> None:
    """Every operator on the float network's tensors; tensors that only the file has are computed from those."""
    between: dict[str, IntArray] = {name: t.data for name, t in graph.tensors.items() if t.data is not None}
    for op in graph.ops:
        (out,) = op.outputs
        operands = [
            between[n] if n in between else _scale(graph.tensors[n]).quantise(wanted[n]) for n in op.inputs
        ]  # fmt: skip
        result = lookup(op).fast(op, operands, graph.tensors[out])
        if out in wanted:
            found[out].add(wanted[out], _scale(graph.tensors[out]).real(result))
        else:
            between[out] = result


def evaluate(prepared: FloatGraph, graph: Graph, samples: Iterable[Sample], progress: Progress | None = None) -> Report:
    """Run every sample through both networks. `prepared` and `graph` are those of `core.Quantised`."""
    made = [op.outputs[0] for op in graph.ops]
    whole = {name: _Noise() for name in (*made, *graph.outputs)}  # an output may be an input that nothing changes
    own = {name: _Noise() for name in made}
    count = 0
    for sample in samples:
        wanted = run_float(prepared, sample, keep="all")
        got = run_integer(graph, _integer_inputs(graph, wanted), keep="all")
        for name, noise in whole.items():
            if name in wanted:
                noise.add(wanted[name], _scale(graph.tensors[name]).real(got[name]))
        del got
        _own_noise(graph, wanted, own)
        count += 1
        if progress:
            progress()
    layers = []
    for op in graph.ops:
        (out,) = op.outputs
        if out in prepared.shapes:
            scale = _scale(graph.tensors[out])
            layers.append(LayerNoise(out, op.kind, graph.tensors[out].shape, scale.scale, scale.zero_point,
                                     whole[out].decibels, own[out].decibels))  # fmt: skip
    outputs = tuple(OutputNoise(n, whole[n].decibels, whole[n].cosine) for n in graph.outputs)
    return Report(tuple(layers), outputs, count)
