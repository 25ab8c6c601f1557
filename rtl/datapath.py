# SPDX-License-Identifier: Apache-2.0
"""The datapath behind the SRAMs: padding, window, array, pooling, elementwise and post-processor, in lockstep."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import Arch
from esl_ref.program.fields import Opcode
from rtl import address
from rtl.accumulate import Accumulate
from rtl.delay import delay
from rtl.eltwise import EltwiseUnit
from rtl.layouts import COMPUTE_LAYOUT
from rtl.mac_array import MacArray
from rtl.op import op_layout
from rtl.pipeline import BYTES_CYCLE, OPERAND_CYCLE, VECTOR_CYCLE, result_cycle, sum_cycle
from rtl.pool import PoolUnit
from rtl.postprocess import PostProcessor
from rtl.timing import ACCUMULATE_LATENCY, LINE_AHEAD, mac_latency
from rtl.vectors import choose
from rtl.window import Window

__all__ = ["Datapath"]


class Datapath(wiring.Component):
    """Takes what is issued (cycle 0), delays the control of each unit until its data is there.

    Members
    -------
    op, current, issue, new_group, header, header_index, slot : In, cycle 0, as `Issuer`
    low, high, out_addr : In, cycle 2, as `AddressStage`
    read_data : In, cycle BYTES_CYCLE, the vector as it lies in the activation SRAM
    weights : In, cycle OPERAND_CYCLE, the weight or record word
    table_we, table_addr, table_data : In, as `PostProcessor`
    write_valid, write_addr, write_data, write_lanes : Out, as `PostProcessor`
    """

    def __init__(self, arch: Arch):
        self.arch = arch
        lanes = arch.lanes
        super().__init__({
            "op": In(op_layout(arch)),
            "current": In(COMPUTE_LAYOUT),
            "issue": In(1),
            "new_group": In(1),
            "header": In(1),
            "header_index": In(bits_for(arch.header_words - 1)),
            "slot": In(bits_for(arch.acc_words - 1)),
            "low": In(range(lanes + 1)),
            "high": In(range(lanes + 1)),
            "out_addr": In(24),
            "read_data": In(8 * lanes),
            "weights": In(8 * arch.word_bytes),
            "table_we": In(1),
            "table_addr": In(8),
            "table_data": In(8 * arch.axi_bytes),
            "write_valid": Out(1),
            "write_addr": Out(24),
            "write_data": Out(8 * arch.post_lanes),
            "write_lanes": Out(bits_for(arch.post_lanes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        vector = self._elaborate_padding(m)
        taps = self._elaborate_window(m, vector)
        operand = delay(m, vector, OPERAND_CYCLE - VECTOR_CYCLE, name="operand")
        units = [
            self._elaborate_array(m, operand, taps),
            self._elaborate_pool(m, operand),
            self._elaborate_eltwise(m, operand),
        ]
        self._elaborate_post(m, units)
        return m

    def _at(self, m: Module, cycle: int, name: str, value: Value) -> Value:
        """Qualified or qualifying control of the issue, as late as `cycle`. Names ending in _valid are reset."""
        return delay(m, value, cycle, name=name, valid=name.endswith("_valid"))

    def _elaborate_padding(self, m: Module) -> Value:
        """The vector with `pad_value` in place of bytes outside the map, and its bytes spread over lanes that share an
        ifm channel, at VECTOR_CYCLE."""
        lanes = self.arch.lanes
        low = delay(m, self.low, BYTES_CYCLE - 1 - address.LATENCY, name="low")
        high = delay(m, self.high, BYTES_CYCLE - 1 - address.LATENCY, name="high")
        real = Signal(lanes, reset_less=True)
        m.d.sync += real.eq(Cat((low <= i) & (high > i) for i in range(lanes)))
        self._pad = self._at(m, BYTES_CYCLE, "pad", self.current.pad_value.as_unsigned())
        vector = Signal(8 * lanes, reset_less=True)
        padded = [Mux(real[i], self.read_data.word_select(i, 8), self._pad) for i in range(lanes)]
        window = self.current.opcode == Opcode.DEPTHWISE_WINDOW
        spread = self._at(m, BYTES_CYCLE, "spread", Mux(window, self.current.spread, 0))
        ways = [Cat(padded[lane >> shift] for lane in range(lanes)) for shift in range(lanes.bit_length())]
        m.d.sync += vector.eq(choose(m, spread, ways, "spread_bytes"))
        return vector

    def _elaborate_window(self, m: Module, vector: Value) -> Value:
        m.submodules.window = window = Window(self.arch)
        op, early = self.op, VECTOR_CYCLE - LINE_AHEAD
        shift = self.issue & op.shift
        # Taps shift one byte per channel through the window, as a window without columns does.
        columns = self.current.column & (self.current.opcode == Opcode.DEPTHWISE_WINDOW)
        m.d.comb += [
            window.line_read.eq(self._at(m, early, "line_valid", shift & columns)),
            window.line_early.eq(self._at(m, early, "line_column", op.column)),
            window.shift.eq(self._at(m, VECTOR_CYCLE, "shift_valid", shift)),
            window.column.eq(self._at(m, VECTOR_CYCLE, "columns", columns)),
            window.row_start.eq(self._at(m, VECTOR_CYCLE, "row_start", op.row_start)),
            window.older_valid.eq(self._at(m, VECTOR_CYCLE, "older", op.older_valid)),
            window.vector.eq(vector),
            window.pad.eq(delay(m, self._pad, VECTOR_CYCLE - BYTES_CYCLE, name="window_pad")),
            window.chunk.eq(self._at(m, OPERAND_CYCLE, "chunk", op.chunk)),
        ]
        return window.taps

    def _elaborate_array(self, m: Module, operand: Value, taps: Value) -> MacArray:
        m.submodules.array = array = MacArray(self.arch)
        op = self.op
        m.d.comb += [
            array.valid.eq(self._at(m, OPERAND_CYCLE, "array_valid", self.issue & op.array)),
            array.use_window.eq(self._at(m, OPERAND_CYCLE, "use_window", op.use_window)),
            array.vector.eq(operand),
            array.taps.eq(taps),
            array.weights.eq(self.weights),
        ]
        self._first = self._at(m, OPERAND_CYCLE, "first", op.first)
        self._last = self._at(m, OPERAND_CYCLE, "last", op.last)
        m.d.comb += [array.first.eq(self._first), array.last.eq(self._last)]
        return array

    def _elaborate_pool(self, m: Module, operand: Value) -> PoolUnit:
        m.submodules.pool = pool = PoolUnit(self.arch, mac_latency(self.arch))
        m.d.comb += [
            pool.valid.eq(self._at(m, OPERAND_CYCLE, "pool_valid", self.issue & self.op.pool)),
            pool.first.eq(self._first),
            pool.last.eq(self._last),
            pool.sum.eq(self._at(m, OPERAND_CYCLE, "pool_sum", self.current.pool_sum)),
            pool.vector.eq(operand),
        ]
        return pool

    def _elaborate_eltwise(self, m: Module, operand: Value) -> EltwiseUnit:
        m.submodules.eltwise = eltwise = EltwiseUnit(self.arch, mac_latency(self.arch))
        op, now = self.op, self.current
        # The parameters of just the operand that is issued go along with it.
        scale = Cat(Mux(op.operand_b, now.mul_b, now.mul_a), Mux(op.operand_b, now.shift_b, now.shift_a))
        zero = Mux(op.operand_b, now.zero_b, now.zero_a)
        scale = self._at(m, OPERAND_CYCLE, "operand_scale", scale)
        zero = self._at(m, OPERAND_CYCLE, "operand_zero", zero)
        mul, shift = scale[: len(now.mul_a)], scale[len(now.mul_a) :]
        m.d.comb += [
            eltwise.valid_a.eq(self._at(m, OPERAND_CYCLE, "operand_a_valid", self.issue & op.operand_a)),
            eltwise.valid_b.eq(self._at(m, OPERAND_CYCLE, "operand_b_valid", self.issue & op.operand_b)),
            eltwise.vector.eq(operand),
            *(port.eq(mul) for port in (eltwise.mul_a, eltwise.mul_b)),
            *(port.eq(shift) for port in (eltwise.shift_a, eltwise.shift_b)),
            *(port.eq(zero) for port in (eltwise.zero_a, eltwise.zero_b)),
            eltwise.mul.eq(self._at(m, OPERAND_CYCLE, "elt_mul", now.elt_mul)),
            eltwise.sub.eq(self._at(m, OPERAND_CYCLE, "elt_sub", now.elt_sub)),
        ]
        return eltwise

    def _elaborate_accumulate(self, m: Module, units: list[MacArray | PoolUnit | EltwiseUnit]) -> tuple[Value, Value]:
        """The one result there may be, with its accumulator slot added if asked for."""
        m.submodules.accumulate = unit = Accumulate(self.arch)
        now, cycle = self.current, sum_cycle(self.arch)
        acc: Value = Value.cast(0)
        for source in units:
            acc = acc | Mux(source.out_valid, source.acc, 0)
        valid = Cat(source.out_valid for source in units).any()
        early = self._at(m, cycle - 1, "slot_early", self.slot)
        m.d.comb += [
            unit.slot_early.eq(early),
            unit.slot.eq(delay(m, early, 1, name="slot")),
            unit.valid.eq(valid),
            unit.acc.eq(acc),
            unit.add.eq(self._at(m, cycle, "acc_in", now.acc_in)),
            unit.keep.eq(self._at(m, cycle, "acc_out", now.acc_out)),
        ]
        return delay(m, valid, ACCUMULATE_LATENCY, name="sum_valid", valid=True), unit.out_acc

    def _elaborate_post(self, m: Module, units: list[MacArray | PoolUnit | EltwiseUnit]) -> None:
        m.submodules.post = post = PostProcessor(self.arch)
        op, now, lanes = self.op, self.current, self.arch.lanes
        result = result_cycle(self.arch)
        # All units are equally long and the issuer feeds one per cycle: at most one has a result.
        valid, acc = self._elaborate_accumulate(m, units)
        config = data.StructLayout(
            {"zero_out": signed(8), "low": signed(8), "high": signed(8), "rounding": 2, "table": 1}
        )
        along = Signal(config)
        m.d.comb += [along[name].eq(now[name]) for name in config.members]
        along = data.View(config, self._at(m, result, "post_config", Value.cast(along)))
        # A result that is kept in a slot writes no byte, but ends its command like any other.
        out_lanes = Mux(now.acc_out, 0, Mux(op.group_last, now.last_lanes, lanes))
        m.d.comb += [
            post.valid.eq(valid),
            post.acc.eq(acc),
            post.new_group.eq(self._at(m, result, "new_group", self.new_group)),
            post.out_addr.eq(delay(m, self.out_addr, result - address.LATENCY, name="out_addr")),
            post.out_lanes.eq(self._at(m, result, "out_lanes", out_lanes)),
            post.zero_out.eq(along.zero_out),
            post.low.eq(along.low),
            post.high.eq(along.high),
            post.rounding.eq(along.rounding),
            post.table_en.eq(along.table),
            post.last.eq(self._at(m, result, "result_end", op.end)),
            post.header_we.eq(self._at(m, OPERAND_CYCLE, "header_valid", self.header)),
            post.header_index.eq(self._at(m, OPERAND_CYCLE, "header_index", self.header_index)),
            post.header.eq(self.weights),
        ]
        for name in ("table_we", "table_addr", "table_data"):
            m.d.comb += getattr(post, name).eq(getattr(self, name))
        for name in ("write_valid", "write_addr", "write_data", "write_lanes"):
            m.d.comb += getattr(self, name).eq(getattr(post, name))
