# SPDX-License-Identifier: Apache-2.0
"""Timing of the machine: cycles, counters and their causes, predicted from the commands alone."""

from esl_ref.machine.timing.control_timing import MemoryTiming
from esl_ref.machine.timing.predict import LayerTiming, Timing, predict
from esl_ref.machine.timing.report import breakdown

__all__ = ["LayerTiming", "MemoryTiming", "Timing", "breakdown", "predict"]
