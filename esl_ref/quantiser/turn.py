# SPDX-License-Identifier: Apache-2.0
"""Channels that are never positive before a leaky activation are turned round: multiplied by minus its slope.

A leaky activation of slope a gives a x for x < 0, and leaves x > 0 as it is. A channel that is always negative may
therefore have its weights and bias multiplied by -a: the activation passes -a x on unchanged, and weights of the other
sign behind it make it a x again. Before the activation, whose input is rounded to one scale for all channels, the
channel then takes a share a of the room, and on the side of the others; with a = 0.1 its steps are ten times finer.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from esl_ref.floating.activation import Function
from esl_ref.floating.graph import Activate, FloatGraph, MaxPool
from esl_ref.quantiser.calibrate import Statistics
from esl_ref.quantiser.chains import Chain, chains, rescaled

__all__ = ["turn"]

_LEAST_PIXELS = 1000
"""Places that a channel must have been seen at: of fewer, never says little about the next input."""
_BELOW = 1 / 256
"""How far below 0 its largest value must be, beside its least: sums whose last bits differ must not decide."""


def _slope(chain: Chain) -> float:
    """Of the leaky activation that is all that lies between but for what works on either sign; 0 if it is not so."""
    activation, *rest = chain.between or (None,)
    if not isinstance(activation, Activate) or activation.activation.function is not Function.LEAKY:
        return 0.0
    # The largest of a window of turned values would be the least.
    return 0.0 if any(isinstance(op, Activate | MaxPool) for op in rest) else activation.activation.alpha


def turn(graph: FloatGraph, statistics: Statistics) -> tuple[FloatGraph, Statistics]:
    """The same function on inputs like those that were seen, and the statistics per channel that it has then (not the
    histograms). `graph` is prepared."""
    changed, found = {op.name: op for op in graph.ops}, dict(statistics)
    for chain in chains(graph):
        before, slope = statistics[chain.first.output], _slope(chain)
        low, high = before.bounds
        negative = (low < 0) & (high <= _BELOW * low)
        if slope <= 0 or before.pixels < _LEAST_PIXELS or not negative.any():
            continue
        rescaled(changed, chain, np.where(negative, -1 / slope, 1.0), np.where(negative, -1.0, 1.0))
        found[chain.first.output] = before.scaled(np.where(negative, -slope, 1.0))
        found |= {op.output: statistics[op.output].scaled(np.where(negative, -1.0, 1.0)) for op in chain.between}
    return dataclasses.replace(graph, ops=tuple(changed[op.name] for op in graph.ops)), found
