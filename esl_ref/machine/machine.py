# SPDX-License-Identifier: Apache-2.0
"""The ESL machine: runs a Program from an image of external memory, as the accelerator does from the doorbell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.executor import Executor, OnCommand
from esl_ref.machine.faults import MachineFault
from esl_ref.machine.memory import BusError, BusFault, ExternalMemory
from esl_ref.machine.timing import MemoryTiming, Timing, predict
from esl_ref.machine.validate import check_header
from esl_ref.program.commands import Command, decode
from esl_ref.program.fields import COMMAND_BYTES, ErrorCode, Opcode
from esl_ref.program.image import Array, Bases, Program, default_bases

__all__ = ["Machine", "Result", "execute"]


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    timing       predicted cycles, counters and times of every command
    outputs      tensors by name (from `execute`; empty from `Machine.run`)
    sram_peak    activation SRAM bytes, from 0 to the highest ever written
    weight_peak  weight SRAM words, likewise
    commands     commands executed, HEADER and END included
    """

    timing: Timing
    outputs: Mapping[str, Array] = field(default_factory=dict)
    sram_peak: int = 0
    weight_peak: int = 0
    commands: int = 0

    @property
    def cycles(self) -> int:
        """Predicted cycles from doorbell to done."""
        return self.timing.cycles

    @property
    def counters(self) -> Mapping[str, int]:
        """Predicted performance counters by name."""
        return self.timing.counters


class Machine:
    """One accelerator. Nothing survives from run to run, as after a doorbell."""

    def __init__(self, arch: Arch) -> None:
        self.arch = arch

    def run(
        self,
        program: Program,
        memory: bytearray,
        bases: Bases | None = None,
        *,
        on_command: OnCommand | None = None,
        faults: Sequence[BusFault] = (),
        memory_timing: MemoryTiming | None = None,
        profiling: bool = False,
    ) -> Result:
        """Run the stream at `bases.commands` of `memory`, which is written in place.

        `program` lends names to the reports; what is executed is what lies in memory. `on_command(index, command,
        write_set)` is called after every command that writes. `memory_timing` and `profiling` are for the prediction
        only: profile records are not written. MachineFault, HazardError, ProgramError, NumericError.
        """
        bases = bases or default_bases(program)
        external = ExternalMemory(memory, faults)
        executor = Executor(self.arch, program, external, bases)
        commands: list[Command] = []
        for index, command in enumerate(self._fetch(program, external, bases)):
            commands.append(command)
            written = executor.step(index, command)
            if on_command and written:
                on_command(index, command, written)
        timing = predict(program, bases, memory_timing, profiling=profiling, commands=commands)
        return Result(timing, {}, executor.act_peak, executor.weight_peak, len(commands))

    def _fetch(self, program: Program, memory: ExternalMemory, bases: Bases) -> Iterator[Command]:
        """The commands in memory up to END; MachineFault for what the hardware would refuse."""
        index = 0
        while True:
            command = self._decode(program, memory, bases.commands + index * COMMAND_BYTES, index)
            if index == 0 and (verdict := check_header(command, self.arch)):
                raise MachineFault(verdict[0], 0, verdict[1])
            if index and command.opcode is Opcode.HEADER:
                raise MachineFault(ErrorCode.BAD_OPCODE, index, "a HEADER that is not the first command")
            yield command
            if command.opcode is Opcode.END:
                return
            index += 1

    def _decode(self, program: Program, memory: ExternalMemory, address: int, index: int) -> Command:
        try:
            raw = memory.read(address, COMMAND_BYTES)
        except BusError as error:
            raise MachineFault(ErrorCode.FETCH_BUS, index, str(error)) from error
        if index < len(program.commands) and program.commands[index].encode() == raw:
            return program.commands[index]
        try:
            return decode(raw, index)
        except ProgramError as error:
            code = ErrorCode.BAD_OPCODE if index else ErrorCode.BAD_MAGIC
            raise MachineFault(code, index, error.what) from error


def execute(
    program: Program,
    inputs: Mapping[str, Array],
    *,
    on_command: OnCommand | None = None,
    traces: bool = False,
    memory_timing: MemoryTiming | None = None,
) -> Result:
    """Lay out memory, run on the architecture the Program was built for, read the outputs (and traces) back.

    Memory starts as 0xA5 wherever the Program does not define it, so that forgotten stores show.
    """
    bases = default_bases(program)
    memory = program.memory_image(inputs, bases, fill=0xA5)
    machine = Machine(program.arch)
    result = machine.run(program, memory, bases, on_command=on_command, memory_timing=memory_timing)
    return dataclasses.replace(result, outputs=program.read_outputs(memory, bases, traces=traces))
