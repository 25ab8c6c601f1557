# SPDX-License-Identifier: Apache-2.0
"""Darknet configuration files read into layers, with Darknet's defaults and geometry.

Layers are read one after another; each knows the shape of the one before it and may name any earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.darknet import parse_heads, parse_moves, parse_sums
from esl_ref.frontends.darknet.context import MOST_ELEMENTS, MOST_LAYERS, MOST_SIDE, Context
from esl_ref.frontends.darknet.keys import ALIASES, KINDS, check_keys, training_keys
from esl_ref.frontends.darknet.layers import Convolutional, Layer, Network, Shape
from esl_ref.frontends.darknet.sections import Section, read_sections

__all__ = ["read_network"]

_RECURRENT = frozenset({"rnn", "gru", "lstm", "crnn", "conv_lstm"})
_KNOWN_ELSEWHERE = frozenset({
    "deconv", "deconvolutional", "lrn", "normalization", "batchnorm", "l2norm", "iseg", "local_avg", "local_avgpool",
    "reorg3d", "Gaussian_yolo", "contrastive", "empty", "silence", "implicit_add", "implicit_mul",
})  # fmt: skip
"""Layers that Darknet or its forks have and no stock network on images uses."""

_READERS: dict[str, Callable[[Section, Context], Layer]] = {
    "convolutional": parse_sums.convolutional,
    "connected": parse_sums.connected,
    "local": parse_sums.local,
    "maxpool": parse_sums.maxpool,
    "avgpool": parse_sums.avgpool,
    "route": parse_moves.route,
    "shortcut": parse_moves.shortcut,
    "upsample": parse_moves.upsample,
    "reorg": parse_moves.reorg,
    "crop": parse_moves.crop,
    "scale_channels": parse_moves.scale,
    "sam": parse_moves.scale,
    "softmax": parse_heads.softmax,
    "activation": parse_sums.activation,
    "logistic": parse_sums.logistic,
    "dropout": parse_moves.passed,
    "cost": parse_moves.passed,
    "yolo": parse_heads.yolo,
    "region": parse_heads.region,
    "detection": parse_heads.detection,
}


def read_network(path: Path) -> Network:
    """The layers of a configuration file.

    ModelError for what is malformed, UnsupportedError for recurrent and unknown layers; both name file, section and
    line.
    """
    blocks, notes = read_sections(path)
    if not blocks or _kind(blocks[0]) != "net":
        raise ModelError("does not begin with [net]", where=str(path))
    shape = _input(blocks[0])
    if len(blocks) == 1:
        raise ModelError("has no layers", where=str(path))
    if len(blocks) > MOST_LAYERS:
        raise UnsupportedError(f"has {len(blocks) - 1:,} layers, at most {MOST_LAYERS:,} are read", where=str(path))
    context = Context(shape, [])
    for block in blocks[1:]:
        layer = _READERS[_kind(block)](block, context)
        context.layers.append(_bounded(layer))
    remarks = (*notes, *_ignored(blocks), *_contested(context.layers))
    return Network(path.stem, str(path), shape, tuple(context.layers), remarks)


def _kind(section: Section) -> str:
    kind = ALIASES.get(section.kind, section.kind)
    if kind in _RECURRENT:
        raise UnsupportedError("recurrent layers are not supported", where=section.where)
    if kind not in KINDS:
        what = "is not supported" if kind in _KNOWN_ELSEWHERE else "is unknown"
        raise UnsupportedError(f"layer '{kind[:40]}' {what}", where=section.where,
                               hint=f"supported are {', '.join(sorted(KINDS - {'net'}))}")  # fmt: skip
    check_keys(section, kind)
    return kind


def _input(net: Section) -> Shape:
    for key in ("height", "width", "channels"):
        if key not in net.options:
            raise UnsupportedError(f"[net] has no {key}: not a network on images", where=net.where)
    shape = (net.number("height", low=1), net.number("width", low=1), net.number("channels", low=1))
    elements = shape[0] * shape[1] * shape[2]
    _check_size("an input", shape, net.where)
    if net.number("inputs", elements) != elements:
        raise ModelError(f"inputs = {net.number('inputs')}, but height x width x channels = {elements}",
                         where=net.place("inputs"))  # fmt: skip
    return shape


def _bounded(layer: Layer) -> Layer:
    """The layer, unless it is absurdly large: a damaged number must not fill the memory."""
    _check_size("an output", layer.shape, layer.where)
    floats = sum(count for _, count in layer.records)
    if floats > MOST_ELEMENTS:
        raise UnsupportedError(f"{floats:,} weights are too many for one layer", where=layer.where,
                               hint=f"at most {MOST_ELEMENTS:,}")  # fmt: skip
    return layer


def _check_size(what: str, shape: Shape, where: str) -> None:
    elements = shape[0] * shape[1] * shape[2]
    if elements > MOST_ELEMENTS:
        raise UnsupportedError(f"{what} of {elements:,} elements is too large", where=where,
                               hint=f"at most {MOST_ELEMENTS:,}")  # fmt: skip
    if max(shape[:2]) > MOST_SIDE:
        raise UnsupportedError(f"{what} of {shape[0]} x {shape[1]} is too large", where=where,
                               hint=f"at most {MOST_SIDE:,} rows and columns")  # fmt: skip


def _ignored(blocks: list[Section]) -> list[str]:
    """One note per kind of section with the keys that inference does not read."""
    found: dict[str, dict[str, None]] = {}
    for block in blocks:
        for key in training_keys(block, ALIASES.get(block.kind, block.kind)):
            found.setdefault(block.kind, {})[key] = None
    return [f"[{kind}]: not read in inference: {', '.join(keys)}" for kind, keys in found.items()]


def _contested(layers: list[Layer]) -> list[str]:
    """Layers that the first Darknet computes otherwise than their geometry says, by taking its input as it lies."""
    found = [
        str(layer.index) for layer in layers
        if isinstance(layer, Convolutional) and layer.size == 1 and (layer.stride != (1, 1) or layer.pad)
    ]  # fmt: skip
    if not found:
        return []
    layers_said = f"layer{'s' * (len(found) > 1)} {', '.join(found)}"
    return [f"1 x 1 kernels with stride or padding in {layers_said}: computed as such, as newer versions of Darknet "
            "do; the first one, which Debian has, reads other elements"]  # fmt: skip
