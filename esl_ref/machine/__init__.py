# SPDX-License-Identifier: Apache-2.0
"""The ESL machine: executes Programs on byte-accurate memories, refuses hazards, predicts cycles."""

from esl_ref.machine.executor import WriteSet
from esl_ref.machine.faults import CommandHazard, MachineFault
from esl_ref.machine.machine import Machine, Result, execute
from esl_ref.machine.memory import BusFault
from esl_ref.machine.timing import LayerTiming, MemoryTiming, Timing, predict

__all__ = [
    "BusFault",
    "CommandHazard",
    "LayerTiming",
    "Machine",
    "MachineFault",
    "MemoryTiming",
    "Result",
    "Timing",
    "WriteSet",
    "execute",
    "predict",
]
