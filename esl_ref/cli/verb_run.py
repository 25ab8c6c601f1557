# SPDX-License-Identifier: Apache-2.0
"""`esl-ref run`: inference on the golden operators, on the ESL machine, or of a float model in float."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape

from esl_ref.arch import load as load_arch
from esl_ref.cli.common import arch_option, json_option, output_console, progress_console, write_json
from esl_ref.cli.network import NetworkOptions, integer_graph, load_network, network_options
from esl_ref.cli.running import EXECUTORS, Outcome, run_model
from esl_ref.detection.heads import TREE
from esl_ref.detection.objects import OVERLAP, THRESHOLD, Found
from esl_ref.errors import InputError

Array = npt.NDArray[Any]

_TOP, _SHOWN = 5, 8


def _describe(real: Array, shown: Array, names: Sequence[str]) -> str:
    """The largest entries of a vector of scores, or the first values of anything else; `shown` is in file numbers."""
    flat, values = shown.reshape(-1), real.reshape(-1)
    if 1 < flat.size == real.shape[-1]:
        order = np.argsort(-values, kind="stable")[:_TOP]
        return "top " + ", ".join(
            f"[{i}] {names[i] + ' ' if i < len(names) else ''}{values[i]:.4g} ({flat[i]})" for i in order
        )
    more = " ..." if flat.size > _SHOWN else ""
    return "values " + " ".join(str(v) for v in flat[:_SHOWN]) + more


def _record(value: Array) -> dict[str, Any]:
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    record: dict[str, Any] = {"shape": value.shape, "dtype": str(value.dtype), "sha256": digest}
    return record | ({"values": value.reshape(-1)} if value.size <= 4096 else {})


def _objects(outcome: Outcome, names: Sequence[str], threshold: float, overlap: float) -> list[Found] | None:
    """What the model's detection heads find; None without heads, or where no picture went in."""
    from esl_ref.detection.objects import find

    if not outcome.heads or outcome.fit is None:
        return None
    for head in outcome.heads:
        if getattr(head, "tree", ""):
            progress_console().print(f"note: head on '{escape(head.tensor)}': {TREE}", soft_wrap=True)
            return None
    return find(outcome.heads, outcome.real, outcome.fit, names, threshold, overlap)


def _draw(picture: Path | None, source: Path | None, found: list[Found] | None) -> None:
    from esl_ref.detection.draw import draw

    if picture is None:
        return
    if found is None or source is None:
        raise InputError("there is no picture with objects to draw", where=f"--picture {picture}",
                         hint="a detector ([yolo], [region], [detection]) and --input IMAGE are needed")  # fmt: skip
    draw(source, found, picture)


def _print(console: Console, outcome: Outcome, found: list[Found] | None, names: Sequence[str]) -> None:
    for line in outcome.inputs:
        console.print(escape(line), soft_wrap=True)
    for name in outcome.outputs:
        value = outcome.values[name]
        shape = "x".join(map(str, value.shape))
        what = _describe(outcome.real[name], value, names)
        console.print(escape(f"output '{name}' {shape} {value.dtype}: {what}"), soft_wrap=True)
    if found is None or outcome.fit is None:
        return
    console.print(f"{len(found)} objects" + (": name, probability, left, top, right, bottom" if found else ""))
    for each in found:
        corners = " ".join(f"{corner:5d}" for corner in each.corners(outcome.fit.picture))
        console.print(escape(f"  {each.name:16s} {100 * each.probability:5.1f} %  {corners}"), soft_wrap=True)


def _detection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What detectors and classifiers are shown with."""
    file = click.Path(path_type=Path, dir_okay=False)
    for option in reversed((
        click.option("--names", "names_file", type=file, metavar="FILE", help="Names of the classes, one per line."),
        click.option("--picture", type=file, metavar="OUT.png", help="Write the input picture with boxes."),
        click.option("--threshold", type=click.FloatRange(0, 1), default=THRESHOLD, show_default=True,
                     help="Least probability of an object."),
        click.option("--overlap", type=click.FloatRange(0, 1), default=OVERLAP, show_default=True,
                     help="Boxes of a class that overlap more (intersection over union) are one object."),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--input", "input_file", type=click.Path(path_type=Path, dir_okay=False), metavar="X.npy|X.npz|IMAGE",
              help="Input of the network; random but seeded if left out.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.npz",
              help="Write the results, by tensor name, in the model file's own numbers.")  # fmt: skip
@click.option("--executor", type=click.Choice(EXECUTORS), default="golden", show_default=True,
              help="golden: the numeric reference. machine: the compiled Program on the ESL machine.")  # fmt: skip
@arch_option
@click.option("--all-tensors", is_flag=True, help="Keep and write every activation, not only the outputs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random input.")
@network_options
@_detection_options
@json_option
def command(
    model: Path, input_file: Path | None, output: Path | None, executor: str, arch_name: str, all_tensors: bool,
    seed: int,
    network: NetworkOptions, names_file: Path | None, picture: Path | None, threshold: float, overlap: float,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Run MODEL (.tflite, .onnx, .cfg) on one input and print its outputs, and the objects that a detector finds.

    .npy and .npz inputs may hold the model's integers, or real numbers, which are quantised with the input's scale. In
    an .npz, arrays are taken by input name, or by position. A picture is stretched to the input's height and width
    and its 0..255 laid over the input's range (quantised input = pixel - 128); for detectors and float models it is
    letterboxed as Darknet does, and becomes 0..1. What was done is printed. Float models run in
    float32, or with --calibrate (or --executor machine) quantised.

    \b
    Examples:
      esl-ref run net.tflite                                 a random input, seed 0
      esl-ref run net.tflite --input cat.jpg
      esl-ref run net.tflite --input x.npz --all-tensors --output tensors.npz
      esl-ref run net.tflite --executor machine --arch tiny --json run.json
      esl-ref run yolo.cfg --weights yolo.weights --input dog.jpg --names coco.names --picture found.png
      esl-ref run yolo.cfg --weights yolo.weights --input dog.jpg --calibrate pictures/
    """
    from esl_ref.detection.objects import read_names
    from esl_ref.stimulus import write_npz

    load_arch(arch_name)  # golden needs none, but whoever misspells one believes to have results of it
    integers = network.calibrate is not None or executor == "machine"
    graph = integer_graph(model, network) if integers else load_network(model, network)
    names = read_names(names_file) if names_file else []
    outcome = run_model(graph, input_file, executor, arch_name, all_tensors, seed)
    found = _objects(outcome, names, threshold, overlap)
    if output is not None:
        write_npz(output, outcome.values)
    _draw(picture, input_file, found)
    objects = None if found is None or outcome.fit is None else [
        vars(each) | {"corners": each.corners(outcome.fit.picture)} for each in found]  # fmt: skip
    write_json(json_file, {
        "model": outcome.model, "executor": outcome.executor, "seed": None if input_file else seed,
        "inputs": outcome.inputs, "seconds": outcome.seconds, "objects": objects,
        "tensors": {name: _record(value) for name, value in outcome.values.items()},
    })  # fmt: skip
    if str(json_file) == "-":
        return
    console = output_console()
    _print(console, outcome, found, names)
    kept = f", {len(outcome.values)} tensors in {output}" if output else ""
    drawn = f", objects in {picture}" if picture else ""
    console.print(f"{outcome.operators} operators on the {outcome.executor} executor in {outcome.seconds:.3f} s{kept}"
                  f"{drawn}", soft_wrap=True)  # fmt: skip
