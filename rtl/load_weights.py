# SPDX-License-Identifier: Apache-2.0
"""Walks the weight words of a load, lane by lane: how many bytes of each lie in memory."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

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
        # The last lane of a word, and the last word: what follows a piece hangs on them, so they are registers.
        last_lane, last_word = Signal(reset_less=True), Signal(reset_less=True)
        limit, next_limit = Signal(7, reset_less=True), Signal(7)
        self._groups(m, word_end, limit, next_limit)
        m.d.comb += [word_end.eq(self.step & last_lane), self.last.eq(last_lane & last_word)]
        with m.If(self.step):
            m.d.sync += [self.lane.eq(self.lane + 1), last_lane.eq(self.lane + 2 == limit)]
        with m.If(word_end):
            m.d.sync += [self.lane.eq(0), self.word.eq(self.word + 1), self._words.eq(self._words - 1)]
            m.d.sync += [last_lane.eq(next_limit == 1), last_word.eq(self._words == 2)]
        with m.If(self.start):
            m.d.sync += [pattern.eq(self.load), self.lane.eq(0), self.word.eq(self.load.first)]
            m.d.sync += [self._words.eq(self.load.rows), last_word.eq(self.load.rows == 1)]
            m.d.sync += last_lane.eq((self.load.rows <= self.load.group_words) & (self.load.last_lanes == 1))
        self._check(m)
        return m

    def _groups(self, m: Module, word_end: Signal, limit: Signal, next_limit: Signal) -> None:
        """Sets `count`, and the lanes of this word and of the next.

        All of the next word is computed beside this one: what it decides need not wait for comparisons.
        """
        pattern, load, lanes = self._pattern, self.load, self._arch.lanes
        left, opens = Signal(17, name="group_left", reset_less=True), Signal(reset_less=True)  # left == 1
        after = Signal(signed(19), name="words_after", reset_less=True)  # this group, less one: negative in the last
        next_after = Signal.like(after)
        m.d.comb += [
            next_after.eq(after - pattern.group_words),
            next_limit.eq(Mux(opens, Mux(next_after < 0, pattern.last_lanes, lanes), limit)),
        ]
        with m.If(word_end):
            m.d.sync += limit.eq(next_limit)
            with m.If(opens):
                m.d.sync += [left.eq(pattern.group_words), opens.eq(pattern.group_words == 1), after.eq(next_after)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), opens.eq(left == 2)]
        with m.If(self.start):
            m.d.sync += [
                limit.eq(Mux(load.rows <= load.group_words, load.last_lanes, lanes)),
                left.eq(load.group_words),
                opens.eq(load.group_words == 1),
                after.eq(load.rows - load.group_words - 1),
            ]
        self._counts(m, word_end, opens)

    def _counts(self, m: Module, word_end: Signal, opens: Signal) -> None:
        """`count`: record words come first in a group, then runs of weight words, the last of which has its own."""
        pattern, load = self._pattern, self.load
        records = Signal(8, name="records_left", reset_less=True)
        run = Signal(13, name="run_left", reset_less=True)
        weights_now = Signal(reset_less=True)  # records == 0
        ends_run = Signal(reset_less=True)  # run == 1
        # One bit where one word holds the records, as Verilog has no vectors of none.
        place = Signal(bits_for(self._arch.header_words - 1), name="record_place", reset_less=True)
        next_place, sizes = Signal.like(place), Array(self._record_sizes())
        m.d.comb += next_place.eq(Mux(opens | (place == len(sizes) - 1), 0, place + 1))

        def become(many: Value, length: Value, is_last: Value, of: Value, at: Value | int) -> None:
            """Next come `many` record words, then weights; `length` words are left of the run."""
            m.d.sync += [
                records.eq(many), weights_now.eq(many == 0), run.eq(length), ends_run.eq(is_last), place.eq(at),
                self.count.eq(Mux(many != 0, sizes[at], Mux(is_last, of.last_bytes, of.inner_bytes))),
            ]  # fmt: skip

        with m.If(self.start):
            become(load.record_words, load.run_words, load.run_words == 1, load, Const(0, len(place)))
        with m.Elif(word_end & opens):
            become(pattern.record_words, pattern.run_words, pattern.run_words == 1, pattern, next_place)
        with m.Elif(word_end & ~weights_now):
            become((records - 1)[: len(records)], run, ends_run, pattern, next_place)
        with m.Elif(word_end & ends_run):
            become(Const(0, 8), pattern.run_words, pattern.run_words == 1, pattern, next_place)
        with m.Elif(word_end):
            become(Const(0, 8), (run - 1)[: len(run)], run == 2, pattern, next_place)

    def _record_sizes(self) -> list[int]:
        """Bytes in each lane of the words that hold one set of records."""
        lanes = self._arch.lanes
        return [min(HEADER_BYTES - i * lanes, lanes) for i in range(self._arch.header_words)]

    def _check(self, m: Module) -> None:
        """Bytes left of the load."""
        left = Signal(27, name="bytes_left", reset_less=True)
        rest = Signal(signed(len(left) + 1))
        m.d.comb += [rest.eq(left - self.count), self.wrong.eq((rest < 0) | (self.last & (rest != 0)))]
        with m.If(self.step):
            m.d.sync += left.eq(rest[: len(left)])
        with m.If(self.start):
            m.d.sync += left.eq(self.load.size)
