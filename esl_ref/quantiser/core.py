# SPDX-License-Identifier: Apache-2.0
"""The quantiser from end to end: a float graph and samples in, a `.tflite` file and its integer graph out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from esl_ref.detection.heads import to_plain
from esl_ref.errors import InputError
from esl_ref.floating.graph import FloatGraph
from esl_ref.frontends.tflite.importer import HEADS, load_bytes
from esl_ref.ir import Graph
from esl_ref.quantiser.calibrate import Progress, calibrate
from esl_ref.quantiser.compensate import compensate
from esl_ref.quantiser.data import CalibrationSet
from esl_ref.quantiser.equalise import equalise
from esl_ref.quantiser.export import Export
from esl_ref.quantiser.export_ops import check_operators, write_operator
from esl_ref.quantiser.prepare import prepare
from esl_ref.quantiser.ranges import Method
from esl_ref.quantiser.scales import assign
from esl_ref.quantiser.turn import turn

__all__ = ["Options", "Quantised", "export_float", "quantise"]


@dataclass(frozen=True)
class Options:
    """How to quantise. `percent` of the values are covered by the method percentile; `tolerance` is in decibels (see
    `scales.assign`). `compensate` lets weights make up for the rounding before them, `equalise` evens out channels."""

    method: Method = Method.MSE
    percent: float = 99.99
    tolerance: float = 3.0
    compensate: bool = True
    equalise: bool = True

    @property
    def passes(self) -> int:
        """How often the samples are gone through."""
        return 1 + self.equalise + self.compensate


@dataclass(frozen=True)
class Quantised:
    """`file` is the `.tflite`, `graph` what the front end reads from it, `prepared` the float graph with the same
    tensors under the same names. `equalised` counts tensors whose channels were evened out."""

    file: bytes
    graph: Graph
    prepared: FloatGraph
    equalised: int
    notes: tuple[str, ...]


def _metadata(graph: FloatGraph) -> dict[str, Any]:
    """What the graph has beside operators; nothing for most, whose files are then like any converter's."""
    return {HEADS: [to_plain(head) for head in graph.heads]} if graph.heads else {}


def _write(out: Export, metadata: Mapping[str, Any]) -> bytes:
    for name in out.graph.inputs:
        out.result(name)
    for op in out.graph.ops:
        write_operator(out, op)
    return out.finish(metadata)


def quantise(
    graph: FloatGraph,
    data: CalibrationSet,
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    description: str = "",
) -> Quantised:
    """Post-training static quantisation; `progress` is called after every sample of every pass.

    InputError for calibration data that are empty or constant, UnsupportedError for layers that have no integer form,
    ModelError for numbers that are not finite.
    """
    options = options or Options()
    prepared, count = prepare(graph), 0
    check_operators(prepared)
    if not len(data):
        raise InputError("the calibration set is empty", hint="give a folder with pictures, or an array of inputs")
    if options.equalise:
        prepared, count = equalise(*turn(prepared, calibrate(prepared, data, progress)))
    statistics = calibrate(prepared, data, progress, weigh=options.method is Method.MSE)
    scales = assign(prepared, statistics, options.method, percent=options.percent, tolerance=options.tolerance,
                    inputs=data.input_range)  # fmt: skip
    layers = compensate(prepared, scales.of, data, progress) if options.compensate else {}
    file = _write(Export(prepared, scales.of, layers, description), _metadata(graph))
    return Quantised(file, load_bytes(file, f"{graph.name}.tflite"), prepared, count, scales.notes)


def export_float(graph: FloatGraph, *, description: str = "") -> bytes:
    """The float network as a `.tflite` with float32 tensors: what a quantiser starts from."""
    prepared = prepare(graph)
    check_operators(prepared)
    return _write(Export(prepared, None, description=description), _metadata(graph))
