# SPDX-License-Identifier: Apache-2.0
"""On-chip bytes of a co-simulated network: four accountings, beside the arena and its lower bound."""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.compiler.accounts import sram_bytes
from esl_ref.compiler.model import Compiled

__all__ = ["SramAccount", "account"]


@dataclass(frozen=True)
class SramAccount:
    """Bytes.

    tensors       arena without the network's inputs
    with_input    the arena as planned, network inputs included
    with_scratch  every memory the plan asks for: arena rounded to bank words, weights, line buffers, tables, queues
    rtl_memories  what the memories in the generated Verilog hold (counted there; without RTL, by the architecture)
    bound         liveness lower bound of the arena
    peak          buffers alive where the bound is reached
    """

    tensors: int
    with_input: int
    with_scratch: int
    rtl_memories: int
    bound: int
    peak: tuple[str, ...]

    def four(self) -> dict[str, int]:
        """The four accountings, by name."""
        names = ("tensors", "with_input", "with_scratch", "rtl_memories")
        return {name: getattr(self, name) for name in names}


def account(compiled: Compiled, counted: int | None) -> SramAccount:
    """Accounts of a compiled network; the largest segment decides. `counted`: bytes of the memories in the Verilog."""
    largest = max(compiled.programs, key=lambda step: step.plan.height)
    four = sram_bytes(compiled)
    if counted is not None:
        four["rtl_memories"] = counted
    bound = max(step.plan.bound for step in compiled.programs)
    return SramAccount(**four, bound=bound, peak=tuple(largest.plan.peak))
