# SPDX-License-Identifier: Apache-2.0
"""Darknet's weights files: a header and one long row of little-endian float32.

Nothing is read before a layer asks for it, and then only its own part, in blocks: resident memory is one layer's.
The header is three int32 (major, minor, revision) and the number of images seen, which takes eight bytes since version
0.2 and four before. Versions above 1000 mark files whose fully connected weights are transposed.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from esl_ref.errors import ModelError
from esl_ref.frontends.darknet.layers import Layer, Network

__all__ = ["WeightsFile", "open_weights", "write_weights"]

FloatArray = npt.NDArray[np.float32]

_FLOAT = 4
_TRANSPOSED = 1000


@dataclass(frozen=True)
class WeightsFile:
    """An opened file whose size fits its network. `offsets` has the first float of every record by layer number."""

    path: Path
    header: int
    transposed: bool
    offsets: dict[tuple[int, str], tuple[int, int]]

    def read(self, layer: Layer, record: str) -> FloatArray:
        """All floats of a layer's record, checked as `fill` does."""
        values = np.empty(self.offsets[layer.index, record][1], np.float32)
        self.fill(values, layer, record)
        return values

    def fill(self, values: FloatArray, layer: Layer, record: str, first: int = 0) -> None:
        """Reads as many floats of a layer's record as `values` has, a row of float32, from `first` on.

        ModelError if they are not finite, naming file, layer and record.
        """
        start, _ = self.offsets[layer.index, record]
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(self.header + _FLOAT * (start + first))
                nbytes = _read_into(file, values)
        except OSError as error:
            raise ModelError(f"cannot be read ({error.strerror})", where=str(self.path)) from error
        where = f"{self.path}, {record} of {layer.where}"
        if nbytes < values.nbytes:
            raise ModelError("has become shorter while it was read", where=where)
        if sys.byteorder == "big":
            values.byteswap(inplace=True)
        # Extrema, because isfinite() of all elements would take a quarter of the weights' memory again.
        if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
            bad = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ModelError(f"number {first + bad} is {values[bad]}", where=where,
                             hint="the file is damaged, or training diverged")  # fmt: skip


def _read_into(file: io.RawIOBase, values: FloatArray) -> int:
    """Bytes read until `values` is full or the file ends; a read may give less than it is asked for."""
    rest = values.data.cast("B")
    while rest and (count := file.readinto(rest)):
        rest = rest[count:]
    return values.nbytes - len(rest)


def open_weights(path: Path, network: Network) -> WeightsFile:
    """The weights of `network`; ModelError unless the file has exactly as many floats as the layers need."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from error
    if len(head) < 16:
        raise ModelError(f"has {size} bytes, too few for a header", where=str(path))
    major, minor, _ = struct.unpack("<3i", head[:12])
    _check_version(path, major, minor)
    new = major * 10 + minor >= 2 and major < _TRANSPOSED and minor < _TRANSPOSED
    header = 20 if new else 16
    _check_size(path, network, size - header)
    offsets = {(layer, record): (start, count) for layer, record, start, count in _records(network)}
    return WeightsFile(path, header, major > _TRANSPOSED or minor > _TRANSPOSED, offsets)


def _check_version(path: Path, major: int, minor: int) -> None:
    """Any file would do as floats, so that at least its first numbers must look like a version."""
    if not (0 <= major <= 10 * _TRANSPOSED and 0 <= minor <= 10 * _TRANSPOSED):
        raise ModelError(f"does not begin with a version but with {major}, {minor}", where=str(path),
                         hint="is it a .weights file?")  # fmt: skip


def _records(network: Network) -> Iterator[tuple[int, str, int, int]]:
    """(layer number, record, first float, number of floats) in the file's order."""
    start = 0
    for layer in network.layers:
        for record, count in layer.records:
            yield layer.index, record, start, count
            start += count


def _check_size(path: Path, network: Network, nbytes: int) -> None:
    need = network.floats
    if nbytes == _FLOAT * need:
        return
    have = nbytes / _FLOAT
    what = f"holds {have:,.2f} floats".replace(".00 ", " ") + f", {network.file} needs {need:,}"
    if nbytes > _FLOAT * need:
        raise ModelError(what, where=str(path), hint="these are another network's weights, or the cfg lacks layers")
    ends = next((layer for layer, _, start, count in _records(network) if have < start + count), 0)
    raise ModelError(f"{what}: it ends in {network.layers[ends].where}", where=str(path),
                     hint="the file is truncated, or another network's (a classifier's `.conv` file, say)")  # fmt: skip


def write_weights(path: Path, network: Network, seed: int) -> None:
    """A weights file of random but seeded values, scaled so that activations keep their size through the layers.

    For measurements on configurations whose trained weights are not at hand.
    """
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(struct.pack("<3iq", 0, 2, 0, 0))
        for layer in network.layers:
            for record, count in layer.records:
                _write_record(file, rng, record, count, layer)


def _write_record(file: IO[bytes], rng: np.random.Generator, record: str, count: int, layer: Layer) -> None:
    spread = {"weights": np.sqrt(2 / _fan_in(layer)), "biases": 0.1, "rolling_mean": 0.1, "scales": 0.1}
    block = 1 << 22
    for first in range(0, count, block):
        values = rng.standard_normal(min(block, count - first), np.float32) * np.float32(spread.get(record, 0.1))
        if record in ("scales", "rolling_variance"):
            values = 1 + np.abs(values)
        values.astype("<f4").tofile(file)


def _fan_in(layer: Layer) -> float:
    """Products per output: weights by units, or for local layers by places."""
    records = dict(layer.records)
    units = layer.elements if records.get("biases") == layer.elements else layer.shape[2]
    return records.get("weights", units) / units
