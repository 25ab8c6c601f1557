# SPDX-License-Identifier: Apache-2.0
"""Walks the weight words of a load, lane by lane: how many bytes of each lie in memory."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from esl_ref.arch import HEADER_BYTES, Arch
from rtl.load_types import load_layout

__all__ = ["LoadWeights"]


class LoadWeights(wiring.Component):
    """The order of `esl_ref.program.dense`.

    Members
    -------
    start, load : In(1), In(load_layout())
        In the next cycle begins this load.
    step : In(1)
        In the next cycle comes the next lane.
    word, lane, count : Out
        The lane, and its bytes in memory.
    last : Out(1)
        The load's last lane.
    wrong : Out(1)
        The load has not enough bytes left for this lane, or some left behind the last.
    """

    def __init__(self, arch: Arch):
        self._arch = arch
        super().__init__({
            "start": In(1),
            "load": In(load_layout()),
            "step": In(1),
            "word": Out(17),
            "lane": Out(range(arch.lanes)),
            "count": Out(range(arch.lanes + 1)),
            "last": Out(1),
            "wrong": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._pattern = pattern = Signal(load_layout(), reset_less=True)
        self._words = Signal(17, reset_less=True)  # left, this one included
        word_end = Signal()
        fewer = self._groups(m, word_end)
        lane_limit = Mux(fewer, pattern.last_lanes, self._arch.lanes)
        m.d.comb += [
            word_end.eq(self.step & (self.lane + 1 == lane_limit)),
            self.last.eq((self.lane + 1 == lane_limit) & (self._words == 1)),
        ]
        with m.If(self.step):
            m.d.sync += self.lane.eq(self.lane + 1)
        with m.If(word_end):
            m.d.sync += [self.lane.eq(0), self.word.eq(self.word + 1), self._words.eq(self._words - 1)]
        with m.If(self.start):
            m.d.sync += [pattern.eq(self.load), self.lane.eq(0), self.word.eq(self.load.first)]
            m.d.sync += self._words.eq(self.load.rows)
        self._check(m)
        return m

    def _groups(self, m: Module, word_end: Signal) -> Signal:
        """Sets `count`; whether the group is the load's last."""
        pattern, load = self._pattern, self.load
        left = Signal(17, name="group_left", reset_less=True)
        after = Signal(signed(19), name="words_after", reset_less=True)  # this group, less one: negative in the last
        records = Signal(8, name="records_left", reset_less=True)
        run = Signal(13, name="run_left", reset_less=True)
        with m.If(word_end):
            with m.If(left == 1):
                m.d.sync += [left.eq(pattern.group_words), after.eq(after - pattern.group_words)]
                m.d.sync += [records.eq(pattern.record_words), run.eq(pattern.run_words)]
            with m.Else():
                m.d.sync += left.eq(left - 1)
                with m.If(records != 0):
                    m.d.sync += records.eq(records - 1)
                with m.Else():
                    m.d.sync += run.eq(Mux(run == 1, pattern.run_words, run - 1))
        with m.If(self.start):
            m.d.sync += [
                left.eq(load.group_words),
                after.eq(load.rows - load.group_words - 1),
                records.eq(load.record_words),
                run.eq(load.run_words),
            ]
        weights = Mux(run == 1, pattern.last_bytes, pattern.inner_bytes)
        m.d.comb += self.count.eq(Mux(records != 0, self._record_bytes(m, word_end, left), weights))
        return after < 0

    def _record_bytes(self, m: Module, word_end: Signal, left: Signal) -> Value | int:
        """Sets of record words, from the start of a group."""
        lanes, words = self._arch.lanes, self._arch.header_words
        sizes = [min(HEADER_BYTES - i * lanes, lanes) for i in range(words)]
        if words == 1:
            return sizes[0]
        place = Signal(range(words), name="record_place", reset_less=True)
        with m.If(word_end):
            m.d.sync += place.eq(Mux((left == 1) | (place == words - 1), 0, place + 1))
        with m.If(self.start):
            m.d.sync += place.eq(0)
        return Array(sizes)[place]

    def _check(self, m: Module) -> None:
        """Bytes left of the load."""
        left = Signal(27, name="bytes_left", reset_less=True)
        rest = Signal(signed(len(left) + 1))
        m.d.comb += [rest.eq(left - self.count), self.wrong.eq((rest < 0) | (self.last & (rest != 0)))]
        with m.If(self.step):
            m.d.sync += left.eq(rest[: len(left)])
        with m.If(self.start):
            m.d.sync += left.eq(self.load.size)
