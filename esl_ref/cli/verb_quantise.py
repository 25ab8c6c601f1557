# SPDX-License-Identifier: Apache-2.0
"""`esl-ref quantise`: a float model to an int8 `.tflite`, with the noise of every layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from esl_ref.cli.common import json_option, output_console, show_table, to_plain, write_json
from esl_ref.cli.network import NetworkOptions, load_network, progress_bar
from esl_ref.errors import InputError
from esl_ref.files import check_folder, write_whole
from esl_ref.floating import FloatGraph

if TYPE_CHECKING:
    from esl_ref.quantiser.data import CalibrationSet
    from esl_ref.quantiser.evaluate import LayerNoise, Report

_SHOWN = 10
_NAME = 32
"""Columns after which a layer's name goes on in the next line."""


@click.command("quantise")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--weights", metavar="FILE", help="Weights of a Darknet .cfg.")
@click.option("--calibrate", type=click.Path(path_type=Path), required=True, metavar="DIR|FILE",
              help="A folder of pictures, a picture, or an .npy or .npz: samples along the first axis.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="NET.tflite",
              help="File to write.")  # fmt: skip
@click.option("--method", type=click.Choice(["minmax", "percentile", "mse"]), default="mse", show_default=True,
              help="Ranges of activations: all that was seen, all but the tails, or the least error.")  # fmt: skip
@click.option("--percentile", "percent", type=click.FloatRange(50, 100, min_open=True), default=99.99,
              show_default=True, help="Share of values that the method percentile covers.")  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), default=64, show_default=True, help="Most samples to take.")
@click.option("--crops", type=click.IntRange(0, 64),
              help="Also so many random parts of each picture, partly mirrored, darker or paler; where not given, as "
              "many as make two dozen samples.")  # fmt: skip
@click.option("--pixels", nargs=2, type=float, default=(0.0, 1.0), show_default=True, metavar="LOW HIGH",
              help="Real numbers that the network takes a picture's 0 and 255 for.")  # fmt: skip
@click.option("--equalise/--no-equalise", default=True, help="Even out channels between layers where noise falls.")
@click.option("--compensate/--no-compensate", default=True,
              help="Let the weights of each layer make up for the rounding before it.")  # fmt: skip
@click.option("--layers", is_flag=True, help="Print every layer, not only those that cost most.")
@json_option
def command(model: Path, weights: str | None, out: Path, json_file: Path | None, layers: bool, **given: Any) -> None:
    """Quantise MODEL (.cfg, float .onnx or float .tflite) to an int8 .tflite, and say what that costs.

    Activations get one scale and zero point per tensor from the calibration data, convolutions one weight scale per
    output channel, as TensorFlow Lite has it; the file runs in its interpreters as here, byte for byte. A few dozen
    inputs like the network will see are enough; their labels are not needed. The same inputs give the same bytes.

    Each layer's figure is signal to quantisation noise in decibels (6 dB per bit): `here` with all noise from the
    layers before, `own` with only this layer's rounding and compensation. Layers are listed by `own`, the costliest
    first; where one is far below the others, look at its range (another --method) or at outliers in the calibration
    data.

    \b
    Examples:
      esl-ref quantise net.cfg --weights net.weights --calibrate pictures/ --out net.tflite
      esl-ref quantise net.onnx --calibrate samples.npz --out net.tflite --method percentile
      esl-ref quantise net.tflite --calibrate pictures/ --pixels -1 1 --out int8.tflite --json report.json
      esl-ref run net.tflite --input dog.jpg          what was written runs like any other model
    """
    from esl_ref.quantiser import Method, Options, quantise
    from esl_ref.quantiser.data import from_path
    from esl_ref.quantiser.evaluate import evaluate

    check_folder(out, "model")
    graph = load_network(model, NetworkOptions(weights))
    if not isinstance(graph, FloatGraph):
        raise InputError("is quantised already", where=str(model))
    data = from_path(graph, given["calibrate"], limit=given["samples"], crops=given["crops"], pixels=given["pixels"])
    options = Options(
        Method(given["method"]), given["percent"], compensate=given["compensate"], equalise=given["equalise"]
    )
    shown = min(_SHOWN, given["samples"])
    judged = from_path(graph, given["calibrate"], limit=shown, crops=0, pixels=given["pixels"])
    with progress_bar("calibrating and comparing", len(data) * options.passes + len(judged)) as advance:
        result = quantise(graph, data, options, advance)
        report = evaluate(result.prepared, result.graph, judged, advance)
    write_whole(out, result.file, "model")
    write_json(json_file, {
        "model": str(model), "out": str(out), "bytes": len(result.file), "calibration": data.meaning,
        "options": to_plain(options), "equalised": result.equalised, "notes": result.notes, **to_plain(report),
        "costly": [layer.name for layer in report.costly[:_SHOWN]],
    })  # fmt: skip
    if str(json_file) != "-":
        _print(out, len(result.file), data, report, result.notes, layers)


def _decibels(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 1e3 else "exact" if value > 0 else "none"


def _table(rows: tuple[LayerNoise, ...]) -> Table:
    table = Table(box=None)
    for title in ("layer", "operator", "output"):
        table.add_column(title, overflow="fold", max_width=_NAME)
    for title in ("scale", "zero", "own dB", "here dB"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            escape(row.name), row.kind, "x".join(map(str, row.shape)), f"{row.scale:.5g}", str(row.zero_point),
            _decibels(row.own), _decibels(row.sqnr),
        )  # fmt: skip
    return table


def _print(out: Path, size: int, data: CalibrationSet, report: Report, notes: tuple[str, ...], every: bool) -> None:
    console = output_console()
    console.print(f"calibrated on {escape(data.meaning)}", soft_wrap=True)
    show_table(console, _table(report.layers if every else report.costly[:_SHOWN]))
    if not every and len(report.layers) > _SHOWN:
        console.print(f"the {_SHOWN} costliest of {len(report.layers)} layers (--layers shows all, in order)")
    for output in report.outputs:
        console.print(
            f"output '{escape(output.name)}': {_decibels(output.sqnr)} dB, cosine {output.cosine:.4f} to the float "
            f"network, the least of {report.samples} samples",
            soft_wrap=True,
        )
    for note in notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    console.print(f"{escape(str(out))}: {size:,} bytes", soft_wrap=True)
