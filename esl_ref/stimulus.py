# SPDX-License-Identifier: Apache-2.0
"""Network inputs from files, and results to files.

Arrays may be in the model file's own numbers (uint8 for a uint8 model), in real numbers (floats, quantised here), or
in the graph's; always in the file's axis order. Each reading returns, beside the arrays, a sentence that
says what was done to them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from esl_ref.axes import file_shape, in_file_order, in_graph_order
from esl_ref.detection.objects import network_input
from esl_ref.errors import InputError
from esl_ref.files import write_whole
from esl_ref.ir import Graph, Quantize, Tensor
from esl_ref.picture import MODES, read_pixels

__all__ = ["as_in_file", "fit", "read_arrays", "read_inputs", "write_npz"]

Array = npt.NDArray[Any]


def _quantise(values: Array, tensor: Tensor, where: str) -> Array:
    """Real numbers to the tensor's quantisation, rounded to nearest, saturated."""
    if tensor.quant is None:
        raise InputError("the input has no quantisation to bring real numbers to", where=where)
    if not np.isfinite(values).all():
        raise InputError("holds NaN or infinity", where=where)
    scaled = np.floor(values.astype(np.float64) / tensor.quant.scale[0] + 0.5) + tensor.quant.zero_point[0]
    info = np.iinfo(tensor.dtype)
    result: Array = np.clip(scaled, info.min, info.max).astype(tensor.dtype)
    return result


def fit(value: Array, tensor: Tensor, where: str) -> tuple[Array, str]:
    """`value` in the tensor's shape and type, and how it was brought there; InputError if it does not fit."""
    shape = file_shape(tensor.shape, tensor.file_axes)
    if value.size != tensor.elements or (value.shape not in (shape, shape[1:], (tensor.elements,))):
        raise InputError(f"has shape {list(value.shape)}", where=where, hint=f"{list(shape)} is needed")
    value = in_graph_order(value.reshape(shape), tensor.file_axes)
    if value.dtype == tensor.dtype:
        return value, "as it is"
    if not np.issubdtype(tensor.dtype, np.integer):
        return value.astype(tensor.dtype), f"converted from {value.dtype}"
    if np.issubdtype(value.dtype, np.floating):
        return _quantise(value, tensor, where), "real numbers, quantised with the input's scale and zero point"
    if not np.issubdtype(value.dtype, np.integer):
        raise InputError(f"has type {value.dtype}", where=where, hint=f"{tensor.dtype} or real numbers are needed")
    # int8 was the graph's own type and was met above; every other integer type holds the file's numbers.
    offset = tensor.file_offset
    info, shifted = np.iinfo(tensor.dtype), value.astype(np.int64) - offset
    if shifted.size and not (info.min <= shifted.min() and shifted.max() <= info.max):
        raise InputError(f"values {value.min()}..{value.max()} do not fit {tensor.dtype}", where=where)
    note = f"re-biased by -{offset}" if offset else f"converted from {value.dtype}"
    return shifted.astype(tensor.dtype), note


def _image(path: Path, graph: Graph, tensor: Tensor) -> tuple[Array, str]:
    """A picture, stretched to the input's height and width, its 0..255 laid over the input's quantised range; for
    detectors letterboxed, as `esl-ref run` does."""
    from PIL import Image

    where = str(path)
    if len(tensor.shape) != 4:
        raise InputError(f"a picture does not fit an input of shape {list(tensor.shape)}", where=where,
                         hint="give an .npy or .npz file")  # fmt: skip
    if graph.heads:
        values, how = fit(network_input(path, tensor.shape, graph.heads)[0], tensor, where)
        return (
            values,
            f"brought to size as the detection heads expect it, real input = pixel / 255; {how}",
        )
    _, height, width, channels = tensor.shape
    picture = read_pixels(path, channels)
    picture = picture[:, :, 0] if channels == 1 else picture
    pixels = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    levels = np.asarray(pixels, np.int16).reshape(tensor.shape) - 128
    said = f"{MODES[channels]}, stretched to {width} x {height} (bilinear), "
    if tensor.dtype == np.int8:
        return levels.astype(np.int8), said + "quantised input = pixel - 128"
    scales = [op for op in graph.consumers()[tensor.name] if isinstance(op, Quantize)]
    if not scales:
        return ((levels + 128) / 255.0).astype(tensor.dtype), said + "real input = pixel / 255"
    real = scales[0].scale * (levels.astype(np.float64) - scales[0].zero_point)
    return real.astype(tensor.dtype), said + "real input = the value that quantises to pixel - 128"


def _load_numpy(path: Path) -> dict[str, Array]:
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        raise InputError(f"cannot be read as numpy data ({error})", where=str(path)) from error


def read_arrays(path: Path, inputs: Sequence[str]) -> dict[str, Array]:
    """Arrays of an .npy or .npz file by input name: as named, or the only one, or by position where counts agree."""
    arrays = _load_numpy(path)
    if set(inputs) <= set(arrays):
        return {name: arrays[name] for name in inputs}
    if len(arrays) == len(inputs):
        return dict(zip(inputs, arrays.values(), strict=True))
    raise InputError(f"holds {sorted(arrays)}", where=str(path), hint=f"the inputs are {list(inputs)}")


def read_inputs(graph: Graph, path: Path) -> tuple[dict[str, Array], list[str]]:
    """Input name -> array from an .npy, .npz or image file, and a sentence per input on how it was made."""
    if not path.is_file():
        raise InputError("no such file", where=str(path))
    if path.suffix.lower() not in (".npy", ".npz"):
        if len(graph.inputs) != 1:
            raise InputError("a picture feeds models with one input", where=str(path),
                             hint=f"this one has {list(graph.inputs)}; give an .npz file")  # fmt: skip
        value, how = _image(path, graph, graph.tensors[graph.inputs[0]])
        return {graph.inputs[0]: value}, [f"input '{graph.inputs[0]}' from {path}: {how}"]
    values, said = {}, []
    for name, array in read_arrays(path, graph.inputs).items():
        values[name], how = fit(array, graph.tensors[name], f"{path}: array for input '{name}'")
        said.append(f"input '{name}' from {path}: {how}")
    return values, said


def _in_file(tensor: Tensor, value: Array) -> Array:
    if tensor.file_offset:
        value = (value ^ np.int8(-128)).view(np.uint8)
    return in_file_order(value, tensor.file_axes)


def as_in_file(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """Tensors in the numbers and the axis order of the model file: uint8, NCHW where the file says so."""
    return {name: _in_file(graph.tensors[name], value) for name, value in values.items()}


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz, whole or not at all; the same arrays give the same bytes. InputError if that is impossible."""

    def write(stream: IO[bytes]) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)

    write_whole(path, write, "results")
