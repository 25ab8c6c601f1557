# SPDX-License-Identifier: Apache-2.0
"""The quantiser from end to end: a float graph and samples in, a `.tflite` file and its integer graph out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from esl_ref.detection.heads import to_plain
from esl_ref.floating.graph import FloatGraph
from esl_ref.frontends.tflite.importer import HEADS, load_bytes
from esl_ref.ir import Graph
from esl_ref.quantiser.calibrate import Sample, Statistics, calibrate
from esl_ref.quantiser.equalise import equalise
from esl_ref.quantiser.export import Export
from esl_ref.quantiser.export_ops import write_operator
from esl_ref.quantiser.prepare import prepare
from esl_ref.quantiser.ranges import Method
from esl_ref.quantiser.scales import Scales, assign

__all__ = ["Options", "Quantised", "export_float", "quantise"]


@dataclass(frozen=True)
class Options:
    """How to quantise. `percent` of the values are covered by the method percentile; `tolerance` is in decibels (see
    `scales.assign`); `input_range` is what the inputs can be, where that is known."""

    method: Method = Method.MSE
    percent: float = 99.99
    tolerance: float = 3.0
    correct_bias: bool = True
    equalise: bool = True
    input_range: tuple[float, float] | None = None
    description: str = ""


@dataclass(frozen=True)
class Quantised:
    """`file` is the `.tflite`, `graph` what the front end reads from it, `prepared` the float graph with the same
    tensors under the same names."""

    file: bytes
    graph: Graph
    prepared: FloatGraph
    scales: Scales


def _write(out: Export, metadata: Mapping[str, Any]) -> bytes:
    for name in out.graph.inputs:
        out.result(name)
    for op in out.graph.ops:
        write_operator(out, op)
    return out.finish(metadata)


def _metadata(graph: FloatGraph) -> dict[str, Any]:
    """What the graph has beside operators; nothing for most, whose files are then like any converter's."""
    return {HEADS: [to_plain(head) for head in graph.heads]} if graph.heads else {}


def quantise(
    graph: FloatGraph, samples: Iterable[Sample], options: Options, progress: Callable[[int], None] | None = None
) -> Quantised:
    """Post-training static quantisation. InputError without samples, UnsupportedError for layers that have no integer
    form, ModelError for numbers that are not finite."""
    prepared = prepare(graph)
    statistics: Statistics = calibrate(prepared, samples, progress)
    if options.equalise:
        prepared, _ = equalise(prepared, statistics)
        statistics = calibrate(prepared, samples, progress)
    scales = assign(prepared, statistics, options.method, percent=options.percent, tolerance=options.tolerance,
                    inputs=options.input_range)  # fmt: skip
    means = {name: s.mean for name, s in statistics.items()} if options.correct_bias else {}
    file = _write(Export(prepared, scales.of, means, options.description), _metadata(graph))
    return Quantised(file, load_bytes(file, graph.name), prepared, scales)


def export_float(graph: FloatGraph) -> bytes:
    """The float network as a `.tflite` with float32 tensors."""
    return _write(Export(prepare(graph), None), {})
