# SPDX-License-Identifier: Apache-2.0
"""Calibration data: pictures of a folder, arrays of a file, or seeded noise, one sample at a time.

Samples are made anew on every pass, so that a large folder needs no more memory than one picture.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esl_ref.axes import Axes, file_shape
from esl_ref.detection.letterbox import resize
from esl_ref.detection.objects import network_input
from esl_ref.errors import InputError
from esl_ref.floating.executor import random_inputs
from esl_ref.floating.graph import FloatGraph

__all__ = ["ENOUGH", "PICTURES", "CalibrationSet", "from_path", "from_seed"]

Array = npt.NDArray[Any]
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".gif"})
ENOUGH = 24
"""Samples below which parts of the pictures are added: ranges that few pictures reach would cut off the next one's."""
_LEAST_CROP = 0.6
_CONTRAST, _BRIGHTNESS = 0.1, 0.05


@dataclass(frozen=True)
class CalibrationSet:
    """Samples that can be gone through more than once. `input_range` is what inputs can be, where that is known;
    `meaning` says in a few words what the samples are."""

    samples: tuple[Callable[[], dict[str, Array]], ...]
    meaning: str
    input_range: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def some(self, count: int) -> CalibrationSet:
        """At most `count` of the samples, at even distances."""
        return dataclasses.replace(self, samples=tuple(_spread(list(self.samples), count)))

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return (make() for make in self.samples)


def from_seed(graph: FloatGraph, seed: int, count: int = 1) -> CalibrationSet:
    """Uniform noise over 0..1: enough to get scales, not to say anything of accuracy."""
    makers = tuple(_maker(random_inputs, graph, seed + k) for k in range(count))
    return CalibrationSet(makers, f"{count} random inputs from seed {seed}", (0.0, 1.0))


def _maker(function: Callable[..., dict[str, Array]], *arguments: Any) -> Callable[[], dict[str, Array]]:
    return lambda: function(*arguments)


def from_path(
    graph: FloatGraph, path: Path, *, limit: int = 64, crops: int | None = None,
    pixels: tuple[float, float] = (0.0, 1.0),
) -> CalibrationSet:  # fmt: skip
    """Samples of a folder of pictures, one picture, or an .npy or .npz file.

    At most `limit` of them are taken, evenly spread. Pictures are brought to the network's input as `esl-ref run` does
    it, their 0..255 laid over `pixels`; `crops` adds that many random parts of each (`_part`, from a fixed seed), by
    default as many as make ENOUGH samples. InputError for a set that is empty or does not fit.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        return _arrays(graph, path, limit)
    files = _pictures(path)
    if not files:
        raise InputError("holds no pictures", where=str(path), hint=f"known are {' '.join(sorted(PICTURES))}")
    if len(graph.inputs) != 1 or len(graph.shapes[graph.inputs[0]]) != 4:
        raise InputError(f"pictures do not fit the inputs {list(graph.inputs)}", where=str(path),
                         hint="give an .npz file with one array per input, samples along the first axis")  # fmt: skip
    chosen = _spread(files, limit)
    if crops is None:
        crops = -(-ENOUGH // len(chosen)) - 1
    makers = [_maker(_sample, graph, file, pixels, crop) for file in chosen for crop in range(crops + 1)]
    meaning = f"{len(chosen)} of {len(files)} pictures in {path}" + (
        f", with {crops} random parts of each" * bool(crops)
    )
    return CalibrationSet(tuple(makers), meaning, pixels)


def _pictures(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError("no such file or folder", where=str(path))
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())


def _spread(items: list[Any], limit: int) -> list[Any]:
    """`limit` of the items at even distances."""
    return items if len(items) <= limit else [items[k * len(items) // limit] for k in range(limit)]


def _sample(graph: FloatGraph, file: Path, pixels: tuple[float, float], crop: int) -> dict[str, Array]:
    (name,) = graph.inputs
    values = network_input(file, graph.shapes[name], graph.heads)[0]
    if crop:
        values = _part(values, np.random.default_rng([crop, *file.name.encode()]))
    return {name: pixels[0] + (pixels[1] - pixels[0]) * values}


def _part(values: Array, rng: np.random.Generator) -> Array:
    """A random part of a map [1, H, W, C] of 0..1 at its size, mirrored half of the time, with more or less contrast
    and light."""
    _, h, w, _ = values.shape
    high, wide = (max(1, round(n * rng.uniform(_LEAST_CROP, 1))) for n in (h, w))
    top, left = int(rng.integers(h - high + 1)), int(rng.integers(w - wide + 1))
    part = resize(values[0, top : top + high, left : left + wide], (h, w))[:, :: rng.choice((1, -1))]
    mean = part.mean(dtype=np.float64)
    light = mean + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    contrast = rng.uniform(1 - _CONTRAST, 1 + _CONTRAST)
    return np.asarray(np.clip((part - mean) * contrast + light, 0, 1)[None], np.float32)


def _arrays(graph: FloatGraph, path: Path, limit: int) -> CalibrationSet:
    try:
        loaded = np.load(path, allow_pickle=False)
        given = {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        raise InputError(f"cannot be read as numpy data ({error})", where=str(path)) from error
    if not set(graph.inputs) <= set(given):
        if len(given) != len(graph.inputs):
            raise InputError(f"holds {sorted(given)}", where=str(path), hint=f"the inputs are {list(graph.inputs)}")
        given = dict(zip(graph.inputs, given.values(), strict=True))
    stacked = {
        name: _stacked(given[name], graph.shapes[name], axes, f"{path}: array for input '{name}'")
        for name in graph.inputs
        for axes in (graph.file_axes.get(name, ()),)
    }
    counts = {len(value) for value in stacked.values()}
    if counts == {0}:
        raise InputError("holds no samples", where=str(path))
    if len(counts) != 1:
        raise InputError(f"holds {sorted(counts)} samples for its inputs", where=str(path))
    (count,) = counts
    chosen = _spread(list(range(count)), limit)
    makers = [_maker(lambda k: {name: value[k] for name, value in stacked.items()}, k) for k in chosen]
    return CalibrationSet(tuple(makers), f"{len(chosen)} of {count} samples in {path}")


def _stacked(value: Array, shape: tuple[int, ...], axes: Axes, where: str) -> Array:
    """Samples [N, *shape] from an array of one sample or of many, with or without the batch axis of 1, its axes in the
    order of the model's file."""
    if axes:
        laid = _stacked(value, file_shape(shape, axes), (), where)
        return laid.transpose(0, *(axis + 1 for axis in axes))
    if not np.issubdtype(value.dtype, np.number) or np.issubdtype(value.dtype, np.complexfloating):
        raise InputError(f"has type {value.dtype}", where=where, hint="real numbers are needed")
    if value.shape == shape:
        return value[None]
    if value.shape[1:] in (shape, shape[1:]):
        return value.reshape(len(value), *shape)
    raise InputError(f"has shape {list(value.shape)}", where=where,
                     hint=f"samples of {list(shape)} along a first axis are needed")  # fmt: skip
