# SPDX-License-Identifier: Apache-2.0
"""`esl-ref inspect`: what is in a model, and where each operator runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from rich.markup import escape

from esl_ref.cli.common import json_option, output_console, write_json
from esl_ref.cli.network import NetworkOptions, integer_graph, load_network, network_options
from esl_ref.errors import UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.floating.survey import survey_float
from esl_ref.survey import OperatorRecord, Survey, TensorRecord, survey


def _shape(tensor: TensorRecord) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _quantisation(tensor: TensorRecord) -> str:
    return tensor.dtype if tensor.scale is None else f"{tensor.scale:.6g} {tensor.zero_point:+d}"


_TITLES = ("#", "operator", "input", "output", "scale, zero", "MACs", "params", "runs on", "details")
_RIGHT = frozenset({"#", "MACs", "params"})


def _lines(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns as wide as their widest entry, never folded: the last column may run on."""
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    lines = []
    for row in [_TITLES, *rows]:
        cells = [
            cell.rjust(width) if title in _RIGHT else cell.ljust(width)
            for title, cell, width in zip(_TITLES, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _row(o: OperatorRecord) -> tuple[str, ...]:
    inputs = " ".join(_shape(t) for t in o.inputs)
    work = (f"{o.macs:,}" if o.macs else "", f"{o.parameters:,}" if o.parameters else "")
    details = " ".join(filter(None, (o.details, f"({o.reason})" if o.reason else "")))
    return (str(o.index), o.kind, inputs, _shape(o.output), _quantisation(o.output), *work, o.where, details)


def _print(result: Survey) -> None:
    console = output_console()
    kind = f"rounding profile {result.profile}" if result.profile else "floating point"
    console.print(f"[bold]{escape(result.model)}[/bold]  {kind}")
    for label, tensors in (("input", result.inputs), ("output", result.outputs)):
        for t in tensors:
            as_file = ", uint8 in the file" if t.uint8_in_file else ""
            console.print(
                f"{label} '{escape(t.name)}' {_shape(t)} {t.dtype} ({_quantisation(t)}{as_file})", soft_wrap=True
            )
    console.print()
    for line in _lines([_row(o) for o in result.operators]):
        console.print(escape(line), soft_wrap=True)
    console.print()
    places = Counter(o.where for o in result.operators if o.where)
    where = f" ({', '.join(f'{n} {w}' for w, n in places.items())})" if places else ""
    console.print(
        f"{len(result.operators)} operators{where}, "
        f"{result.macs:,} MACs, {result.parameters:,} parameters, "
        f"largest activation {result.largest_activation_bytes:,} bytes",
        soft_wrap=True,
    )
    for note in result.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)


def _refused(model: Path, error: UnsupportedError, json_file: Path | None) -> None:
    """List the file's operators with the verdict on each, when some of them keep the model from loading."""
    from esl_ref.frontends import onnx, tflite

    rows = onnx.verdicts(model) if model.suffix == ".onnx" else tflite.verdicts(model)
    if rows is None:
        raise error
    write_json(json_file, {"model": model.stem, "supported": False, "error": str(error), "operators": rows})
    if str(json_file) != "-":
        for row in rows:
            output_console().print(escape(f"{row.index:4d} {row.code:28s} {row.verdict}"), soft_wrap=True)
    raise error


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@network_options
@json_option
def command(model: Path, network: NetworkOptions, json_file: Path | None) -> None:
    """Show MODEL (.tflite, .onnx, .cfg): operators, shapes, scales, MACs, parameters, and where each operator runs.

    An operator runs on the accelerator, on the host (softmax, float edges and the like; the reason is given), or not
    at all: then all such operators are listed with what is supported instead, and the exit code is 2. A float model is
    shown as it is (a .cfg needs no weights for that), or with --calibrate as it is quantised.

    \b
    Examples:
      esl-ref inspect net.tflite
      esl-ref inspect net.tflite --json net.json
      esl-ref inspect yolo.cfg
      esl-ref inspect yolo.cfg --weights yolo.weights --calibrate pictures/
      esl-ref inspect net.tflite --json - | python3 -m json.tool
    """
    try:
        graph = integer_graph(model, network) if network.calibrate else load_network(model, network)
    except UnsupportedError as error:
        _refused(model, error, json_file)
        return
    result = survey_float(graph) if isinstance(graph, FloatGraph) else survey(graph)
    write_json(json_file, {**vars(result), "supported": True})
    if str(json_file) != "-":
        _print(result)
