# SPDX-License-Identifier: Apache-2.0
"""docs/program.md, "Compute commands", as plain loops on Python integers: slow, and independent of the ESL machine.

Nothing here is shared with esl_ref.machine. Reads follow the page literally, byte by byte.
"""

from __future__ import annotations

from fractions import Fraction

from esl_ref.arch import Arch
from esl_ref.numerics import Profile
from esl_ref.program.commands import Command
from esl_ref.program.fields import Opcode


def signed8(value: int) -> int:
    return (value & 0xFF) - 256 if value & 0x80 else value & 0xFF


def high_mul(a: int, b: int) -> int:
    """gemmlowp SaturatingRoundingDoublingHighMul with C's truncating division."""
    nudge = (1 << 30) if a * b >= 0 else 1 - (1 << 30)
    total = a * b + nudge
    return min(abs(total) // (1 << 31) * (1 if total >= 0 else -1), (1 << 31) - 1)


def divide_by_pot(x: int, n: int) -> int:
    """To nearest, ties away from zero."""
    if n == 0:
        return x
    magnitude = (abs(x) + (1 << (n - 1))) >> n
    return magnitude if x >= 0 else -magnitude


class NaiveMachine:
    """Memories as lists; `compute(command)` runs one compute command."""

    def __init__(self, arch: Arch, act: bytes, weights: bytes, table: bytes) -> None:
        self.arch = arch
        self.act = [signed8(b) for b in act]
        self.weights = weights
        self.table = [signed8(b) for b in table]

    def weight(self, word: int, lane: int, byte: int) -> int:
        return signed8(self.weights[word * self.arch.lanes**2 + lane * self.arch.lanes + byte])

    def record(self, c: Command, g: int, lane: int) -> tuple[int, int, int]:
        raw = []
        for b in range(9):
            word = c["wgt_header"] + g * c["wgt_step"] + b // self.arch.lanes
            raw.append(self.weight(word, lane, b % self.arch.lanes) & 0xFF)
        return (
            int.from_bytes(bytes(raw[0:4]), "little", signed=True),
            int.from_bytes(bytes(raw[4:8]), "little", signed=True),
            signed8(raw[8]),
        )

    def post(self, c: Command, g: int, lane: int, acc: int) -> int:
        bias, multiplier, shift = self.record(c, g, lane)
        if c["rounding"] == 1:
            m = (((abs(acc) + bias) << max(shift, 0)) * multiplier) >> 31 >> max(-shift, 0)
            v = -m if acc < 0 else m
        elif c["rounding"] == 2 and self.arch.profile is not Profile.TFLITE:
            raise ValueError("rounding ONCE is for TFLITE")
        elif c["rounding"] == 2 or self.arch.profile is Profile.SINGLE:
            v = ((acc + bias) * multiplier + (1 << (30 - shift))) >> (31 - shift)
        elif self.arch.profile is Profile.TFLITE:
            v = divide_by_pot(high_mul((acc + bias) << max(shift, 0), multiplier), max(-shift, 0))
        elif self.arch.profile is Profile.EVEN:
            v = round(Fraction((acc + bias) * multiplier, 1 << (31 - shift)))
        elif self.arch.profile is Profile.MUL_ADD_SHIFT:
            v = (acc * multiplier + bias) >> -shift
        else:
            v = (acc + bias + ((1 << (-shift)) >> 1)) >> -shift
        q = min(max(v + c["zero_out"], c["low"]), c["high"])
        return self.table[q + 128] if c["table"] else q

    def compute(self, c: Command) -> None:
        accumulate = {
            Opcode.CONV: self.conv,
            Opcode.DEPTHWISE_TAPS: self.taps,
            Opcode.POOL: self.pool,
            Opcode.ELTWISE: self.eltwise,
        }
        if c.opcode is Opcode.DEPTHWISE_WINDOW:
            return self.window(c)
        for g in range(c["groups"]):
            for oy in range(c["oy_count"]):
                for ox in range(c["ox_count"]):
                    self.emit(c, g, oy, ox, accumulate[c.opcode](c, g, oy, ox))
        return None

    def emit(self, c: Command, g: int, oy: int, ox: int, acc: list[int]) -> None:
        n = c["last_lanes"] if g == c["groups"] - 1 else self.arch.lanes
        at = c["ofm_base"] + (c["ofm_start"] + oy * c["ofm_row_step"]) % c["ofm_wrap"]
        at += ox * c["ofm_pix_step"] + g * self.arch.lanes
        for lane in range(n):
            self.act[at + lane] = self.post(c, g, lane, acc[lane])

    def row(self, c: Command, oy: int, ky: int) -> tuple[int, int]:
        """Row index and row offset."""
        index = c["ifm_y0"] + oy * c["oy_rows"] + ky * c["ky_rows"]
        return index, (c["ifm_start"] + oy * c["oy_step"] + ky * c["ky_step"]) % c["ifm_wrap"]

    def byte(self, address: int) -> int:
        """Lanes nobody uses may be read past the end of the SRAM."""
        return self.act[address] if 0 <= address < len(self.act) else 0

    def conv(self, c: Command, g: int, oy: int, ox: int) -> list[int]:
        lanes, acc, k = self.arch.lanes, [0] * self.arch.lanes, 0
        for ky in range(c["ky_count"]):
            iy, offset = self.row(c, oy, ky)
            for kx in range(c["kx_count"]):
                for chunk in range(c["chunks"]):
                    p = c["ifm_x0"] + ox * c["ox_step"] + kx * c["kx_step"] + chunk * lanes
                    for i in range(lanes):
                        padded = not 0 <= iy < c["ifm_rows"] or not 0 <= p + i < c["ifm_row_bytes"]
                        if padded or (chunk == c["chunks"] - 1 and i >= c["last_bytes"]):
                            x = c["pad_value"]
                        else:
                            x = self.byte(c["ifm_base"] + offset + p + i + g * c["group_step"])
                        for o in range(lanes):
                            acc[o] += x * self.weight(c["wgt_first"] + g * c["wgt_step"] + k, o, i)
                    k += 1
        return acc

    def vector(self, c: Command, g: int, iy: int, offset: int, p: int) -> list[int]:
        spread = c["spread"] if c.opcode is Opcode.DEPTHWISE_WINDOW else 0
        if not 0 <= iy < c["ifm_rows"] or not 0 <= p < c["ifm_row_bytes"]:
            return [c["pad_value"]] * self.arch.lanes
        start = c["ifm_base"] + offset + p + g * c["group_step"]
        return [self.byte(start + (i >> spread)) for i in range(self.arch.lanes)]

    def tap_vectors(self, c: Command, g: int, oy: int, ox: int) -> list[list[int]]:
        taps = []
        for ky in range(c["ky_count"]):
            iy, offset = self.row(c, oy, ky)
            for kx in range(c["kx_count"]):
                taps.append(self.vector(c, g, iy, offset, c["ifm_x0"] + ox * c["ox_step"] + kx * c["kx_step"]))
        return taps

    def taps(self, c: Command, g: int, oy: int, ox: int) -> list[int]:
        lanes, acc, fired = self.arch.lanes, [0] * self.arch.lanes, 0
        register = [[99] * lanes for _ in range(lanes)]  # what is left over from before does not matter
        taps = self.tap_vectors(c, g, oy, ox)
        for count, tap in enumerate(taps, 1):
            register = [tap, *register[:-1]]
            if count % lanes == 0 or count == len(taps):
                for o in range(lanes):
                    for i in range(lanes):
                        acc[o] += register[i][o] * self.weight(c["wgt_first"] + g * c["wgt_step"] + fired, o, i)
                fired += 1
        return acc

    def pool(self, c: Command, g: int, oy: int, ox: int) -> list[int]:
        lanes = zip(*self.tap_vectors(c, g, oy, ox), strict=True)
        return [sum(taps) if c["pool_sum"] else max(taps) for taps in lanes]

    def scale(self, q: int, zero: int, mul: int, shift: int) -> int:
        if self.arch.profile is Profile.TFLITE:
            return divide_by_pot(high_mul((q - zero) << 20, mul), shift)
        if self.arch.profile in (Profile.SINGLE, Profile.EVEN):
            return ((q - zero) * mul + (1 << (10 + shift))) >> (11 + shift)
        return ((q - zero) * mul) >> shift

    def eltwise(self, c: Command, g: int, oy: int, ox: int) -> list[int]:
        at_a = c["ifm_base"] + (c["ifm_start"] + oy * c["oy_step"]) % c["ifm_wrap"]
        at_a += ox * c["ox_step"] + g * c["group_step"]
        at_b = c["ifm2_base"] + (c["ifm2_start"] + oy * c["ifm2_row_step"]) % c["ifm2_wrap"]
        at_b += ox * c["ifm2_pix_step"] + g * c["ifm2_group_step"]
        acc = []
        for lane in range(self.arch.lanes):
            a, b = self.byte(at_a + lane), self.byte(at_b + lane)
            if c["elt_mul"]:
                acc.append((a - c["zero_a"]) * (b - c["zero_b"]))
            else:
                first = self.scale(a, c["zero_a"], c["mul_a"], c["shift_a"])
                second = self.scale(b, c["zero_b"], c["mul_b"], c["shift_b"])
                acc.append(first - second if c["elt_sub"] else first + second)
        return acc

    def window(self, c: Command) -> None:
        lanes = self.arch.lanes
        depth = self.arch.window_rows if c["column"] else 1
        used = depth * (lanes // depth)
        pad = [c["pad_value"]] * lanes
        for g in range(c["groups"]):
            visited: list[list[list[int]]] = []  # [pass][column][lane], as the line buffers saw them
            oy = 0
            for p in range(c["passes"]):
                iy, offset = c["ifm_y0"] + p, (c["ifm_start"] + p * c["ky_step"]) % c["ifm_wrap"]
                row = [self.vector(c, g, iy, offset, c["ifm_x0"] + col * c["kx_step"]) for col in range(c["cols"])]
                visited.append(row)
                columns: list[list[list[int]]] = []  # newest first: [column age][row age][lane]
                ox = 0
                row_fires = p >= c["fire_row"] and (p - c["fire_row"]) % c["oy_rows"] == 0
                for col in range(c["cols"]):
                    ages = [visited[p - a][col] if p - a >= 0 else pad for a in range(depth)]
                    columns.insert(0, ages)
                    if row_fires and col >= c["fire_col"] and (col - c["fire_col"]) % c["col_stride"] == 0:
                        acc = [0] * lanes
                        for j in range(c["chunks"]):
                            for i in range(used):
                                column_age, row_age = divmod(j * used + i, depth)
                                tap = columns[column_age][row_age] if column_age < len(columns) else pad
                                for o in range(lanes):
                                    w = self.weight(c["wgt_first"] + g * c["wgt_step"] + j, o, i)
                                    acc[o] += tap[o] * w
                        self.emit(c, g, oy, ox, acc)
                        ox += 1
                oy += row_fires
