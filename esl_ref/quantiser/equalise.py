# SPDX-License-Identifier: Apache-2.0
"""Cross-layer range equalisation (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", arXiv 1906.04721, section 4.1), for per-channel weights.

Between a convolution and the convolutions that read it, every channel may be divided by a factor of its own and
multiplied by it again later, where all that lies between is positively homogeneous: f(s x) = s f(x) for s > 0. The
paper evens out weights; with a weight scale per output channel only the tensor between has one scale for all channels,
so here the factors even out the tensor, measured on calibration data, as far as the weights that read it bear.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from esl_ref.floating.executor import values_of
from esl_ref.floating.graph import Conv, FloatGraph
from esl_ref.floating.kernels_window import FloatArray
from esl_ref.quantiser.calibrate import Statistics
from esl_ref.quantiser.chains import Chain, chains, rescaled
from esl_ref.quantiser.histogram import TensorStatistics

__all__ = ["equalise"]

_LARGEST = 64.0
"""Factors stay within 1/64 .. 64 of their mean: what is further away is better left to clip than to trust."""
_BITS = 8
_FAINT = 0.01
_BELOW = (1.0, 0.5, 0.25, 0.1)
"""What negative values count beside positive ones in a channel's range."""
_POWERS = (0.25, 0.5, 0.75, 1.0)
_GAIN = 0.8
"""Expected noise must fall to this share for a tensor to be touched: the estimate is no better than that."""


@dataclass(frozen=True)
class _Reader:
    """Weights of a convolution, and the mean energy of its output channels."""

    weight: FloatArray
    energy: FloatArray


def _reader(op: Conv, statistics: Statistics) -> _Reader:
    energy = statistics[op.output].mean_square
    # A channel that hardly ever says anything shall not decide.
    return _Reader(_weights(op), energy + _FAINT * energy.mean() + np.finfo(np.float64).tiny)


def _weights(op: Conv) -> FloatArray:
    """Weights by input channel that they meet: [groups, units per group, taps, channels per group], float64."""
    units, kh, kw, depth = op.weight.shape
    weight = values_of(op.weight, f"layer '{op.name}', weight").astype(np.float64)
    return weight.reshape(op.groups, units // op.groups, kh * kw, depth)


def _step(statistics: TensorStatistics, factors: FloatArray) -> float:
    low, high = statistics.bounds
    return float((high / factors).max(initial=0) - (low / factors).min(initial=0)) / 255


def _noise(readers: list[_Reader], rounded: list[TensorStatistics], factors: FloatArray) -> float:
    """Expected noise of the convolutions' sums, as a share of each sum's energy, when channels are divided by
    `factors`: from rounding the tensors on the way and from rounding the weights. A rounding step d makes noise of
    d^2 / 12."""
    # What of a tensor's noise is left in the last one, channel by channel: a leaky activation takes most of it away
    # where the channel is negative. The share of its energy that is left tells how much.
    tensor_noise, total = np.zeros(factors.size), 0.0
    for tensor in rounded:
        share = rounded[-1].mean_square / np.maximum(tensor.mean_square, np.finfo(np.float64).tiny)
        tensor_noise += _step(tensor, factors) ** 2 * np.minimum(share, 1.0)
    for reader in readers:
        groups, units, taps, depth = reader.weight.shape
        scaled = reader.weight * factors.reshape(groups, 1, 1, -1)
        energy = (rounded[-1].mean_square / factors**2).reshape(groups, 1, 1, -1)
        weight_noise = np.square(np.abs(scaled).max(axis=(2, 3)) / 127) * energy.sum(axis=(2, 3)) * taps
        spread = tensor_noise.reshape(groups, 1, 1, -1)
        noise = (spread * np.square(scaled)).sum(axis=(2, 3)) + weight_noise
        total += float((noise / reader.energy.reshape(groups, units)).sum())
    return total / 12


def _rounded(factors: FloatArray) -> FloatArray:
    """A few bits are enough, and do not depend on the last bits of the statistics."""
    mantissa, exponent = np.frexp(np.clip(factors, 1 / _LARGEST, _LARGEST))
    return np.asarray(np.ldexp(np.rint(mantissa * 2.0**_BITS), exponent - _BITS))


def _candidates(readers: list[_Reader], largest: FloatArray) -> Iterator[FloatArray]:
    """Powers of each channel's range, and of its range beside the weights that read it, with a mean of 1."""
    use = np.max([_use(reader.weight) for reader in readers], axis=0)
    alive = (largest > 0) & (use > 0)
    if not alive.any():
        return
    span, use = np.where(alive, largest, 1.0), np.where(alive, use, 1.0)
    for ratio in (span, span / use):
        for power in _POWERS:
            factors = ratio**power
            yield np.where(alive, _rounded(factors / np.exp(np.log(factors[alive]).mean())), 1.0)


def _use(weight: FloatArray) -> FloatArray:
    """How large the weights of every input channel are, beside the largest of their output channel."""
    share = np.abs(weight).max(axis=2)
    share /= np.maximum(share.max(axis=2, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(share.max(axis=1).ravel())


def _factors(chain: Chain, statistics: Statistics) -> FloatArray | None:
    """What to divide each channel by so that the noise is least; None if nothing is clearly better than 1."""
    readers = [_reader(op, statistics) for op in chain.last]
    rounded = [statistics[name] for name in chain.tensors]
    best, least = None, _GAIN * _noise(readers, rounded, np.ones(rounded[0].largest.size))
    low, high = rounded[0].bounds
    for weight in _BELOW:
        for factors in _candidates(readers, np.maximum(high, -weight * low)):
            noise = _noise(readers, rounded, factors)
            if noise < least:
                best, least = factors, noise
    return best


def equalise(graph: FloatGraph, statistics: Statistics) -> tuple[FloatGraph, int]:
    """(the same function with evener tensors, number of tensors evened out). `graph` is prepared."""
    changed = {op.name: op for op in graph.ops}
    count = 0
    for chain in chains(graph):
        factors = _factors(chain, statistics)
        if factors is None:
            continue
        count += 1
        rescaled(changed, chain, factors)
    return dataclasses.replace(graph, ops=tuple(changed[op.name] for op in graph.ops)), count
