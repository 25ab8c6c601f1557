# SPDX-License-Identifier: Apache-2.0
"""`esl-ref run`: inference on the golden operators or on the ESL machine."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.markup import escape

from esl_ref.cli.common import json_option, output_console, progress_console, write_json
from esl_ref.ir import Graph, Op, Tensor

Array = npt.NDArray[Any]

_TOP, _SHOWN = 5, 8


def _golden(graph: Graph, inputs: dict[str, Array], keep: str, arch: str) -> dict[str, Array]:
    from esl_ref.executor import run

    with progress_console().status("") as status:

        def progress(index: int, op: Op) -> None:
            status.update(f"{index + 1}/{len(graph.ops)} {escape(op.kind)}")

        return run(graph, inputs, keep="all" if keep == "all" else "outputs", progress=progress)


def _machine(graph: Graph, inputs: dict[str, Array], keep: str, arch: str) -> dict[str, Array]:
    from esl_ref.machine import inference

    with progress_console().status("ESL machine"):
        return inference.run(graph, inputs, arch=arch, keep=keep)


_EXECUTORS: dict[str, Callable[[Graph, dict[str, Array], str, str], dict[str, Array]]] = {
    "golden": _golden,
    "machine": _machine,
}


def _inputs(graph: Graph, path: Path | None, seed: int) -> tuple[dict[str, Array], list[str]]:
    from esl_ref.executor import random_inputs
    from esl_ref.stimulus import read_inputs

    if path is not None:
        return read_inputs(graph, path)
    return random_inputs(graph, seed), [f"input '{name}': random, seed {seed}" for name in graph.inputs]


def _real(value: Array, tensor: Tensor) -> Array:
    if tensor.quant is None or len(tensor.quant.scale) != 1:
        return value
    return (value.astype(np.float64) - tensor.quant.zero_point[0]) * tensor.quant.scale[0]


def _describe(result: Array, shown: Array, tensor: Tensor) -> str:
    """The largest entries of a vector of scores, or the first values of anything else; `shown` is in file numbers."""
    flat, real = shown.reshape(-1), _real(result, tensor).reshape(-1)
    if 1 < flat.size == result.shape[-1]:
        order = np.argsort(-real, kind="stable")[:_TOP]
        return "top " + ", ".join(f"[{i}] {real[i]:.4g} ({flat[i]})" for i in order)
    more = " ..." if flat.size > _SHOWN else ""
    return "values " + " ".join(str(v) for v in flat[:_SHOWN]) + more


def _record(value: Array) -> dict[str, Any]:
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    record: dict[str, Any] = {"shape": value.shape, "dtype": str(value.dtype), "sha256": digest}
    return record | ({"values": value.reshape(-1)} if value.size <= 4096 else {})


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--input", "input_file", type=click.Path(path_type=Path, dir_okay=False), metavar="X.npy|X.npz|IMAGE",
              help="Input of the network; random but seeded if left out.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.npz",
              help="Write the results, by tensor name, in the model file's own numbers.")  # fmt: skip
@click.option("--executor", type=click.Choice(sorted(_EXECUTORS)), default="golden", show_default=True,
              help="golden: the numeric reference. machine: the compiled Program on the ESL machine.")  # fmt: skip
@click.option("--arch", default="base", show_default=True, help="Architecture of the ESL machine.")
@click.option("--all-tensors", is_flag=True, help="Keep and write every activation, not only the outputs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random input.")
@json_option
def command(
    model: Path, input_file: Path | None, output: Path | None, executor: str, arch: str, all_tensors: bool, seed: int,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Run MODEL (.tflite) on one input and print its outputs.

    .npy and .npz inputs may hold the model's integers, or real numbers, which are quantised with the input's scale. In
    an .npz, arrays are taken by input name, or by position. A picture is stretched to the input's height and width
    and its 0..255 laid over the input's range (quantised input = pixel - 128); what was done is printed.

    \b
    Examples:
      esl-ref run net.tflite                                 a random input, seed 0
      esl-ref run net.tflite --input cat.jpg
      esl-ref run net.tflite --input x.npz --all-tensors --output tensors.npz
      esl-ref run net.tflite --executor machine --arch tiny --json run.json
    """
    from esl_ref.frontends import load
    from esl_ref.stimulus import as_in_file, write_npz

    graph = load(model)
    inputs, said = _inputs(graph, input_file, seed)
    started = time.perf_counter()
    results = _EXECUTORS[executor](graph, inputs, "all" if all_tensors else "outputs", arch)
    seconds = time.perf_counter() - started
    values = as_in_file(graph, results)
    if output is not None:
        write_npz(output, values)
    write_json(json_file, {
        "model": graph.name, "executor": executor, "seed": None if input_file else seed, "inputs": said,
        "seconds": seconds, "tensors": {name: _record(value) for name, value in values.items()},
    })  # fmt: skip
    if str(json_file) == "-":
        return
    console = output_console()
    for line in said:
        console.print(escape(line), soft_wrap=True)
    for name in graph.outputs:
        shape = "x".join(map(str, values[name].shape))
        what = _describe(results[name], values[name], graph.tensors[name])
        console.print(escape(f"output '{name}' {shape} {values[name].dtype}: {what}"), soft_wrap=True)
    kept = f", {len(values)} tensors in {output}" if output else ""
    console.print(f"{len(graph.ops)} operators on the {executor} executor in {seconds:.3f} s{kept}", soft_wrap=True)
