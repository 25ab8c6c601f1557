# SPDX-License-Identifier: Apache-2.0
"""What every accumulating operator ends with: requantise, add the output zero point, clamp, narrow."""

from __future__ import annotations

import numpy as np

from esl_ref.ir import Act
from esl_ref.numerics import Requant, requantise, saturate
from esl_ref.ops.registry import Array

__all__ = ["channel", "finish", "slice_channels"]


def finish(acc: Array, requant: Requant, act: Act, dtype: np.dtype[np.generic]) -> Array:
    """clamp(requantise(acc) + zero_point, low, high): accumulators [..., channels] -> outputs of the same shape."""
    return saturate(requantise(acc, requant) + act.zero_point, act.low, act.high, dtype)


def slice_channels(requant: Requant, channels: slice) -> Requant:
    """The scales of some channels."""

    def pick(values: Array) -> Array:
        return values[channels] if values.size > 1 else values

    add = None if requant.add is None else pick(requant.add)
    return Requant(pick(requant.multiplier), pick(requant.shift), requant.profile, add)


def channel(requant: Requant, index: int) -> Requant:
    """The scale of one channel, for the loops of the naive forms."""
    return slice_channels(requant, slice(index, index + 1))
