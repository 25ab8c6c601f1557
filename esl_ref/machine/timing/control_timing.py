# SPDX-License-Identifier: Apache-2.0
"""Cycles and depths of everything around the compute engine (whose own are `machine.timing_constants`).

A time is the number of a cycle, 0 being the first in which the Program runs. "Visible at t" means that a register has
the new value in cycle t, so that what depends on it can happen in t.
"""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.arch import Arch
from esl_ref.program.fields import COMMAND_BYTES
from esl_ref.program.image import PROFILE_RECORD

__all__ = ["PAGE_BYTES", "ControlTiming", "MemoryTiming"]

PAGE_BYTES = 4096
"""No AXI4 burst crosses a boundary of this many bytes."""


@dataclass(frozen=True)
class MemoryTiming:
    """External memory: `latency` cycles from address to first beat and from last write beat to response (at least 2);
    one beat per `1 + gap` cycles and direction."""

    latency: int = 32
    gap: int = 0

    @property
    def delay(self) -> int:
        """The latency, of which no memory has less than two cycles."""
        return max(self.latency, 2)


@dataclass(frozen=True)
class ControlTiming:
    """Fetch, queues, loader, storer and records of one architecture.

    splitter        from a transfer's acceptance to its first burst being taken
    address         from a burst being taken to its address on the bus
    word_to_head    from the last word of a command to the command at the head of its empty queue
    ram_words       bus words of a command, which leave the queue's RAM one per cycle
    take_to_ask     from a load or store leaving its queue to its request
    loads_ahead     loads asked for whose predecessor's data still arrives
    unpack_bytes    bytes of loads held before they are taken apart
    aligner         from taking a piece out of those to placing it, at best; so many are on their way
    held            commands of one queue taken and not complete
    stores_ahead    stores awaiting their response
    read_to_beat    from a store's read of a vector to its first beat moving into the write channel
    vectors         vectors a store reads ahead
    record_beats    bus beats of a profile record
    """

    splitter: int
    address: int
    word_to_head: int
    ram_words: int
    take_to_ask: int
    loads_ahead: int
    unpack_bytes: int
    aligner: int
    held: int
    stores_ahead: int
    read_to_beat: int
    vectors: int
    record_beats: int

    @classmethod
    def of(cls, arch: Arch, store_read: int) -> ControlTiming:
        """`store_read` as in EngineTiming."""
        beats, words = max(1, arch.lanes // arch.axi_bytes), COMMAND_BYTES // arch.axi_bytes
        return cls(
            splitter=1, address=1, word_to_head=3, ram_words=words, take_to_ask=2,
            loads_ahead=2, aligner=2, unpack_bytes=2 * max(arch.lanes, arch.axi_bytes),
            held=6, stores_ahead=4, read_to_beat=store_read + 1,
            vectors=-(-(store_read + 1) // beats) + 1, record_beats=PROFILE_RECORD // arch.axi_bytes,
        )  # fmt: skip
