# SPDX-License-Identifier: Apache-2.0
"""Weights that make up for the rounding before them.

The float and the quantised network run side by side, operator by operator, on the calibration data. By the time a layer
is quantised its inputs carry the noise of everything before it, and what of its output's error depends on those inputs
can be taken out again: a least squares fit of the error on the noisy inputs is added to weights and bias. It is the
reconstruction of each layer from already quantised inputs of Nagel et al. ("Up or Down? Adaptive Rounding for
Post-Training Quantization", arXiv 2004.10568, section 3.3), solved for real weights, which are rounded afterwards.

A fit of many weights on few samples would learn the noise of these. It is therefore drawn towards the layer's own
weights by ridge regression, group by group as strongly as gives the least error on samples that were left out, and not
made at all where nothing helps; the mean of the error always leaves through the bias.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from esl_ref.floating.executor import check_inputs, last_uses, values_of
from esl_ref.floating.graph import Conv, Dense, FloatGraph, FloatOp, Parameter
from esl_ref.floating.kernels import apply
from esl_ref.floating.kernels_window import FloatArray, columns
from esl_ref.quantiser.calibrate import Progress, Sample
from esl_ref.quantiser.data import CalibrationSet
from esl_ref.quantiser.ranges import TensorScale
from esl_ref.quantiser.weights import LayerWeights, quantise_layer

__all__ = ["compensate", "fit"]

_ROOM = 1 << 29
"""Bytes that the tensors of both networks may take: as many samples as fit are gone through, at least one."""
_PLACES = 2048
"""Output places of a map that are looked at, on a grid: neighbours say nearly the same."""
_MOST = 512
"""Weights of an output channel above which only means are corrected: the fit takes the cube of their number."""
_FOLDS = 4
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Strengths of the pull towards the layer's own weights, beside inputs brought to a variance of 1."""

_STILL = 1e-6
"""Variance of an input, as a share of its energy, below which it is taken for a constant."""

Values = dict[str, FloatArray]


@dataclass(frozen=True)
class _Moments:
    """Sums over places, for each of G groups: inputs [G, K], errors [G, U], and their products."""

    count: int
    ifm: FloatArray
    error: FloatArray
    ifm_ifm: FloatArray
    ifm_error: FloatArray
    error_error: FloatArray

    @classmethod
    def of(cls, ifm: FloatArray, error: FloatArray) -> _Moments:
        """Of inputs [G, places, K] and errors [G, places, U]."""
        turned = ifm.transpose(0, 2, 1)
        return cls(ifm.shape[1], ifm.sum(axis=1), error.sum(axis=1), turned @ ifm, turned @ error,
                   np.square(error).sum(axis=1))  # fmt: skip

    def plus(self, other: _Moments, sign: int = 1) -> _Moments:
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))
        return _Moments(*(a + sign * b for a, b in pairs))

    def left(self, weight: FloatArray, bias: FloatArray) -> FloatArray:
        """Energy [G] that is left of the errors after `ifm @ weight + bias` is taken off."""
        left = self.error_error - 2 * (self.ifm_error * weight).sum(axis=1) - 2 * self.error * bias
        left += ((self.ifm_ifm @ weight) * weight).sum(axis=1) + self.count * bias**2
        left += 2 * (self.ifm[:, None] @ weight)[:, 0] * bias
        return np.asarray(left.sum(axis=1))


def _solutions(m: _Moments) -> Iterator[tuple[FloatArray, FloatArray]]:
    """(weight [G, K, U], bias [G, U]) of the fit with each strength, and last of all the mean alone."""
    ifm, error = m.ifm / m.count, m.error / m.count
    covariance = m.ifm_ifm / m.count - ifm[:, :, None] * ifm[:, None]
    # An input that hardly changes says nothing; what is left of its variance are the last bits of sums.
    squares = np.einsum("gkk->gk", m.ifm_ifm) / m.count
    spread = np.sqrt(np.maximum(np.einsum("gkk->gk", covariance), _STILL * squares))
    spread[spread == 0] = 1.0
    # Ridge regression for all strengths from one decomposition.
    values, vectors = np.linalg.eigh(covariance / (spread[:, :, None] * spread[:, None]))
    cross = (m.ifm_error / m.count - ifm[:, :, None] * error[:, None]) / spread[:, :, None]
    turned = vectors.transpose(0, 2, 1) @ cross
    for ridge in _RIDGES:
        weight = vectors @ (turned / (np.maximum(values, 0) + ridge)[:, :, None]) / spread[:, :, None]
        yield weight, error - (ifm[:, None] @ weight)[:, 0]
    yield np.zeros_like(cross), error


