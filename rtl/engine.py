# SPDX-License-Identifier: Apache-2.0
"""The compute engine: SRAMs, address walkers, issuer, datapath. Executes compute commands, one issue per cycle."""

from __future__ import annotations

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import COMMAND_BYTES

__all__ = ["Cause", "Engine", "command_layout"]


class Cause(enum.Enum, shape=4):
    """What the issue slot of one cycle went to; exactly one per cycle."""

    NONE = 0
    """No command in the queue (or the engine has stopped with an error)."""
    MAC = 1
    """An operand, window or weight word was issued to the array."""
    VECTOR = 2
    """A pooling or elementwise operand, or a window fill that fires nothing, was issued."""
    OVERHEAD = 3
    """Command set-up, a record word, spacing between results."""
    WAIT_LOAD = 4
    """The command at the head waits for `loads_done`."""
    WAIT_STORE = 5
    """It waits for `stores_done`."""
    WAIT_COMPUTE = 6
    """It waits for `computes_done`."""
    DMA = 7
    """A store read took the SRAM read port."""


def command_layout() -> data.StructLayout:
    """Payload of the command stream: the command's 768 bits, least significant byte first in memory, and its index."""
    return data.StructLayout({"word": unsigned(8 * COMMAND_BYTES), "index": unsigned(32)})


class Engine(wiring.Component):
    """Compute engine of one architecture.

    The pipeline behind the issuer never stalls, so every latency is a constant (`esl_ref.machine.timing_constants`).
    A command is taken from `command` into a decode buffer (one ahead of the one that issues). It starts when the
    counts it asks for are reached; counts may be advanced in the cycle after the last beat was accepted here.

    Members
    -------
    clear : In(1)
        Synchronous flush: drops commands and everything in flight. SRAM contents stay.
    command : In(stream.Signature(command_layout()))
        Compute commands (opcodes CONV ... ELTWISE only).
    loads_done, stores_done : In(16)
        Completed load and store commands, modulo 2**16.
    computes_done : Out(16)
        Completed compute commands; advances in the cycle after `completed`. Results are readable from then on.
    completed : Out(1)
        Pulse: a command's last result byte has been written. `completed_index` (32), `completed_tag` (16) and
        `completed_stamp` (1) describe it in that cycle.
    load_valid, load_ready, load_addr (24), load_data (8 * axi_bytes), load_count
        Activation write: bytes 0 .. load_count - 1 of load_data go to load_addr upward, any alignment. Accepted when
        valid and ready; not ready in cycles in which the post-processor writes.
    weight_valid, weight_word (17), weight_beat, weight_data (8 * axi_bytes)
        Weight write, always accepted: beat `weight_beat` (0 .. lanes*lanes/axi_bytes - 1) of word `weight_word`.
    table_valid, table_beat, table_data (8 * axi_bytes)
        Table write, always accepted: entries table_beat * axi_bytes upward.
    read_valid, read_addr (24)
        Store read, always granted in the same cycle: the issuer waits (Cause.DMA) if it needs the port.
    read_data_valid, read_data (8 * lanes)
        The `lanes` bytes from read_addr upward, any alignment, STORE_READ_LATENCY cycles later.
    cause : Out(Cause)
        What this cycle's issue slot went to.
    idle : Out(1)
        No command held or in flight.
    error : Out(1), error_code : Out(8), error_index : Out(32)
        Set (until clear) by the first command that fails its checks; issuing has stopped.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        lanes, axi_bits = arch.lanes, 8 * arch.axi_bytes
        super().__init__({
            "clear": In(1),
            "command": In(stream.Signature(command_layout())),
            "loads_done": In(16),
            "stores_done": In(16),
            "computes_done": Out(16),
            "completed": Out(1),
            "completed_index": Out(32),
            "completed_tag": Out(16),
            "completed_stamp": Out(1),
            "load_valid": In(1),
            "load_ready": Out(1),
            "load_addr": In(24),
            "load_data": In(axi_bits),
            "load_count": In(range(arch.axi_bytes + 1)),
            "weight_valid": In(1),
            "weight_word": In(17),
            "weight_beat": In(range(arch.word_bytes // arch.axi_bytes)),
            "weight_data": In(axi_bits),
            "table_valid": In(1),
            "table_beat": In(range(256 // arch.axi_bytes)),
            "table_data": In(axi_bits),
            "read_valid": In(1),
            "read_addr": In(24),
            "read_data_valid": Out(1),
            "read_data": Out(8 * lanes),
            "cause": Out(Cause),
            "idle": Out(1),
            "error": Out(1),
            "error_code": Out(8),
            "error_index": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        raise NotImplementedError("being written")
