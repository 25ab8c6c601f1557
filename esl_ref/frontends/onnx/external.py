# SPDX-License-Identifier: Apache-2.0
"""Weights beside the model file: inside its folder, of the stated size, mapped instead of read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from esl_ref.errors import ModelError
from esl_ref.frontends.onnx.schema import Array, elements

__all__ = ["external_reader"]


def _number(fields: dict[str, str], key: str, where: str) -> int:
    text = fields.get(key, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ModelError(f"external data with {key} {text[:40]!r}", where=where)
    return int(text)


def _inside(folder: Path | None, location: str, where: str) -> Path:
    """The file that `location` names; it must lie in the model's folder, links followed."""
    if folder is None:
        raise ModelError("keeps its data in another file", where=where, hint="load the model from a file")
    if not location or "\0" in location:
        raise ModelError(f"external data with location {location[:80]!r}", where=where)
    try:
        root = folder.resolve()
        path = (root / location).resolve()
        inside, regular = path.is_relative_to(root), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"external data at {location[:80]!r} cannot be found", where=where) from error
    if not inside:
        raise ModelError(f"external data at {location[:80]!r} lies outside the model's folder", where=where)
    if not regular:
        raise ModelError(f"external data file '{location[:80]}' is missing", where=where,
                         hint="it belongs beside the model; without it only shapes are known")  # fmt: skip
    return path


def external_reader(
    fields: dict[str, str], shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path | None, where: str
) -> Callable[[], Array]:
    """How to read a tensor whose `external_data` entries are `fields`. ModelError at reading, not before:
    shapes are enough for planning."""

    def read() -> Array:
        path = _inside(folder, fields.get("location", ""), where)
        offset, stored = _number(fields, "offset", where), elements(shape) * dtype.itemsize
        length = _number(fields, "length", where) if "length" in fields else stored
        if length != stored:
            raise ModelError(f"external data of {length} bytes for {list(shape)} of {dtype}", where=where)
        if path.stat().st_size < offset + length:
            raise ModelError(f"external data file '{path.name}' ends before byte {offset + length}", where=where)
        if not stored:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype.newbyteorder("<"), "r", offset, shape)

    return read
