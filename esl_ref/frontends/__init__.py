# SPDX-License-Identifier: Apache-2.0
"""Front ends: model files in, verified graphs out: of integers where the file is quantised, else of floats."""

from __future__ import annotations

import os
from pathlib import Path

from esl_ref.errors import InputError, ModelError, UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.ir import Graph

__all__ = ["load", "load_model"]


def load_model(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Graph | FloatGraph:
    """The graph of a model file, whose kind is found from its content, or its name where the format has no mark.

    `weights` goes with a Darknet `.cfg`. Raises ModelError for files that are missing, damaged or inconsistent,
    UnsupportedError for what is well formed but not supported, NumericError for layers whose numbers do not fit. All
    name the file and the operator.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if path.suffix == ".cfg":
        from esl_ref.frontends import darknet

        return darknet.load_file(path, None if weights is None else Path(weights))
    if weights is not None:
        raise InputError("goes with a Darknet .cfg only", where=f"--weights {weights}")
    if head[4:8] == b"TFL3":
        from esl_ref.frontends import tflite

        return tflite.load_model(path)
    if path.suffix == ".tflite":
        raise ModelError("is not a TensorFlow Lite model (no 'TFL3' identifier)", where=str(path))
    if path.suffix == ".onnx":  # the format has no identifier
        from esl_ref.frontends import onnx

        return onnx.load_file(path)
    raise UnsupportedError("is no model file of a known kind", where=str(path),
                           hint="`.tflite`, `.onnx` and `.cfg` are supported")  # fmt: skip


def load(path: str | os.PathLike[str]) -> Graph:
    """The integer graph of a quantised model; as `load_model`, and UnsupportedError for a float one."""
    graph = load_model(path)
    if isinstance(graph, FloatGraph):
        raise UnsupportedError("is a float model", where=str(path), hint="`esl-ref quantise` makes it an integer one")
    return graph
