# SPDX-License-Identifier: Apache-2.0
"""What every accumulating operator ends with: requantise, add the output zero point, clamp, narrow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from esl_ref.ir import Act
from esl_ref.numerics import Requant, requantise, saturate
from esl_ref.ops.registry import Array

__all__ = ["channel", "finish", "per_channel", "slice_channels"]


def finish(acc: Array, requant: Requant, act: Act, dtype: np.dtype[np.generic]) -> Array:
    """clamp(requantise(acc) + zero_point, low, high): accumulators [..., channels] -> outputs of the same shape."""
    return saturate(requantise(acc, requant) + act.zero_point, act.low, act.high, dtype)


def per_channel(requant: Requant, change: Callable[[Array], Array]) -> Requant:
    """The scales with `change` made to what there is one of per channel; what serves all channels stays."""

    def changed(values: Array) -> Array:
        return change(values) if values.size > 1 else values

    add = None if requant.add is None else changed(requant.add)
    return Requant(changed(requant.multiplier), changed(requant.shift), requant.profile, add)


def slice_channels(requant: Requant, channels: slice) -> Requant:
    """The scales of some channels."""
    return per_channel(requant, lambda values: values[channels])


def channel(requant: Requant, index: int) -> Requant:
    """The scale of one channel, for the loops of the naive forms."""
    return slice_channels(requant, slice(index, index + 1))
