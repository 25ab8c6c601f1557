# SPDX-License-Identifier: Apache-2.0
"""The front end's three ways in."""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.floating.graph import Conv, Dense, FloatGraph
from esl_ref.frontends.onnx.importer import import_middle
from esl_ref.frontends.onnx.integer import integer_graph
from esl_ref.frontends.onnx.middle import Middle, QuantisedParameter, RequantShift
from esl_ref.frontends.onnx.reader import read_bytes, read_file
from esl_ref.ir import Graph

__all__ = ["load_bytes", "load_file", "load_shapes"]

_BYTES = (np.dtype(np.int8), np.dtype(np.uint8))


def _float_graph(middle: Middle) -> FloatGraph:
    ends = {*middle.inputs, *middle.outputs}
    return FloatGraph(
        Path(middle.path).stem or middle.name, middle.shapes, middle.ops, middle.inputs, middle.outputs,
        middle.constants, notes=middle.notes, file_axes={n: axes for n, axes in middle.orders.items() if n in ends},
    )  # fmt: skip


def _beside(path: Path, middle: Middle) -> dict[str, np.dtype[Any]]:
    """int8 or uint8 for each float input, from `inputs.npz` in the model's folder, if it holds small integers only.

    Deeploy's network files declare integers as float and do not say whether they have a sign; its own tests take both
    from that file, and so does this.
    """
    try:
        with np.load(path.parent / "inputs.npz", allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files if arrays[name].size <= 1 << 26}
    except (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, AttributeError,
            zipfile.BadZipFile, zlib.error):  # fmt: skip
        return {}
    found: dict[str, np.dtype[Any]] = {}
    for k, name in enumerate(middle.inputs):
        array = values.get(name, list(values.values())[k] if k < len(values) else None)
        if array is None or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            return {}
        low, high = float(array.min(initial=0)), float(array.max(initial=0))
        if (array != np.rint(array)).any() or low < -128 or high > 255 or (low < 0 and high > 127):
            return {}
        found[name] = np.dtype(np.uint8 if high > 127 else np.int8)
    return found


def _holds_integers(middle: Middle) -> bool:
    """Whether every constant of a float model is an integer, so that it may be a network on integers."""
    parameters = [*middle.constants.values()]
    for op in middle.ops:
        if isinstance(op, Conv | Dense):
            parameters += [op.weight, op.bias]
    try:
        return all(not isinstance(p, QuantisedParameter) and not (p.load() % 1).any() for p in parameters)
    except ModelError:  # weights that are missing or not numbers are the reader's to complain of
        return False


def _load(middle: Middle, path: Path | None, types: Mapping[str, npt.DTypeLike] | None) -> Graph | FloatGraph:
    shifts = any(isinstance(op, RequantShift) for op in middle.ops)
    if types is None and path is not None and (shifts or not middle.quantised):
        types = _beside(path, middle)
        if not shifts and types and not _holds_integers(middle):
            types = {}
        if types:
            said = ", ".join(f"'{name}' {kind}" for name, kind in types.items())
            middle = _noted(middle, f"inputs are integers ({said}), as inputs.npz beside the model has them")
    chosen = {name: np.dtype(kind) for name, kind in (types or {}).items()}
    if any(kind not in _BYTES for kind in chosen.values()) or not set(chosen) <= set(middle.inputs):
        raise UnsupportedError(f"input types {chosen}", where=middle.path,
                               hint=f"int8 or uint8 for {', '.join(middle.inputs)}")  # fmt: skip
    return integer_graph(middle, chosen) if middle.quantised or chosen else _float_graph(middle)


def _noted(middle: Middle, note: str) -> Middle:
    return dataclasses.replace(middle, notes=(*middle.notes, note))


def load_file(path: str | Path, input_types: Mapping[str, npt.DTypeLike] | None = None) -> Graph | FloatGraph:
    """An `.onnx` file: the integer graph of a quantised model, the float graph of another.

    `input_types` has int8 or uint8 for every input of a model on integers that declares floats (Deeploy's); left out,
    it is looked for in `inputs.npz` beside the model. Raises ModelError, UnsupportedError and NumericError, which name
    the file and the node.
    """
    return _load(import_middle(read_file(path)), Path(path), input_types)


def load_bytes(
    data: bytes, path: str = "<bytes>", input_types: Mapping[str, npt.DTypeLike] | None = None
) -> Graph | FloatGraph:
    """The same of a model in memory."""
    return _load(import_middle(read_bytes(data, path)), None, input_types)


def load_shapes(path: str | Path) -> FloatGraph:
    """A model of any kind as its operators and shapes, weights not read: for plans on shapes."""
    return _float_graph(import_middle(read_file(path)))
