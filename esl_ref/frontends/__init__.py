# SPDX-License-Identifier: Apache-2.0
"""Front ends: model files in, verified integer graphs out."""

from __future__ import annotations

import os
from pathlib import Path

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.ir import Graph

__all__ = ["load"]


def load(path: str | os.PathLike[str]) -> Graph:
    """The integer graph of a model file, whose kind is found from its content.

    Raises ModelError for files that are missing, damaged or inconsistent, UnsupportedError for what is well formed
    but not supported, NumericError for layers whose numbers do not fit. All name the file and the operator.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if head[4:8] == b"TFL3":
        from esl_ref.frontends import tflite

        return tflite.load_file(path)
    if path.suffix == ".tflite":
        raise ModelError("is not a TensorFlow Lite model (no 'TFL3' identifier)", where=str(path))
    raise UnsupportedError("is no model file of a known kind", where=str(path), hint="`.tflite` is supported")
