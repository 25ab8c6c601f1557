# SPDX-License-Identifier: Apache-2.0
"""rtl.postprocess against docs/program.md: commands of several groups, slices, tables, every profile."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from esl_ref.arch import Arch
from esl_ref.numerics import Profile, Requant, requantise
from esl_ref.program.fields import Rounding
from rtl.postprocess import PostProcessor
from rtl.timing import done_latency, post_latency


def _arch(lanes=8, post_lanes=8, profile=Profile.TFLITE, axi_bytes=8) -> Arch:
    return Arch(lanes=lanes, post_lanes=post_lanes, window_rows=3, profile=profile, axi_bytes=axi_bytes)


def _records(rng, arch, rounding):
    """Records of one group that scale accumulators of 12 to 20 bits to bytes: (bias, multiplier, shift) per lane."""
    bias, mul = rng.integers(-(1 << 12), 1 << 12, arch.lanes), rng.integers(1 << 30, 1 << 31, arch.lanes)
    shift = rng.integers(-12, -4, arch.lanes)
    if rounding == Rounding.AVERAGE:
        bias = np.abs(bias)
    elif arch.profile is Profile.MUL_ADD_SHIFT:
        bias, mul, shift = bias << 8, rng.integers(1, 256, arch.lanes), shift - 7
    elif arch.profile is Profile.POW2:
        mul = np.ones(arch.lanes, int)
    return bias, mul, shift


def _header_words(arch, records):
    """The group's weight words: byte b of lane o's record is byte b mod L of lane o in word b div L."""
    image = np.zeros((arch.header_words, arch.lanes, arch.lanes), np.uint8)
    for o, record in enumerate(zip(*records, strict=True)):
        raw = b"".join(int(v).to_bytes(n, "little", signed=True) for v, n in zip(record, (4, 4, 1), strict=True))
        for b, byte in enumerate(raw):
            image[b // arch.lanes, o, b % arch.lanes] = byte
    return [int.from_bytes(word.tobytes(), "little") for word in image]


def _bytes(arch, acc, records, control, table):
    bias, mul, shift = records
    if control["rounding"] == Rounding.ONCE:
        v = requantise(acc + bias, Requant(mul, shift, Profile.SINGLE))
    elif control["rounding"]:
        magnitude = ((np.abs(acc) + bias) * mul) >> 31 >> -shift
        v = np.where(acc < 0, -magnitude, magnitude)
    elif arch.profile is Profile.MUL_ADD_SHIFT:
        v = requantise(acc, Requant(mul, shift, arch.profile, bias))
    else:
        v = requantise(acc + bias, Requant(mul, shift, arch.profile))
    q = np.clip(v + control["zero_out"], control["low"], control["high"])
    return table[q + 128] if control["table_en"] else q


class Timeline:
    """Inputs by cycle, and the writes and done pulses they must lead to."""

    def __init__(self, arch, rng, flat):
        self.arch, self.rng, self.flat, self.now = arch, rng, flat, 0
        self.inputs, self.writes, self.done = defaultdict(dict), [], []
        self.table = None

    def load_table(self):
        self.table = self.rng.integers(-128, 128, 256)
        for at in range(0, 256, self.arch.axi_bytes):
            data = self.flat.pack(self.table[at : at + self.arch.axi_bytes], 8)
            self.inputs[self.now] |= {"table_we": 1, "table_addr": at, "table_data": data}
            self.now += 1

    def load_records(self, rounding):
        """From `now` on, one word per cycle, beside whatever results there are; returns the records."""
        records = _records(self.rng, self.arch, rounding)
        for index, word in enumerate(_header_words(self.arch, records)):
            self.inputs[self.now + index] |= {"header_we": 1, "header_index": index, "header": word}
        return records

    def control(self, rounding):
        """Drawn per result: commands follow each other in the pipe."""
        rng = self.rng
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2)) if rng.random() < 0.3 else (-128, 127)
        return {
            "zero_out": int(rng.integers(-128, 128)), "low": low, "high": high, "rounding": rounding,
            "table_en": int(self.table is not None and rng.random() < 0.5),
        }  # fmt: skip

    def result(self, records, control, new_group, last):
        acc = self.rng.integers(-(1 << 20), 1 << 20, self.arch.lanes) >> self.rng.integers(0, 10)
        addr, lanes = int(self.rng.integers(1 << 24)), int(self.rng.integers(0, self.arch.lanes + 1))
        self.inputs[self.now] |= {
            "valid": 1, "acc": self.flat.pack(acc, 32), "new_group": int(new_group), "last": int(last),
            "out_addr": addr, "out_lanes": lanes, **control,
        }  # fmt: skip
        q = [int(v) for v in _bytes(self.arch, acc, records, control, self.table)][:lanes]
        for slice_, k in enumerate(range(0, lanes, self.arch.post_lanes)):
            when = self.now + post_latency(self.arch) + slice_
            self.writes.append((when, (addr + k) % (1 << 24), q[k : k + self.arch.post_lanes]))
        if last:
            self.done.append(self.now + done_latency(self.arch))

    def command(self, groups, vectors):
        """Results mostly at the least distance. The next group's records come from the first result's cycle on."""
        rng = self.rng
        legal = [r for r in Rounding if r is not Rounding.ONCE or self.arch.profile is Profile.TFLITE]
        rounding = int(rng.choice(legal))
        following = self.load_records(rounding)
        self.now += self.arch.header_words
        for g in range(groups):
            records, start = following, self.now
            for n in range(vectors):
                self.result(records, self.control(rounding), n == 0, g == groups - 1 and n == vectors - 1)
                if n == 0 and g < groups - 1:
                    following = self.load_records(rounding)
                self.now += self.arch.post_interval + int(rng.integers(0, 4) if rng.random() < 0.3 else 0)
            self.now = max(self.now, start + self.arch.header_words)

    def check(self, simulate):
        dut = PostProcessor(self.arch)
        trace = simulate(dut, [self.inputs[n] for n in range(self.now)], tail=done_latency(self.arch) + 1)
        writes = [(n, out["write_addr"], self.flat.unpack(out["write_data"], 8, out["write_lanes"]))
                  for n, out in enumerate(trace) if out["write_valid"]]  # fmt: skip
        assert writes == self.writes
        assert [n for n, out in enumerate(trace) if out["done"]] == self.done


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("lanes,post_lanes,axi_bytes", [(8, 4, 8), (16, 4, 16), (16, 16, 16), (8, 1, 8)])
def test_commands(simulate, flat, profile, lanes, post_lanes, axi_bytes):
    rng = np.random.default_rng([lanes, post_lanes])
    timeline = Timeline(_arch(lanes, post_lanes, profile, axi_bytes), rng, flat)
    for n in range(12):
        if n % 4 == 2:
            timeline.now += post_latency(timeline.arch) + lanes  # the Program waits before it loads a table
            timeline.load_table()
        timeline.command(groups=int(rng.integers(1, 4)), vectors=int(rng.integers(1, 6)))
    assert len(timeline.writes) > 50
    timeline.check(simulate)


def test_last_slice_that_writes_nothing_is_done(simulate, flat):
    """Three lanes of eight in slices of two: two writes, then two empty slices, then done."""
    arch = _arch(8, 2)
    dut, cycle = PostProcessor(arch), {"valid": 1, "new_group": 1, "last": 1, "out_lanes": 3, "low": -128, "high": 127}
    trace = simulate(dut, [cycle], tail=done_latency(arch) + 3)
    assert [n - dut.LATENCY for n, out in enumerate(trace) if out["write_valid"]] == [0, 1]
    assert [n - dut.LATENCY for n, out in enumerate(trace) if out["done"]] == [3]
