# SPDX-License-Identifier: Apache-2.0
"""Vectors of single units, corner cases first: ties, saturation, extremes of every field, padding.

Each function gives lines of (stimulus fields, expected fields); a field left out of the expected ones is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from esl_ref.arch import Arch
from esl_ref.numerics import INT32_MAX, INT32_MIN, Profile, Requant, requantise

__all__ = ["Line", "Unit", "array_unit", "requantise_unit", "window_unit"]

_RANDOM = 400
_BOUND = 511


@dataclass(frozen=True)
class Line:
    """One cycle: field values, two's complement where negative; `care` limits the bits compared of a field."""

    stimulus: dict[str, int]
    expected: dict[str, int]
    care: dict[str, int]


@dataclass(frozen=True)
class Unit:
    """Fields as (name, bits) from the lowest bit up, and the lines. `about` says what the fields mean."""

    name: str
    about: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]


def _legal(acc: int, bias: int, shift: int, profile: Profile) -> bool:
    total = acc if profile is Profile.MUL_ADD_SHIFT else acc + bias
    moved = total << max(shift, 0)
    return INT32_MIN <= total <= INT32_MAX and INT32_MIN <= moved <= INT32_MAX


def _corner_records(profile: Profile) -> Iterator[tuple[int, int, int, int]]:
    """(acc, bias, multiplier, shift)."""
    scaled = profile in (Profile.TFLITE, Profile.SINGLE, Profile.EVEN)
    multipliers = (1,) if profile is Profile.POW2 else (1 << 30, (1 << 30) + 1, INT32_MAX, 1518500250)
    for shift in (0, -1, -2, -7, -15, -30, -31, *((1, 7, 30) if scaled else ())):
        for multiplier in multipliers:
            step = 1 << max(-shift, 0)
            ties = [k * step // 2 for k in (-5, -3, -1, 1, 3, 5)]
            for acc in (0, 1, -1, *ties, 255, -256, 1 << 20, -(1 << 20), INT32_MAX, INT32_MIN, INT32_MAX - 1):
                for bias in (0, 1, -1, step // 2, INT32_MAX, INT32_MIN):
                    yield acc, bias, multiplier, shift


def _random_records(profile: Profile, rng: np.random.Generator) -> Iterator[tuple[int, int, int, int]]:
    for _ in range(_RANDOM):
        shift = int(rng.integers(-24, 1))
        multiplier = 1 if profile is Profile.POW2 else int(rng.integers(1 << 30, 1 << 31))
        yield int(rng.integers(-(1 << 24), 1 << 24)), int(rng.integers(-(1 << 20), 1 << 20)), multiplier, shift


def requantise_unit(arch: Arch, seed: int = 1) -> Unit:
    """One lane of the post-processor in the architecture's profile, its result saturated to 10 bits; where that rounds
    twice, with rounding ONCE, too."""
    profile, lines = arch.profile, []
    modes = {0: profile, 1: Profile.SINGLE} if profile is Profile.TFLITE else {0: profile}
    records = [*_corner_records(profile), *_random_records(profile, np.random.default_rng(seed))]
    for acc, bias, multiplier, shift in records:
        if not _legal(acc, bias, shift, profile) or not INT32_MIN <= bias <= INT32_MAX:
            continue
        add = np.array([bias]) if profile is Profile.MUL_ADD_SHIFT else None
        total = acc if profile is Profile.MUL_ADD_SHIFT else acc + bias
        for once, rounding in modes.items():
            requant = Requant(np.array([multiplier]), np.array([shift]), rounding, add)
            value = int(requantise(np.array([total]), requant)[0])
            out = max(-_BOUND - 1, min(_BOUND, value))
            fields = {"acc": acc, "bias": bias, "multiplier": multiplier, "shift": shift, "average": 0, "once": once}
            lines.append(Line(fields, {"out": out}, {}))
    inputs = (("acc", 32), ("bias", 32), ("multiplier", 32), ("shift", 8), ("average", 1), ("once", 1))
    about = f"out = requantise(acc + bias, multiplier, shift) in profile {profile.value}, saturated to 10 bits"
    about += "; with `once`, in profile single" if len(modes) > 1 else ""
    return Unit("requantise", about, inputs, (("out", 10),), tuple(lines))


def _pack(values: np.ndarray, bits: int) -> int:
    mask = (1 << bits) - 1
    return sum((int(v) & mask) << (bits * i) for i, v in enumerate(values.ravel()))


def _array_cases(lanes: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(vectors [n, lanes], weights [n, out lane, lanes]) of one sum each."""
    for x, w in ((-128, -128), (-128, 127), (127, 127), (127, -128), (0, -128), (-1, 1)):
        yield np.full((2, lanes), x), np.full((2, lanes, lanes), w)
    for i in range(lanes):  # one multiplier at a time
        vector, weight = np.zeros((1, lanes), int), np.zeros((1, lanes, lanes), int)
        vector[0, i], weight[0, :, i] = -128, np.arange(lanes) - lanes // 2
        yield vector, weight
    for length in (1, 2, 3, 5, 9, 1):
        yield rng.integers(-128, 128, (length, lanes)), rng.integers(-128, 128, (length, lanes, lanes))


def array_unit(arch: Arch, seed: int = 1) -> Unit:
    """The multiplier array: sums over one or more weight words, back to back and with idle cycles between."""
    lanes, rng, lines = arch.lanes, np.random.default_rng(seed), []
    idle = {"valid": 0, "first": 0, "last": 0, "use_window": 0, "vector": 0, "weights": 0}
    for number, (vectors, weights) in enumerate(_array_cases(lanes, rng)):
        total = np.zeros(lanes, np.int64)
        for k, (x, w) in enumerate(zip(vectors, weights, strict=True)):
            total += w @ x
            last = k == len(vectors) - 1
            fields = {"valid": 1, "first": int(k == 0), "last": int(last), "use_window": 0,
                      "vector": _pack(x, 8), "weights": _pack(w, 8)}  # fmt: skip
            lines.append(Line(fields, {"out_valid": int(last), **({"acc": _pack(total, 32)} if last else {})}, {}))
        if number % 3 == 0:
            lines.append(Line(idle, {"out_valid": 0}, {}))
    inputs = (
        ("valid", 1),
        ("first", 1),
        ("last", 1),
        ("use_window", 1),
        ("vector", 8 * lanes),
        ("weights", 8 * lanes**2),
    )
    about = "acc[o] = sum of vector[i] * weights[o * lanes + i] from `first` to `last`; out_valid with it"
    return Unit("array", about, inputs, (("out_valid", 1), ("acc", 32 * lanes)), tuple(lines))


class _WindowModel:
    """Line buffers and tap register in column mode, as docs/program.md (DEPTHWISE_WINDOW) has them."""

    def __init__(self, arch: Arch) -> None:
        self.rows, self.cols, self.lanes = arch.window_rows, arch.window_cols, arch.lanes
        self.buffers = np.zeros((self.rows - 1, arch.line_depth, self.lanes), np.int64)
        self.columns = np.zeros((self.cols, self.rows, self.lanes), np.int64)

    def visit(self, column: int, vector: np.ndarray, older: int, start: bool, pad: int) -> None:
        stored = self.buffers[:, column].copy()
        self.buffers[0, column], self.buffers[1:, column] = vector, stored[:-1]
        newest = [vector] + [stored[a] if older >> a & 1 else np.full(self.lanes, pad) for a in range(self.rows - 1)]
        rest = np.full_like(self.columns[:-1], pad) if start else self.columns[:-1]
        self.columns = np.concatenate([np.array([newest]), rest])

    def taps(self, chunk: int, per_chunk: int) -> dict[int, np.ndarray]:
        """Tap number -> its channels, of the whole columns of a chunk."""
        chosen = self.columns[chunk * per_chunk : (chunk + 1) * per_chunk]
        return dict(enumerate(chosen.reshape(-1, self.lanes)))


def window_unit(arch: Arch, seed: int = 1) -> Unit:
    """Line buffers and window in column mode over passes with padding above, to the left and of extreme values."""
    from math import ceil

    lanes, rng, model, lines = arch.lanes, np.random.default_rng(seed), _WindowModel(arch), []
    per_chunk, width = arch.lanes // arch.window_rows, 6
    chunks = ceil(arch.window_cols / per_chunk)
    width = min(width, arch.line_depth)
    zero = {"line_read": 0, "line_early": 0, "shift": 0, "column": 1, "row_start": 0, "older_valid": 0, "vector": 0,
            "pad": 0, "chunk": 0}  # fmt: skip
    for step in range(4 * width):
        row, column = divmod(step, width)
        pad = (-128, 127, 0, -1)[row]
        older = ((1 << row) - 1) & ((1 << (arch.window_rows - 1)) - 1)
        vector = rng.choice([-128, 127, 0], lanes) if row == 1 else rng.integers(-128, 128, lanes)
        lines.append(Line({**zero, "line_read": 1, "line_early": column}, {}, {}))
        lines.append(Line({**zero, "shift": 1, "row_start": int(column == 0), "older_valid": older,
                           "vector": _pack(vector, 8), "pad": pad & 255}, {}, {}))  # fmt: skip
        model.visit(column, vector, older, column == 0, pad)
        for chunk in range(chunks):
            taps = model.taps(chunk, per_chunk)
            value = sum(_pack(v, 8) << (8 * lanes * i) for i, v in taps.items())
            care = sum(((1 << (8 * lanes)) - 1) << (8 * lanes * i) for i in taps)
            lines.append(Line({**zero, "chunk": chunk}, {"taps": value}, {"taps": care}))
    depth_bits, chunk_bits = (arch.line_depth - 1).bit_length(), max(1, (chunks - 1).bit_length())
    inputs = (("line_read", 1), ("line_early", depth_bits), ("shift", 1), ("column", 1), ("row_start", 1),
              ("older_valid", arch.window_rows - 1), ("vector", 8 * lanes), ("pad", 8),
              ("chunk", chunk_bits))  # fmt: skip
    about = (
        "line_read one cycle before shift; from the cycle after it tap i of chunk j is column age j * T + i div rows"
    )
    return Unit("window", about, inputs, (("taps", 8 * lanes**2),), tuple(lines))
