# SPDX-License-Identifier: Apache-2.0
"""The compute engine: SRAMs, address walkers, issuer, datapath. Executes compute commands, one issue per cycle."""

from __future__ import annotations

from amaranth.hdl import Elaboratable, Module, Mux, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import Arch
from esl_ref.program.fields import TABLE_BYTES
from rtl import weight_sram
from rtl.act_sram import ActSram
from rtl.address import AddressStage
from rtl.datapath import Datapath
from rtl.delay import delay
from rtl.issuer import Issuer
from rtl.layouts import command_payload
from rtl.op import Cause
from rtl.pipeline import STORE_READ_LATENCY, VECTOR_CYCLE, completion_latency
from rtl.timing import WINDOW_LATENCY
from rtl.weight_sram import WeightSram

__all__ = ["Cause", "Engine"]


class Engine(wiring.Component):
    """Compute engine of one architecture.

    The pipeline behind the issuer never stalls, so every latency is a constant (`esl_ref.machine.engine_timing`).
    A command is taken from `command` into a decode buffer (one ahead of the one that issues). It starts when the
    counts it asks for are reached; counts may be advanced in the cycle after the last beat was accepted here.

    Members
    -------
    clear : In(1)
        Synchronous flush: drops commands and everything in flight. SRAM contents stay.
    command : In(stream.Signature(command_payload()))
        Compute commands (opcodes CONV ... ELTWISE only).
    loads_done, stores_done : In(16)
        Completed load and store commands, modulo 2**16.
    computes_done : Out(16)
        Completed compute commands; advances in the cycle after `completed`. Results are readable from then on.
    completed : Out(1)
        Pulse: a command's last result byte has been written. `completed_index` (32), `completed_tag` (16) and
        `completed_stamp` (1) describe it in that cycle.
    load_valid, load_ready, load_addr (24), load_data (8 * lanes), load_count
        Activation write: bytes 0 .. load_count - 1 of load_data go to load_addr upward, any alignment. Accepted when
        valid and ready; not ready in cycles in which the post-processor writes.
    weight_valid, weight_word (17), weight_lane, weight_data (8 * lanes)
        Weight write, always accepted: lane `weight_lane` of word `weight_word`.
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
            "command": In(stream.Signature(command_payload())),
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
            "load_data": In(8 * lanes),
            "load_count": In(range(lanes + 1)),
            "weight_valid": In(1),
            "weight_word": In(17),
            "weight_lane": In(range(lanes)),
            "weight_data": In(8 * lanes),
            "table_valid": In(1),
            "table_beat": In(range(TABLE_BYTES // arch.axi_bytes)),
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

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.issuer = self._issuer = Issuer(self._arch)
        m.submodules.address = self._address = AddressStage(self._arch)
        m.submodules.act_sram = self._act_sram = ActSram(self._arch)
        m.submodules.weight_sram = self._weight_sram = WeightSram(self._arch)
        m.submodules.datapath = self._datapath = Datapath(self._arch)
        self._connect_issuer(m)
        self._connect_reads(m)
        self._connect_writes(m)
        self._connect_datapath(m)
        return ResetInserter(self.clear)(m)

    def _connect_issuer(self, m: Module) -> None:
        issuer = self._issuer
        wiring.connect(m, wiring.flipped(self.command), issuer.command)
        m.d.comb += [
            issuer.loads_done.eq(self.loads_done),
            issuer.stores_done.eq(self.stores_done),
            issuer.computes_done.eq(self.computes_done),
            issuer.port_taken.eq(self.read_valid),
            # The pipeline has a fixed length, so completion is the last issue, later.
            issuer.completed.eq(delay(m, issuer.end, completion_latency(self._arch), name="end", valid=True)),
            self.completed.eq(issuer.completed),
            self.completed_index.eq(issuer.oldest_index),
            self.completed_tag.eq(issuer.oldest_tag),
            self.completed_stamp.eq(issuer.oldest_stamp),
            self.cause.eq(issuer.cause),
            self.idle.eq(issuer.idle),
            self.error.eq(issuer.error),
            self.error_code.eq(issuer.error_code),
            self.error_index.eq(issuer.error_index),
        ]
        m.d.sync += self.computes_done.eq(self.computes_done + issuer.completed)

    def _connect_reads(self, m: Module) -> None:
        issuer, address, act_sram = self._issuer, self._address, self._act_sram
        m.d.comb += [
            address.op.eq(issuer.op),
            address.current.eq(issuer.current),
            address.issue.eq(issuer.issue),
            address.store_valid.eq(self.read_valid),
            address.store_addr.eq(self.read_addr),
            act_sram.read_en.eq(address.read_en),
            act_sram.read_addr.eq(address.read_addr),
            self.read_data.eq(act_sram.read_data),
            self.read_data_valid.eq(
                delay(m, self.read_valid, STORE_READ_LATENCY, name="read_valid", valid=True)
            ),
        ]
        weight = Mux(issuer.header, issuer.header_weight, issuer.op.weight)
        early = VECTOR_CYCLE + WINDOW_LATENCY - weight_sram.READ_LATENCY
        m.d.comb += self._weight_sram.read_addr.eq(
            delay(m, weight[: len(self._weight_sram.read_addr)], early, name="weight_addr")
        )

    def _connect_writes(self, m: Module) -> None:
        act_sram, weights, post = self._act_sram, self._weight_sram, self._datapath
        m.d.comb += [
            # The post-processor cannot wait, the loader can.
            self.load_ready.eq(~post.write_valid),
            act_sram.write_en.eq(post.write_valid | self.load_valid),
            act_sram.write_addr.eq(Mux(post.write_valid, post.write_addr, self.load_addr)),
            act_sram.write_data.eq(Mux(post.write_valid, post.write_data, self.load_data)),
            act_sram.write_count.eq(Mux(post.write_valid, post.write_lanes, self.load_count)),
            weights.write_en.eq(self.weight_valid),
            weights.write_word.eq(self.weight_word),
            weights.write_lane.eq(self.weight_lane),
            weights.write_data.eq(self.weight_data),
            post.table_we.eq(self.table_valid),
            post.table_addr.eq(self.table_beat * self._arch.axi_bytes),
            post.table_data.eq(self.table_data),
        ]

    def _connect_datapath(self, m: Module) -> None:
        issuer, address, datapath = self._issuer, self._address, self._datapath
        m.d.comb += [
            datapath.op.eq(issuer.op),
            datapath.current.eq(issuer.current),
            datapath.issue.eq(issuer.issue),
            datapath.new_group.eq(issuer.new_group),
            datapath.header.eq(issuer.header),
            datapath.header_index.eq(issuer.header_index),
            datapath.slot.eq(issuer.slot),
            datapath.low.eq(address.low),
            datapath.high.eq(address.high),
            datapath.out_addr.eq(address.out_addr),
            datapath.read_data.eq(self._act_sram.read_data),
            datapath.weights.eq(self._weight_sram.read_data),
        ]
