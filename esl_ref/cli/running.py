# SPDX-License-Identifier: Apache-2.0
"""Inference for the command line: quantised graphs on golden operators or the ESL machine, float graphs in float."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.markup import escape

from esl_ref.axes import in_file_order, in_graph_order
from esl_ref.cli.common import progress_console
from esl_ref.detection.heads import Head
from esl_ref.detection.letterbox import Fit
from esl_ref.errors import InputError
from esl_ref.floating import FloatGraph
from esl_ref.ir import Graph, Tensor

__all__ = ["EXECUTORS", "Outcome", "run_model"]

Array = npt.NDArray[Any]

EXECUTORS = ("golden", "machine")
_ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Outcome:
    """Results by tensor name in the model file's own numbers, outputs also as `real` numbers; `fit` says how a picture
    lies in the input, where it was letterboxed."""

    model: str
    executor: str
    inputs: list[str]
    outputs: tuple[str, ...]
    values: dict[str, Array]
    real: dict[str, Array]
    heads: tuple[Head, ...]
    fit: Fit | None
    operators: int
    seconds: float


def run_model(
    graph: Graph | FloatGraph, source: Path | None, executor: str, arch: str, everything: bool, seed: int
) -> Outcome:
    """One inference; `source` is a file with the inputs (default: random ones), `everything` keeps all tensors."""
    if isinstance(graph, FloatGraph):
        return _float(graph, source, executor, everything, seed)
    return _integer(graph, source, executor, arch, everything, seed)


def _progress(count: int) -> tuple[Any, Callable[[int, Any], None]]:
    """A status line, and what to call before every operator."""
    status = progress_console().status("")
    return status, lambda index, op: status.update(f"{index + 1}/{count} {escape(op.kind)}")


def _float(graph: FloatGraph, source: Path | None, executor: str, everything: bool, seed: int) -> Outcome:
    from esl_ref.floating.executor import run

    if executor != "golden":
        raise InputError(f"'{graph.name}' is a float model, which no accelerator runs", where=f"--executor {executor}",
                         hint="quantise it first, or leave the option out")  # fmt: skip
    inputs, said, fit = _float_inputs(graph, source, seed)
    started = time.perf_counter()
    status, progress = _progress(len(graph.ops))
    with status:
        values = run(graph, inputs, keep="all" if everything else "outputs", progress=progress)
    values = {name: in_file_order(value, graph.file_axes.get(name, ())) for name, value in values.items()}
    return Outcome(graph.name, "float", said, graph.outputs, values, {n: values[n] for n in graph.outputs},
                   graph.heads, fit, len(graph.ops), time.perf_counter() - started)  # fmt: skip


def _float_inputs(graph: FloatGraph, source: Path | None, seed: int) -> tuple[dict[str, Array], list[str], Fit | None]:
    from esl_ref.floating.executor import random_inputs
    from esl_ref.stimulus import read_arrays

    if source is None:
        return dict(random_inputs(graph, seed)), [_random(name, seed) for name in graph.inputs], None
    if source.suffix.lower() not in _ARRAYS:
        name, values, said, fit = _picture(source, graph.inputs, graph.shapes[graph.inputs[0]], graph.heads)
        return {name: values}, [said], fit
    found = {
        name: in_graph_order(array.astype(np.float32), axes) if array.ndim == len(axes) else array.astype(np.float32)
        for name, array in read_arrays(source, graph.inputs).items()
        for axes in (graph.file_axes.get(name, ()),)
    }
    return found, [f"input '{name}' from {source}" for name in found], None


def _random(name: str, seed: int) -> str:
    return f"input '{name}': random, seed {seed}"


def _picture(
    source: Path, names: tuple[str, ...], shape: tuple[int, ...], heads: tuple[Head, ...]
) -> tuple[str, Array, str, Fit]:
    """(input, its values 0..1, what was done, how the picture lies there)."""
    from esl_ref.detection.objects import network_input

    if len(names) != 1:
        raise InputError("a picture feeds models with one input", where=str(source),
                         hint=f"this one has {list(names)}; give an .npz file")  # fmt: skip
    if len(shape) != 4:
        raise InputError(f"a picture does not fit an input of shape {list(shape)}", where=str(source))
    values, fit = network_input(source, shape, heads)
    inner = f"{fit.inner[1]} x {fit.inner[0]} of {fit.network[1]} x {fit.network[0]}"
    return names[0], values, f"input '{names[0]}' from {source}: scaled to {inner}, real input = pixel / 255", fit


def _integer(graph: Graph, source: Path | None, executor: str, arch: str, everything: bool, seed: int) -> Outcome:
    from esl_ref.stimulus import as_in_file

    inputs, said, fit = _integer_inputs(graph, source, seed)
    started = time.perf_counter()
    results = _run(graph, inputs, executor, arch, "all" if everything else "outputs")
    seconds = time.perf_counter() - started
    real = {name: _real(results[name], graph.tensors[name]) for name in graph.outputs}
    return Outcome(graph.name, executor, said, graph.outputs, as_in_file(graph, results), real, graph.heads, fit,
                   len(graph.ops), seconds)  # fmt: skip


def _integer_inputs(graph: Graph, source: Path | None, seed: int) -> tuple[dict[str, Array], list[str], Fit | None]:
    from esl_ref.executor import random_inputs
    from esl_ref.stimulus import fit as fitted
    from esl_ref.stimulus import read_inputs

    if source is None:
        return random_inputs(graph, seed), [_random(name, seed) for name in graph.inputs], None
    if not graph.heads or source.suffix.lower() in _ARRAYS:
        return (*read_inputs(graph, source), None)
    tensor = graph.tensors[graph.inputs[0]]
    name, values, said, lies = _picture(source, graph.inputs, tensor.shape, graph.heads)
    quantised, how = fitted(values, tensor, str(source))
    return {name: quantised}, [f"{said}; {how}"], lies


def _run(graph: Graph, inputs: dict[str, Array], executor: str, arch: str, keep: str) -> dict[str, Array]:
    if executor == "machine":
        from esl_ref import inference

        with progress_console().status("ESL machine"):
            return inference.run(graph, inputs, arch=arch, keep=keep)
    from esl_ref.executor import run

    status, progress = _progress(len(graph.ops))
    with status:
        return run(graph, inputs, keep="all" if keep == "all" else "outputs", progress=progress)


def _real(value: Array, tensor: Tensor) -> Array:
    if tensor.quant is None or len(tensor.quant.scale) != 1:
        return value
    return (value.astype(np.float64) - tensor.quant.zero_point[0]) * tensor.quant.scale[0]
