# SPDX-License-Identifier: Apache-2.0
"""Completion counts of the three queues, and when the waits of a command are over."""

from __future__ import annotations

from esl_ref.machine.knowledge import wait_target
from esl_ref.machine.timing.kernel import Kernel
from esl_ref.program.commands import QUEUES, Command

__all__ = ["Counts"]


class Counts:
    """When each count reached n: `since[queue][n]` is the first cycle in which that is visible."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.since: tuple[list[int], ...] = tuple([0] for _ in QUEUES)

    def complete(self, queue: int, visible: int) -> None:
        """One more command of `queue` is complete; its count changes so that it is visible in cycle `visible`."""
        self._kernel.at(visible, lambda: self.since[queue].append(visible))

    def over(self, targets: tuple[int, int, int]) -> list[int] | None:
        """First cycle in which each target is reached; None while one of them is not known yet."""
        loads, stores, computes = self.since  # looked at for every event: no loop
        load, store, compute = targets
        if load >= len(loads) or store >= len(stores) or compute >= len(computes):
            return None
        return [loads[load], stores[store], computes[compute]]

    @staticmethod
    def targets(command: Command, before: tuple[int, int, int]) -> tuple[int, int, int]:
        """Counts a command waits for, 0 where it does not, given how many commands of each queue precede it."""
        values = [
            (wait_target(command[f"wait_{name}"], count) or 0) if command[f"need_{name}"] else 0
            for name, count in zip(QUEUES, before, strict=True)
        ]
        return (values[0], values[1], values[2])
