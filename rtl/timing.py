# SPDX-License-Identifier: Apache-2.0
"""Latencies of the datapath units: what the issuer needs to align control with data.

The latency of a unit is the number of cycles from the one in which its inputs are valid to the one in which its
outputs are. All units are free-flowing: nothing stalls, the issuer keeps the distances.
"""

from __future__ import annotations

from esl_ref.arch import Arch

__all__ = [
    "ACCUMULATE_LATENCY", "CLAMP_STAGES", "ELTWISE_LATENCY", "LINE_AHEAD", "POOL_LATENCY", "REQUANTISE_LATENCY",
    "SLOT_GAP", "TREE_STAGES",
    "WINDOW_LATENCY", "done_latency", "header_gap", "mac_latency", "post_latency",
]  # fmt: skip

LINE_AHEAD = 1
"""Cycles by which `Window.line_read` comes before the `shift` that uses the column read."""

WINDOW_LATENCY = 1
"""From `Window.shift` to the taps that contain the column: the vector reaches the window one cycle before the array."""

ELTWISE_LATENCY = 6
"""Own latency of `EltwiseUnit`: difference, product, first rounding, nudge, shift, sum."""

POOL_LATENCY = 1
"""Own latency of `PoolUnit`: the accumulator."""

ACCUMULATE_LATENCY = 1
"""Of `Accumulate`: the sum with a slot."""

SLOT_GAP = 3
"""Least distance from a result that goes into an accumulator slot to one that is added to a slot."""

TREE_STAGES = 3
"""Register stages of the adder tree: at most two levels each up to 64 lanes, and the array as long as `EltwiseUnit`."""

REQUANTISE_LATENCY = 9
"""Of `Requantiser`, in every profile."""

CLAMP_STAGES = 4
"""After the requantiser: zero point, clamp, table read, table byte."""


def mac_latency(arch: Arch) -> int:
    """From a result's last operands to `acc`: operands, products, tree, sum. Pool and eltwise are padded to it."""
    return 2 + TREE_STAGES + 1


def post_latency(arch: Arch) -> int:
    """From `PostProcessor.valid` to `write_valid` of the first slice; slice k follows k cycles later."""
    select = 1 if arch.post_interval > 1 else 0
    return 1 + select + REQUANTISE_LATENCY + CLAMP_STAGES


def done_latency(arch: Arch) -> int:
    """From `PostProcessor.valid` with `last` to `done`, which comes in the cycle of the result's last slice."""
    return post_latency(arch) + arch.post_interval - 1


def header_gap(arch: Arch) -> int:
    """Least distance from the last operands of a group's first result to the next write of requantisation records.

    The records are taken over in the cycle in which that result reaches the post-processor; a write in the same cycle
    is seen one cycle later.
    """
    return mac_latency(arch) + ACCUMULATE_LATENCY
