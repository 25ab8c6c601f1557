# SPDX-License-Identifier: Apache-2.0
"""Which commands are known to be complete when a command starts: from its waits alone, whatever the timing.

Every queue completes in order, so knowledge is three counts. A command knows what its own queue's previous command
knew when that started, what its waits say, and what each command known complete knew when it started.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from esl_ref.machine.faults import CommandHazard
from esl_ref.program.commands import QUEUES, Command, queue_of

__all__ = ["CONTROL", "Knowledge", "wait_target"]

CONTROL = 3
"""Queue number of HEADER and END."""

Counts = tuple[int, int, int]


def wait_target(wait: int, before: int) -> int | None:
    """The count a 16-bit `wait` means with `before` commands of that queue ahead of it in the stream.

    None if it is never reached by those: `(count - wait) mod 2**16 < 2**15` stays false.
    """
    behind = (before - wait) & 0xFFFF
    return max(before - behind, 0) if behind < 1 << 15 else None


def _join(a: Counts, b: Counts) -> Counts:
    return (max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2]))


@dataclass
class Knowledge:
    """Queue, number within the queue (1, 2, ...) and known counts of every command of a stream, built in order."""

    queue: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    issued: list[int] = field(default_factory=lambda: [0, 0, 0])
    # At a queue's n-th command (n from 1): the counts known when it started. Entry 0 is the doorbell.
    at_start: tuple[list[Counts], ...] = field(default_factory=lambda: tuple([(0, 0, 0)] for _ in QUEUES))

    def add(self, index: int, command: Command, where: str) -> Counts:
        """Counts known complete when `command` starts. CommandHazard if it waits for a command after itself."""
        kind = queue_of(command.opcode)
        queue = CONTROL if kind == "control" else QUEUES.index(kind)
        known = self.at_start[queue][-1] if queue != CONTROL else (0, 0, 0)
        for other, name in enumerate(QUEUES):
            if command[f"need_{name}"]:
                target = wait_target(command[f"wait_{name}"], self.issued[other])
                if target is None:
                    raise CommandHazard(
                        index,
                        f"waits for {name} {command[f'wait_{name}']} but only {self.issued[other]} come before it",
                        where=where,
                        hint="a command may wait only for commands before it in the stream",
                    )
                known = _join(known, (target, 0, 0) if other == 0 else (0, target, 0) if other == 1 else (0, 0, target))
        for other, count in enumerate(known):
            known = _join(known, self.at_start[other][count])
        self._record(queue, known)
        return known

    def _record(self, queue: int, known: Counts) -> None:
        self.queue.append(queue)
        if queue == CONTROL:
            self.number.append(0)
            return
        self.issued[queue] += 1
        self.number.append(self.issued[queue])
        self.at_start[queue].append(known)

    def complete(self, known: Counts) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For every command so far: is it complete by these counts? HEADER is."""
        limits = np.array((*known, 0), np.int64)
        return np.asarray(self.number, np.int64) <= limits[np.asarray(self.queue, np.int64)]
