# SPDX-License-Identifier: Apache-2.0
"""Random single compute commands in random geometry, wrapped into Programs that load and store the whole SRAM.

`pick(low, high)` is the only source of choices about shape, so that Hypothesis can shrink a failure; memory contents
come from a seeded generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from esl_ref.arch import Arch
from esl_ref.machine.post import header_words_of
from esl_ref.numerics import Profile
from esl_ref.program.commands import Command
from esl_ref.program.dense import load_command
from esl_ref.program.fields import Opcode, Rounding
from esl_ref.program.image import CommandInfo, Program, Surface, header_command
from tests.helpers.dense import whole_words

__all__ = ["KINDS", "SMALL", "CommandCase", "make_case", "program_of"]

Pick = Callable[[int, int], int]
SMALL = Arch(
    name="small", lanes=8, post_lanes=4, act_bytes=4096, weight_words=256, line_depth=16, window_rows=3, window_cols=3
)


@dataclass
class CommandCase:
    """One compute command and the memories it starts with."""

    arch: Arch
    command: Command
    act: bytes
    weights: bytes
    table: bytes

    def program(self) -> Program:
        return program_of(self.arch, [self.command], self.weights, self.table)

    def inputs(self) -> dict[str, np.ndarray]:
        return {"before": np.frombuffer(self.act, np.int8)}


def program_of(arch: Arch, commands: list[Command], weights: bytes, table: bytes) -> Program:
    """Load SRAM, weights and table, run the commands one after another, store the SRAM as output 'after'."""
    whole = {"buf_wrap": arch.act_bytes, "row_step": 0, "rows": 1, "row_bytes": arch.act_bytes}
    loads = (
        load_command(arch.weight_words, whole_words(arch), arch),
        Command(Opcode.LOAD_TABLE, {"offset": len(weights)}),
        Command(Opcode.LOAD_ROWS, {"base": 1, **whole}),
    )
    waiting = [
        c.replace(need_load=1, wait_load=3, need_compute=1, wait_compute=i) for i, c in enumerate(commands)
    ]  # fmt: skip
    count = len(commands)
    store = Command(Opcode.STORE_ROWS, {"base": 2, **whole, "need_compute": 1, "wait_compute": count,
                                        "need_load": 1, "wait_load": 3})  # fmt: skip
    stream = (header_command(arch), *loads, *waiting, store, Command(Opcode.END, {}))
    surfaces = tuple(
        Surface(name, base, 0, (arch.act_bytes,), arch.act_bytes, 1, arch.act_bytes, direction=way)
        for name, base, way in (("before", 1, "in"), ("after", 2, "out"))
    )
    debug = tuple(CommandInfo(op=c.opcode.name.lower()) for c in stream)
    return Program(arch, stream, weights + table, surfaces, debug=debug, name="random command")


class _Builder:
    """Fields of one command, buffers placed one behind the other."""

    def __init__(self, arch: Arch, pick: Pick, seed: int) -> None:
        self.arch, self.pick = arch, pick
        self.rng = np.random.default_rng(seed)
        self.cursor = pick(0, 5)
        self.fields: dict[str, int] = {}
        self.groups = pick(1, 3)
        self.last = pick(1, arch.lanes)
        self.channels = (self.groups - 1) * arch.lanes + self.last
        self.weights = self.rng.integers(-128, 128, (arch.weight_words, arch.lanes, arch.lanes), np.int8)

    def buffer(self, row_bytes: int, rows: int) -> tuple[int, int, int, int]:
        """(base, wrap, start, row step) of a new rolling buffer with room for `rows` rows, start anywhere."""
        step = row_bytes + self.pick(0, 3)
        base, wrap = self.cursor, rows * step
        self.cursor += wrap + self.pick(0, 4)
        start = self.pick(0, rows - 1) * step + self.pick(0, step - row_bytes)
        return base, wrap, start, step % wrap

    def ofm(self, rows: int, columns: int) -> None:
        pixel = self.channels + self.pick(0, 2)
        base, wrap, start, step = self.buffer(columns * pixel, rows + self.pick(0, 1))
        self.fields |= {
            "ofm_base": base, "ofm_wrap": wrap, "ofm_start": start, "ofm_row_step": step, "ofm_pix_step": pixel,
            "oy_count": rows, "ox_count": columns, "groups": self.groups, "last_lanes": self.last,
        }  # fmt: skip

    def epilogue(self, words: int, magnitude: int) -> None:
        """Records, clamp, table; `words` weight words per group; results of about `magnitude` land in int8."""
        low, high = sorted((self.pick(-128, 127), self.pick(-128, 127)))
        if self.pick(0, 2):
            low, high = -128, 127
        first = self.pick(0, 3)
        self.fields |= {
            "zero_out": self.pick(-128, 127), "low": low, "high": high, "table": self.pick(0, 1),
            "wgt_header": first, "wgt_first": first + self.arch.header_words,
            "wgt_step": self.arch.header_words + words,
        }  # fmt: skip
        if not words:
            self.fields.pop("wgt_first")
        lanes = self.groups * self.arch.lanes
        bias = self.rng.integers(-magnitude, magnitude + 1, lanes).astype("<i4")
        multiplier = self.rng.integers(1 << 30, 1 << 31, lanes).astype("<i4")
        shift = (7 - int(magnitude).bit_length() + self.rng.integers(-2, 2, lanes)).astype(np.int8)
        if self.fields.get("rounding") == Rounding.AVERAGE:
            # 0 <= sum + bias, and the reciprocal of a count.
            bias, shift = np.abs(bias), np.minimum(shift, 0)
        self.records = np.zeros((lanes, self.arch.header_words * self.arch.lanes), np.int8)
        self.records[:, 0:4] = bias.view(np.int8).reshape(lanes, 4)
        self.records[:, 4:8] = multiplier.view(np.int8).reshape(lanes, 4)
        self.records[:, 8] = shift

    def case(self, opcode: Opcode) -> CommandCase:
        command = Command(opcode, self.fields)
        words = header_words_of(command, self.arch)
        grouped = self.records.reshape(self.groups, self.arch.lanes, self.arch.header_words, self.arch.lanes)
        self.weights[words] = grouped.transpose(0, 2, 1, 3)
        act = self.rng.integers(-128, 128, self.arch.act_bytes, np.int8)
        table = self.rng.integers(-128, 128, 256, np.int8)
        return CommandCase(self.arch, command, act.tobytes(), self.weights.tobytes(), table.tobytes())

    def group_words(self, count: int) -> np.ndarray:
        """Indices of the kernel words, [groups, count]."""
        step = self.fields["wgt_step"] * np.arange(self.groups)[:, None]
        return self.fields["wgt_first"] + step + np.arange(count)

    def kernel(self, height: int, width: int, kh: int, kw: int, pixel: int) -> tuple[int, int, int]:
        """Window geometry over a map of height x width pixels; (output rows, columns, horizontal dilation)."""
        sy, sx, dy, dx = (self.pick(1, 3), self.pick(1, 3), self.pick(1, 2), self.pick(1, 2))
        top, left = self.pick(0, kh), self.pick(0, kw)
        bottom, right = self.pick(0, kh), self.pick(0, kw)
        rows = max(1, (height + top + bottom - dy * (kh - 1) - 1) // sy + 1)
        columns = max(1, (width + left + right - dx * (kw - 1) - 1) // sx + 1)
        row_bytes = width * pixel
        base, wrap, start, step = self.buffer(row_bytes, height)
        self.fields |= {
            "ifm_base": base, "ifm_wrap": wrap, "ifm_start": start, "pad_value": self.pick(-128, 127),
            "ifm_y0": -top, "ifm_rows": height, "ifm_row_bytes": row_bytes, "ky_count": kh,
            "oy_rows": sy, "ky_rows": dy, "oy_step": sy * step % wrap, "ky_step": dy * step % wrap,
            "ifm_x0": -left * pixel, "ox_step": sx * pixel,
        }  # fmt: skip
        # Row ifm_y0 is in the padding: its offset is where it would be, so that row 0 is at `start`.
        self.fields["ifm_start"] = (start - top * step) % wrap
        return rows, columns, dx

    def map(self) -> tuple[int, int, int, int]:
        """Height, width of the ifm, height and width of the kernel."""
        return self.pick(1, 6), self.pick(1, 6), self.pick(1, 4), self.pick(1, 4)


def _conv(b: _Builder) -> Opcode:
    height, width, kh, kw = b.map()
    split = b.pick(0, 1)  # channels of the ifm split over the groups
    per_group = b.pick(1, 9)
    pixel = per_group * (b.groups if split else 1)
    rows, columns, dx = b.kernel(height, width, kh, kw, pixel)
    dense = not split and dx == 1 and b.pick(0, 1)
    run = kw * pixel if dense else per_group
    chunks = -(-run // b.arch.lanes)
    b.fields |= {
        "kx_count": 1 if dense else kw, "kx_step": dx * pixel, "chunks": chunks,
        "last_bytes": run - (chunks - 1) * b.arch.lanes, "group_step": per_group if split else 0,
    }  # fmt: skip
    b.ofm(rows, columns)
    words = kh * b.fields["kx_count"] * chunks
    b.epilogue(words, 100 * kh * kw * pixel * 20)
    unused = b.group_words(words)[:, chunks - 1 :: chunks]
    for word in unused.ravel():
        b.weights[word, :, b.fields["last_bytes"] :] = 0
    return Opcode.CONV


def _depthwise_like(b: _Builder) -> tuple[int, int]:
    height, width, kh, kw = b.map()
    rows, columns, dx = b.kernel(height, width, kh, kw, b.channels)
    b.fields |= {"kx_count": kw, "kx_step": dx * b.channels, "chunks": 1, "group_step": b.arch.lanes}
    b.ofm(rows, columns)
    return kh, kw


def _taps(b: _Builder) -> Opcode:
    kh, kw = _depthwise_like(b)
    lanes = b.arch.lanes
    words = -(-kh * kw // lanes)
    b.epilogue(words, 5000 * kh * kw)
    if kh * kw % lanes:
        b.weights[b.group_words(words)[:, -1], :, kh * kw % lanes :] = 0
    return Opcode.DEPTHWISE_TAPS


def _pool(b: _Builder) -> Opcode:
    kh, kw = _depthwise_like(b)
    b.fields |= {"pool_sum": b.pick(0, 1), "rounding": b.pick(0, 2 if b.arch.profile is Profile.TFLITE else 1)}
    b.epilogue(0, 128 * kh * kw)
    return Opcode.POOL


def _window(b: _Builder) -> Opcode:
    arch = b.arch
    column = b.pick(0, 1)
    depth = arch.window_rows if column else 1
    used = depth * (arch.lanes // depth)
    columns_wide = b.pick(1, arch.window_cols if column else arch.lanes)
    chunks = -(-columns_wide * depth // used)
    height, width, pixel = b.pick(1, 6), b.pick(1, 6), b.channels
    base, wrap, start, step = b.buffer(width * pixel, height)
    passes, cols = b.pick(1, height + 3), b.pick(1, min(width + 3, arch.line_depth))
    top, left = b.pick(0, 2), b.pick(0, 2)
    fire_row, fire_col = b.pick(0, passes - 1), b.pick(0, cols - 1)
    stride_y, stride_x = b.pick(1, 3), b.pick(1, 3)
    b.fields |= {
        "ifm_base": base, "ifm_wrap": wrap, "ifm_start": (start - top * step) % wrap, "ifm_y0": -top,
        "ifm_x0": -left * pixel, "ifm_rows": height, "ifm_row_bytes": width * pixel, "ky_step": step,
        "kx_step": pixel, "group_step": arch.lanes, "pad_value": b.pick(-128, 127), "column": column,
        "passes": passes, "cols": cols, "fire_row": fire_row, "fire_col": fire_col, "oy_rows": stride_y,
        "col_stride": stride_x, "chunks": chunks,
        "spread": b.pick(0, arch.lanes.bit_length() - 1) if b.pick(0, 1) else 0,
    }  # fmt: skip
    b.ofm(-(-(passes - fire_row) // stride_y), -(-(cols - fire_col) // stride_x))
    b.epilogue(chunks, 5000 * columns_wide * depth)
    words = b.group_words(chunks)
    for cycle in range(chunks):
        b.weights[words[:, cycle], :, used:] = 0
        first_unused = max(0, columns_wide * depth - cycle * used)
        b.weights[words[:, cycle], :, first_unused:] = 0
    return Opcode.DEPTHWISE_WINDOW


def _eltwise(b: _Builder) -> Opcode:
    rows, columns = b.pick(1, 5), b.pick(1, 5)
    a_pixel, b_pixel = b.channels + b.pick(0, 2), b.channels + b.pick(0, 2)
    a = b.buffer(columns * a_pixel, rows)
    second = b.buffer(columns * b_pixel, rows)
    mode = b.pick(0, 2)
    b.fields |= {
        "ifm_base": a[0], "ifm_wrap": a[1], "ifm_start": a[2], "oy_step": a[3], "ox_step": a_pixel,
        "group_step": b.arch.lanes, "ifm2_base": second[0], "ifm2_wrap": second[1], "ifm2_start": second[2],
        "ifm2_row_step": second[3], "ifm2_pix_step": b_pixel, "ifm2_group_step": b.arch.lanes,
        "zero_a": b.pick(-128, 127), "zero_b": b.pick(-128, 127), "shift_a": b.pick(0, 8), "shift_b": b.pick(0, 8),
        "mul_a": b.pick(1 << 30, (1 << 31) - 1), "mul_b": b.pick(1 << 30, (1 << 31) - 1),
        "elt_mul": mode == 1, "elt_sub": mode == 2,
    }  # fmt: skip
    b.ofm(rows, columns)
    b.epilogue(0, 1 << 14 if mode == 1 else 1 << 27)
    return Opcode.ELTWISE


KINDS = {"conv": _conv, "taps": _taps, "window": _window, "pool": _pool, "eltwise": _eltwise}


def make_case(kind: str, pick: Pick, seed: int, arch: Arch = SMALL) -> CommandCase:
    """A legal command of one kind."""
    builder = _Builder(arch, pick, seed)
    return builder.case(KINDS[kind](builder))
