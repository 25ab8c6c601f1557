# SPDX-License-Identifier: Apache-2.0
"""The one interface to everything that executes Programs: the ESL machine and the RTL run the same jobs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from esl_ref.program.image import PROFILE_RECORD, Bases, Program, default_bases
from esl_ref.registers import COUNTERS
from sim.runner import BusMemory

__all__ = ["FILL", "Backend", "Job", "JobResult", "Record", "counter_names", "read_records"]

Array = npt.NDArray[Any]

FILL = 0xA5
"""Memory that the Program does not define starts with this, so that forgotten stores show."""


@dataclass(frozen=True)
class Job:
    """One run of one Program, from doorbell to done.

    inputs   tensors by name, one for every input surface
    profile  whether stamped commands write their records
    flips    offsets in the constants of bytes to invert in this executor's copy only: planted faults
    patches  address in external memory -> bytes that lie there instead: corrupt Programs
    """

    label: str
    program: Program
    inputs: Mapping[str, Array]
    memory: BusMemory = field(default_factory=BusMemory)
    profile: bool = False
    flips: tuple[int, ...] = ()
    patches: Mapping[int, bytes] = field(default_factory=dict)

    def bases(self) -> Bases:
        """Where everything lies; records are off unless asked for."""
        placed = default_bases(self.program)
        return placed if self.profile else Bases(placed.commands, placed.base, placed.size, 0)

    def image(self) -> bytearray:
        """External memory before the doorbell."""
        bases = self.bases()
        memory = self.program.memory_image(self.inputs, bases, FILL)
        for offset in self.flips:
            memory[bases.base[0] + offset] ^= 0xFF
        for address, raw in self.patches.items():
            memory[address : address + len(raw)] = raw
        return memory


@dataclass(frozen=True)
class Record:
    """Counters as they stood when command `index`, of layer `tag`, was complete."""

    index: int
    tag: int
    counters: Mapping[str, int]


@dataclass(frozen=True)
class JobResult:
    """What a job left behind. `failure` is '' or why there are no results; `error` is ERROR_CODE and ERROR_INDEX if the
    engine stopped with one; `seconds` is the executor's own time."""

    label: str
    tensors: Mapping[str, Array] = field(default_factory=dict)
    cycles: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    seconds: float = 0.0
    failure: str = ""
    error: tuple[int, int] | None = None


class Backend(Protocol):
    """An executor of Programs. Jobs run one after another without reset in between."""

    name: str

    def run(self, jobs: Sequence[Job]) -> list[JobResult]:
        """One result per job, in order."""
        ...


def counter_names() -> tuple[str, ...]:
    """Counters in the order of registers and records."""
    return tuple(name for name, _ in COUNTERS)


def read_records(program: Program, memory: bytes | bytearray, bases: Bases) -> tuple[Record, ...]:
    """The profile records of a finished run, in order of completion."""
    if not bases.profile:
        return ()
    records = []
    for number in range(program.stamped()):
        index, tag, *values = struct.unpack_from("<16I", memory, bases.profile + PROFILE_RECORD * number)
        records.append(Record(index, tag, dict(zip(counter_names(), values, strict=True))))
    return tuple(records)


def as_image(memory: bytearray) -> npt.NDArray[np.uint8]:
    """External memory as the runner takes it."""
    return np.frombuffer(bytes(memory), np.uint8)
