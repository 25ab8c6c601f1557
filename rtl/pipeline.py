# SPDX-License-Identifier: Apache-2.0
"""Where in the pipeline things are: cycles counted from the issue (cycle 0). It never stalls, so these are constants.

    0        issue: walker state
    1        parts of addresses registered
    2        SRAM address
    5        bytes in order (memory, rotation in two halves)
    6        padding in place: the vector reaches the window
    7        vector, taps and weight word reach the array, the pooling or the elementwise unit
    7 + mac  accumulators leave array, pooling or elementwise unit; accumulator slots are added
    8 + mac  the sum reaches the post-processor, or goes into a slot
"""

from __future__ import annotations

from esl_ref.arch import Arch
from rtl import act_sram, address
from rtl.timing import ACCUMULATE_LATENCY, WINDOW_LATENCY, done_latency, mac_latency

__all__ = [
    "BYTES_CYCLE", "OPERAND_CYCLE", "SETUP_CYCLES", "STORE_READ_LATENCY", "VECTOR_CYCLE", "completion_latency",
    "result_cycle", "sum_cycle",
]  # fmt: skip

SETUP_CYCLES = 3
"""From the cycle in which an idle engine takes a command to that of its first issue."""

BYTES_CYCLE = address.LATENCY + act_sram.READ_LATENCY
VECTOR_CYCLE = BYTES_CYCLE + 1
OPERAND_CYCLE = VECTOR_CYCLE + WINDOW_LATENCY

STORE_READ_LATENCY = BYTES_CYCLE
"""From `Engine.read_valid` to `read_data_valid`."""


def sum_cycle(arch: Arch) -> int:
    """The accumulators of a result leave their unit."""
    return OPERAND_CYCLE + mac_latency(arch)


def result_cycle(arch: Arch) -> int:
    """The accumulators of a result, slot added, reach the post-processor."""
    return sum_cycle(arch) + ACCUMULATE_LATENCY


def completion_latency(arch: Arch) -> int:
    """From the last issue of a command to `Engine.completed`, the cycle in which its last bytes go to the SRAM.

    An operation issued in the next cycle would read them: SRAM writes take less time than the way to a read.
    """
    return result_cycle(arch) + done_latency(arch)
