# SPDX-License-Identifier: Apache-2.0
"""Tasks: what one layer asks of the compute engine, before it is cut into commands.

An operator becomes one task, or several where the hardware sees several layers: one per group of a grouped
convolution, one per border region of a padded average pool, one per phase of an upsampling.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from esl_ref.compiler.views import View
from esl_ref.program.dense import WordPattern
from esl_ref.program.fields import Opcode, Rounding

__all__ = ["Operands", "Part", "Parts", "Post", "Share", "Task", "Weights"]


@dataclass(frozen=True)
class Weights:
    """Packed weight words, uint8 [groups, words, lanes * lanes]; a group starts with its records, `header` words a set.

    channels   output channels: the last group's lanes beyond them are not loaded
    run        words of a run, and bytes of a lane used in its words but the last, and in the last
    variants   kernel row ranges, one set of records each: a border that leaves out padding rows needs a bias of its own
    shared     one group's words serve all groups of the task (pooling, elementwise)
    """

    words: npt.NDArray[np.uint8]
    header: int
    channels: int
    run: tuple[int, int, int] = (1, 1, 1)
    shared: bool = False
    variants: tuple[tuple[int, int], ...] = ()

    def records_of(self, kernel_rows: tuple[int, int]) -> int:
        """Word of a group at which the records for these kernel rows start."""
        return self.variants.index(kernel_rows) * self.header if self.variants else 0

    @property
    def first(self) -> int:
        """Word of a group at which its weights start."""
        return self.header * max(1, len(self.variants))

    def equals(self, other: Weights) -> bool:
        """Whether both are the same words in the same order."""
        alike = (self.header, self.shared, self.variants) == (other.header, other.shared, other.variants)
        return alike and np.array_equal(self.words, other.words)

    @property
    def per_group(self) -> int:
        """Weight words of a group, records included."""
        return int(self.words.shape[1])

    def chunk(self, first: int, last: int) -> npt.NDArray[np.uint8]:
        """Words of groups [first, last), all of them if shared."""
        return self.words if self.shared else self.words[first:last]

    def pattern(self, last: int, lanes: int) -> WordPattern:
        """Which bytes of groups up to `last` lie in memory."""
        groups = len(self.words)
        used = self.channels - (groups - 1) * lanes if self.shared or last == groups else lanes
        return WordPattern(self.per_group, self.first, *self.run, used)


@dataclass(frozen=True)
class Post:
    """What follows the accumulator: output zero point, clamp, rounding, table (uint8 [256] image of q + 128)."""

    zero: int
    low: int
    high: int
    rounding: Rounding = Rounding.PROFILE
    table: bytes | None = None


@dataclass(frozen=True)
class Operands:
    """ELTWISE: zero points, multipliers and right shifts of both operands."""

    zero: tuple[int, int]
    multiplier: tuple[int, int] = (0, 0)
    shift: tuple[int, int] = (0, 0)
    mul: bool = False
    sub: bool = False


@dataclass(frozen=True)
class Share:
    """Number `number` of `count` tasks that sum up one result in the accumulator slots from `base`."""

    number: int
    count: int
    base: int

    @property
    def last(self) -> bool:
        """Whether this one finishes the sums and writes the results."""
        return self.number == self.count - 1


@dataclass(frozen=True)
class Part:
    """Products that a command of its own sums: some taps of the kernel, or one addend of weights that int8 cannot hold.

    kernel     (rows, columns) of its taps, `every`-th rows and columns of the kernel from tap `at` on
    word       weight word at which its weights start, counted from the first of the group's weights
    chunks     array cycles per window (DEPTHWISE_WINDOW) or run (CONV)
    column     whether rows go through the line buffers (DEPTHWISE_WINDOW)
    run        (first byte, bytes) of each run that it takes (CONV)
    groups     channel groups with weights other than zero, None for all
    """

    kernel: tuple[int, int]
    at: tuple[int, int] = (0, 0)
    every: tuple[int, int] = (1, 1)
    word: int = 0
    chunks: int = 1
    column: bool = False
    run: tuple[int, int] = (0, 0)
    groups: frozenset[int] | None = None

    def adds_to(self, group: int) -> bool:
        """Whether sums of a channel group have products of it."""
        return self.groups is None or group in self.groups


@dataclass(frozen=True)
class Parts:
    """Sums of several commands each, in accumulator slots from 0 on, `slots` of them at most; see `parts`.

    wide     columns of results under way at a time, where not all results are
    columns  line buffers there are: results of a single part are under way in strips that fit these
    keeps    line buffers hold the rows of all parts, so that the next rows of results need not read them again
    """

    each: tuple[Part, ...]
    slots: int
    wide: int
    columns: int
    keeps: bool = False


@dataclass(frozen=True)
class Task:
    """One hardware layer: `ofm` = opcode(`ifm`).

    op, tensor     operator and output tensor, for reports
    kernel         (rows, columns); stride, dilation likewise, in ifm rows and columns
    origin         ifm (row, column) under kernel tap (0, 0) for output pixel (0, 0); negative in the padding
    pad_value      byte read outside the map
    run            CONV: bytes of one run, and runs per kernel row in `runs`, `run_step` bytes apart
    column         DEPTHWISE_WINDOW: whether rows go through the line buffers
    lines          DEPTHWISE_WINDOW: first line buffer column; with `keeps` each strip goes on where the last stopped
    acc_base       first accumulator slot of sums that are spread over commands, None if they are not
    share          its part in sums that several tasks make together, see `fan_in`
    parts          commands that each of its sums is made of, None for one
    chunks         array cycles per run (CONV) or per window (DEPTHWISE_WINDOW)
    pixels         pixels of the tensor in one of `ofm`, see `side_by_side`
    spread         DEPTHWISE_WINDOW: 2**spread output channels share an ifm channel, all of them the only one
    streamed       the same layer by other commands, which may be fewer cycles for a strip of few rows
    """

    op: str
    tensor: str
    layer: int
    opcode: Opcode
    ifm: View
    ofm: View
    weights: Weights
    post: Post
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    origin: tuple[int, int] = (0, 0)
    pad_value: int = 0
    ifm2: View | None = None
    operands: Operands | None = None
    run: int = 0
    runs: int = 1
    run_step: int = 0
    chunks: int = 1
    column: bool = False
    lines: int = 0
    keeps: bool = False
    acc_base: int | None = None
    share: Share | None = None
    parts: Parts | None = None
    pool_sum: bool = False
    pixels: int = 1
    spread: int = 0
    macs: int = 0
    streamed: Task | None = None

    def replace(self, **changes: object) -> Task:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    @property
    def inputs(self) -> tuple[View, ...]:
        """The views that it reads."""
        return (self.ifm,) if self.ifm2 is None else (self.ifm, self.ifm2)

    @property
    def views(self) -> tuple[View, ...]:
        """The views that it reads, and the one it writes."""
        return (*self.inputs, self.ofm)

    def groups(self, lanes: int) -> int:
        """Groups of output channels."""
        return -(-self.ofm.channels // lanes)

    @property
    def copies(self) -> bool:
        """Whether every vector is read from where its result may go: the in-place rule."""
        pointwise = self.opcode is Opcode.ELTWISE or (self.opcode is Opcode.POOL and self.kernel == (1, 1))
        return pointwise and self.stride == (1, 1) and self.origin == (0, 0)

    def ifm_rows(self, first: int, last: int, part: tuple[int, int] | None = None) -> tuple[int, int]:
        """Rows [low, high) of the ifm that output rows first..last - 1 read (with just kernel rows `part`), clipped to
        the map."""
        if self.ifm.row_stride == 0:
            return 0, 1
        top, bottom = part or (0, self.kernel[0])
        low = self.origin[0] + first * self.stride[0] + top * self.dilation[0]
        if self.keeps and (first > 0 or self.parts is None):
            low = self.visited(first)
        high = self.origin[0] + (last - 1) * self.stride[0] + (bottom - 1) * self.dilation[0] + 1
        return max(low, 0), min(high, self.ifm.height)

    def visited(self, first: int) -> int:
        """First ifm row that output row `first` adds to those that the windows above it, or their parts, have met."""
        above = (first - 1) * self.stride[0]
        if self.parts is None:
            return self.origin[0] + above + self.kernel[0]
        return min(self.origin[0] + p.at[0] + above + p.every[0] * p.kernel[0] for p in self.parts.each)

    def part_slots(self, lanes: int) -> int:
        """Accumulator slots with which its sums may be spread over commands, one for each result of a pooling sum with
        one row of them; 0 if they may not."""
        spreads = self.pool_sum and self.ofm.height == 1 and self.kernel[0] > 1
        return self.groups(lanes) * self.ofm.width if spreads else 0
