# SPDX-License-Identifier: Apache-2.0
"""From accumulators to bytes in SRAM: bias, requantise, zero point, clamp, table, in slices of `post_lanes`."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from esl_ref.arch import HEADER_BYTES, Arch
from esl_ref.program.fields import TABLE_BYTES, Rounding
from rtl.delay import delay
from rtl.requantise import OUT_BITS, Requantiser
from rtl.timing import post_latency
from rtl.vectors import choose, elements

__all__ = ["PostProcessor"]

_RECORD = data.StructLayout({"bias": signed(32), "multiplier": signed(32), "shift": signed(8)})
_RECORD_BITS = 8 * HEADER_BYTES


class PostProcessor(wiring.Component):
    """One result vector every `arch.post_interval` cycles or slower; its slice `k`, lanes k * post_lanes and up, is
    written `post_latency(arch) + k` cycles after `valid`.

    Requantisation records are loaded into shadow registers by the header port and taken over with the first result of a
    group (`new_group`); the next group's may be loaded from `header_gap(arch)` cycles after the last operands of that
    result went into the array.

    Members
    -------
    valid : in, a result; the other inputs of this list are sampled with it
    acc : in, int32 of lane `o` in bits [32 o, 32 o + 32)
    new_group : in, first result of a group: from here on use the records loaded last
    out_addr : in, SRAM byte address of lane 0
    out_lanes : in, lanes to write, 0..lanes
    zero_out, low, high : in, output zero point and clamp
    rounding : in, `esl_ref.program.fields.Rounding`
    table_en : in, pass the bytes through the table
    last : in, last result of a command
    header_we, header_index, header : in, write word `header_index` of the group's `header_words` record words
    table_we, table_addr, table_data : in, write the axi_bytes entries from `table_addr`, a multiple of axi_bytes
    write_valid, write_addr, write_data, write_lanes : out, write bytes [0, write_lanes) of `write_data`
    done : out, pulse in the cycle of the last slice of a `last` result, whether or not that slice writes
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.LATENCY = post_latency(arch)
        lanes, post_lanes = arch.lanes, arch.post_lanes
        super().__init__({
            "valid": In(1), "acc": In(32 * lanes), "new_group": In(1), "out_addr": In(24), "out_lanes": In(7),
            "zero_out": In(signed(8)), "low": In(signed(8)), "high": In(signed(8)), "rounding": In(2),
            "table_en": In(1), "last": In(1),
            "header_we": In(1), "header_index": In(bits_for(arch.header_words - 1)), "header": In(8 * lanes * lanes),
            "table_we": In(1), "table_addr": In(8), "table_data": In(8 * arch.axi_bytes),
            "write_valid": Out(1), "write_addr": Out(24), "write_data": Out(8 * post_lanes),
            "write_lanes": Out(bits_for(post_lanes)), "done": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        records = self._records(m)
        accs, records, control = self._slices(m, records)
        requantised = self._requantise(m, accs, records, control)
        bytes_out, write = self._finish(m, requantised, control)
        m.d.comb += [
            self.write_data.eq(Cat(bytes_out)),
            self.write_valid.eq(write["writes"]),
            self.write_addr.eq(write["addr"]),
            self.write_lanes.eq(write["lanes"]),
            self.done.eq(write["valid"] & write["done"]),
        ]
        return m

    def _records(self, m: Module) -> list[Signal]:
        """Shadow and active requantisation records; the active ones, aligned with the held result."""
        lanes = self.arch.lanes
        columns = [elements(lane, 8) for lane in elements(self.header, 8 * lanes)]
        active = []
        for o, column in enumerate(columns):
            shadow = Signal(_RECORD_BITS, name=f"shadow_{o}", reset_less=True)
            for word in range(self.arch.header_words):
                used = column[: HEADER_BYTES - word * lanes]
                with m.If(self.header_we & (self.header_index == word)):
                    m.d.sync += shadow[8 * word * lanes :][: 8 * len(used)].eq(Cat(used))
            record = Signal(_RECORD_BITS, name=f"record_{o}", reset_less=True)
            with m.If(self.valid & self.new_group):
                m.d.sync += record.eq(shadow)
            active.append(record)
        return active

    def _slices(self, m: Module, records: list[Signal]) -> tuple[list[Value], list[Value], dict[str, Value]]:
        """Hold the result and cut it into slices of post_lanes: (accumulators, records, control) of one slice."""
        interval, width = self.arch.post_interval, self.arch.post_lanes
        held = self._held(m)
        if interval == 1:
            valid = delay(m, self.valid, 1, name="valid", valid=True)
            control = held | {"valid": valid, "lanes": held["remaining"], "done": held["last"]}
            return elements(held["acc"], 32), records, control
        # Slice counter: the held result gives slices 0.. in the cycles after `valid`.
        busy, index = Signal(), Signal(range(interval))
        last_slice = index == interval - 1
        with m.If(self.valid):
            m.d.sync += [busy.eq(1), index.eq(0)]
        with m.Elif(busy):
            m.d.sync += [busy.eq(~last_slice), index.eq(index + 1)]
        more = held["remaining"] > width
        with m.If(busy & ~self.valid):
            m.d.sync += [
                held["addr"].eq(held["addr"] + width),
                held["remaining"].eq(Mux(more, held["remaining"] - width, 0)),
            ]
        accs = choose(m, index, elements(held["acc"], 32 * width), "accs")
        records_now = choose(m, index, elements(Cat(records), _RECORD_BITS * width), "records_now")
        accs, records_now = (delay(m, v, 1, name=f"slice_{v.name}") for v in (accs, records_now))
        control = {name: delay(m, value, 1, name=f"slice_{name}") for name, value in held.items() if name != "acc"}
        control["valid"] = delay(m, busy, 1, name="slice_valid", valid=True)
        control["lanes"] = delay(m, Mux(more, width, held["remaining"]), 1, name="slice_lanes")
        control["done"] = delay(m, held["last"] & last_slice, 1, name="slice_done")
        return elements(accs, 32), elements(records_now, _RECORD_BITS), control

    def _held(self, m: Module) -> dict[str, Signal]:
        """Registers of the last result presented."""
        inputs = {
            "acc": self.acc, "addr": self.out_addr, "remaining": self.out_lanes, "last": self.last,
            "zero_out": self.zero_out, "low": self.low, "high": self.high, "table_en": self.table_en,
            "average": self.rounding == Rounding.AVERAGE, "once": self.rounding == Rounding.ONCE,
        }  # fmt: skip
        held = {name: Signal(Value.cast(v).shape(), name=f"held_{name}", reset_less=True) for name, v in inputs.items()}
        with m.If(self.valid):
            m.d.sync += [held[name].eq(value) for name, value in inputs.items()]
        return held

    def _requantise(
        self, m: Module, accs: list[Value], records: list[Value], control: dict[str, Value]
    ) -> list[Value]:
        results = []
        for lane, (acc, record) in enumerate(zip(accs, records, strict=True)):
            m.submodules[f"requantiser_{lane}"] = unit = Requantiser(self.arch.profile)
            fields = data.View(_RECORD, record)
            m.d.comb += [
                unit.acc.eq(acc), unit.bias.eq(fields.bias), unit.multiplier.eq(fields.multiplier),
                unit.shift.eq(fields.shift), unit.average.eq(control["average"]), unit.once.eq(control["once"]),
            ]  # fmt: skip
            results.append(unit.out)
        return results

    def _finish(
        self, m: Module, values: list[Value], control: dict[str, Value]
    ) -> tuple[list[Value], dict[str, Value]]:
        """Zero point, clamp, table read, table byte; and the write's control, aligned with the bytes."""
        before = Requantiser.LATENCY
        zero_out = delay(m, control["zero_out"], before, name="zero_out").as_signed()
        low, high = (delay(m, control[name], before + 1, name=name).as_signed() for name in ("low", "high"))
        use_table = delay(m, control["table_en"], before + 3, name="table_en")
        bytes_out = []
        for lane, value in enumerate(values):
            # 10 bits and 8 bits signed: 11 bits hold the sum.
            shifted = Signal(signed(OUT_BITS + 1), name=f"shifted_{lane}", reset_less=True)
            clamped = Signal(signed(8), name=f"clamped_{lane}", reset_less=True)
            byte = Signal(8, name=f"byte_{lane}", reset_less=True)
            plain = delay(m, clamped, 1, name=f"untabled_{lane}")
            m.d.sync += [
                shifted.eq(value + zero_out),
                clamped.eq(Mux(shifted < low, low, Mux(shifted > high, high, shifted))),
                byte.eq(Mux(use_table, self._table(m, lane, clamped), plain) if self.arch.tables else plain),
            ]
            bytes_out.append(byte)
        write = {name: delay(m, control[name], before + 4, name=f"write_{name}") for name in ("addr", "lanes", "done")}
        write["valid"] = delay(m, control["valid"], before + 4, name="write_valid", valid=True)
        writes = control["valid"] & (control["lanes"] != 0)
        write["writes"] = delay(m, writes, before + 4, name="writes", valid=True)
        return bytes_out, write

    def _table(self, m: Module, lane: int, clamped: Value) -> Value:
        """One cycle later: table[clamped + 128]. The copy has bus words, so that a load takes one beat per cycle."""
        per_word = self.arch.axi_bytes
        m.submodules[f"table_{lane}"] = memory = Memory(shape=8 * per_word, depth=TABLE_BYTES // per_word, init=[])
        write, read = memory.write_port(), memory.read_port()
        index = Cat(clamped[:7], ~clamped[7])  # clamped + 128
        split = bits_for(per_word - 1)
        m.d.comb += [
            write.en.eq(self.table_we), write.addr.eq(self.table_addr[split:]), write.data.eq(self.table_data),
            read.addr.eq(index[split:]),
        ]  # fmt: skip
        byte_index = delay(m, index[:split], 1, name=f"table_at_{lane}")
        return choose(m, byte_index, elements(read.data, 8), f"table_byte_{lane}")