def fit(folds: Sequence[_Moments]) -> tuple[FloatArray, FloatArray]:
    """(weight [G, K, U], bias [G, U]) whose `ifm @ weight + bias` is the error, each group with the strength that does
    best on folds that it was not made from."""
    total = folds[0]
    for fold in folds[1:]:
        total = total.plus(fold)
    left = np.zeros((len(_RIDGES) + 1, len(total.error)))
    for fold in folds:
        for index, solution in enumerate(_solutions(total.plus(fold, -1))):
            left[index] += fold.left(*solution)
    best = left.argmin(axis=0)
    weight, bias = np.zeros_like(total.ifm_error), np.zeros_like(total.error)
    for index, (w, b) in enumerate(_solutions(total)):
        weight[best == index], bias[best == index] = w[best == index], b[best == index]
    return weight, bias


def _places(op: Conv, ifm: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Inputs of an output channel at places on a grid: [groups, places, taps * channels]."""
    _, kh, kw, depth = op.weight.shape
    p, (_, oh, ow, _) = op.padding, shape
    step = max(1, int(np.ceil(np.sqrt(oh * ow / _PLACES))))
    grid = (-(-oh // step), -(-ow // step))
    padded = np.pad(ifm, ((0, 0), (p.top, p.bottom), (p.left, p.right), (0, 0)))
    stride = (op.stride[0] * step, op.stride[1] * step)
    taps = columns(padded, (kh, kw), grid, stride, op.dilation).reshape(-1, kh * kw, op.groups, depth)
    return taps.transpose(2, 0, 1, 3).reshape(op.groups, -1, kh * kw * depth)


def _moments(op: Conv, weight: FloatArray, pair: tuple[FloatArray, FloatArray], shape: tuple[int, ...]) -> _Moments:
    """Of the error that the noise of the input makes, `pair` being the input without and with it."""
    clean, noisy = (_places(op, ifm, shape) for ifm in pair)
    rows = weight.reshape(op.groups, -1, clean.shape[2])
    return _Moments.of(noisy, (clean - noisy) @ rows.transpose(0, 2, 1))


def _folds(moments: Sequence[_Moments]) -> list[_Moments]:
    """Neighbouring samples together, which may be parts of one picture."""
    parts = np.array_split(np.arange(len(moments)), min(_FOLDS, len(moments)))
    found = []
    for part in parts:
        total = moments[part[0]]
        for index in part[1:]:
            total = total.plus(moments[index])
        found.append(total)
    return found


@dataclass
class _Twin:
    """A sample in both networks: tensors that are still to be read, by name."""

    clean: Values
    noisy: Values


def _mean(values: Sequence[FloatArray], op: Conv | Dense) -> FloatArray:
    """Mean of what each weight of an output channel meets."""
    depth = op.weight.shape[1] if isinstance(op, Dense) else values[0].shape[-1]
    return np.asarray(np.mean([value.reshape(-1, depth).mean(axis=0) for value in values], axis=0))


def _adjusted(op: Conv | Dense, twins: Sequence[_Twin], shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Real weights and biases that make up for the noise of the layer's input."""
    name = op.inputs[0]
    weight = values_of(op.weight, f"layer '{op.name}', weight").astype(np.float64)
    bias = values_of(op.bias, f"layer '{op.name}', bias").astype(np.float64)
    if len(twins) > 1 and isinstance(op, Conv) and weight[0].size <= _MOST:
        moments = [_moments(op, weight, (twin.clean[name], twin.noisy[name]), shape) for twin in twins]
        change, shift = fit(_folds(moments))
        return weight + change.transpose(0, 2, 1).reshape(weight.shape), bias + shift.ravel()
    noise = _mean([twin.clean[name] for twin in twins], op) - _mean([twin.noisy[name] for twin in twins], op)
    groups = op.groups if isinstance(op, Conv) else 1
    sums = weight.reshape(groups, len(weight) // groups, -1, weight.shape[-1]).sum(axis=2)
    return weight, bias + np.einsum("gui,gi->gu", sums, noise.reshape(groups, -1)).ravel()


def _integer_layer(op: Conv | Dense, twins: Sequence[_Twin], scale: float, shape: tuple[int, ...]) -> LayerWeights:
    weight, bias = _adjusted(op, twins, shape)
    mean = _mean([twin.noisy[op.inputs[0]] for twin in twins], op)
    return quantise_layer(weight, bias, scale, per_channel=isinstance(op, Conv), mean=mean)


def _with_integers(op: Conv | Dense, layer: LayerWeights) -> FloatOp:
    """The operator with the real numbers that its integers stand for."""
    per_unit = layer.scale.astype(np.float64).reshape(-1, *[1] * (layer.weight.ndim - 1))
    return dataclasses.replace(op, weight=Parameter.of(layer.weight * per_unit),
                               bias=Parameter.of(layer.bias * layer.bias_scale.astype(np.float64)))  # fmt: skip


def _live_bytes(graph: FloatGraph) -> int:
    """Most bytes of tensors that one sample has in both networks at a time, in float64."""
    last, live, most = last_uses(graph), 0, 0
    sizes = {name: int(np.prod(shape)) for name, shape in graph.shapes.items()}
    for index, op in enumerate(graph.ops):
        live += sizes[op.output]
        most = max(most, live)
        live -= sum(sizes[name] for name in {*op.inputs, op.output} if last.get(name) == index)
    return 2 * 8 * (most + sum(sizes[name] for name in graph.inputs))


def _start(graph: FloatGraph, scales: Mapping[str, TensorScale], sample: Sample) -> _Twin:
    clean = check_inputs(graph, sample, np.float64)
    return _Twin(clean, {name: _rounded(value, scales[name]) for name, value in clean.items()})


def _rounded(value: FloatArray, scale: TensorScale) -> FloatArray:
    return scale.real(scale.quantise(value))


def _step(graph: FloatGraph, scales: Mapping[str, TensorScale], ops: tuple[FloatOp, FloatOp], twin: _Twin) -> None:
    """Run the operator in both networks."""
    clean, noisy = ops
    constants = {name: values_of(graph.constants[name], name).astype(np.float64) for name in clean.inputs
                 if name in graph.constants}  # fmt: skip
    rounded = {name: _rounded(value, scales[name]) for name, value in constants.items()}
    shape = graph.shapes[clean.output]
    twin.clean[clean.output] = apply(clean, [(constants | twin.clean)[name] for name in clean.inputs], shape)
    ofm = apply(noisy, [(rounded | twin.noisy)[name] for name in noisy.inputs], shape)
    twin.noisy[noisy.output] = _rounded(ofm, scales[noisy.output])


def compensate(
    graph: FloatGraph, scales: Mapping[str, TensorScale], data: CalibrationSet, progress: Progress | None = None
) -> dict[str, LayerWeights]:
    """Integer weights of every convolution and dense layer of a prepared graph, by layer name; `scales` are those of
    all tensors. `progress` is called as often as there are samples."""
    twins = [_start(graph, scales, sample) for sample in data.some(max(1, _ROOM // _live_bytes(graph)))]
    last, found, told = last_uses(graph), {}, 0
    for index, op in enumerate(graph.ops):
        noisy: FloatOp = op
        if isinstance(op, Conv | Dense):
            found[op.name] = _integer_layer(op, twins, scales[op.inputs[0]].scale, graph.shapes[op.output])
            noisy = _with_integers(op, found[op.name])
        for twin in twins:
            _step(graph, scales, (op, noisy), twin)
            for name in {*op.inputs, op.output}:
                if last.get(name) == index:
                    twin.clean.pop(name, None)
                    twin.noisy.pop(name, None)
        while progress and told * len(graph.ops) < (index + 1) * len(data):
            progress()
            told += 1
    return found
