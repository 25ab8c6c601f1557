# SPDX-License-Identifier: Apache-2.0
"""The architecture description: the only place with widths, depths and lane counts.

Planner, compiler, ESL machine, RTL, register map, documentation tables and co-simulation derive from one frozen `Arch`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from esl_ref.errors import ArchError
from esl_ref.numerics import Profile
from esl_ref.program.fields import COMMAND_WORDS, OLDER_ROWS, TABLE_BYTES

__all__ = ["MOST_ACT_BYTES", "PRESETS", "Arch", "Memory", "load"]

PRESETS = ("tiny", "base", "wide")
MOST_ACT_BYTES = 1 << 24
"""What the 24 bits of an SRAM address in a command reach."""

# Bytes of one lane's requantisation record: bias int32, multiplier int32, shift int8.
HEADER_BYTES = 9


@dataclass(frozen=True)
class Memory:
    """One kind of RAM macro in the RTL: `copies` identical memories of `depth` words of `width` bits."""

    name: str
    copies: int
    depth: int
    width: int

    @property
    def nbytes(self) -> int:
        """Bytes held by all copies, after rounding each to whole bits of its words."""
        return self.copies * self.depth * self.width // 8


@dataclass(frozen=True)
class Arch:
    """All parameters of one accelerator. Depths (`act_bytes`, `weight_words`, `line_depth`) are the planner's to set.

    lanes            multipliers per output lane, output lanes, and bytes of one activation access
    post_lanes       accumulators requantised per cycle; divides lanes
    act_bytes        activation SRAM, bytes
    weight_words     weight SRAM, words of lanes * lanes bytes
    line_depth       columns held by each line buffer of the depthwise window
    window_rows      rows of the depthwise window fed in parallel; window_rows - 1 line buffers
    window_cols      columns the window register holds
    axi_bytes        bytes of one AXI4 data beat; at most lanes
    burst_beats      longest AXI4 burst
    outstanding      read bursts in flight
    queue_depth      commands held by each of the load, store and compute queues
    tables           1 with the activation table, 0 without
    acc_words        accumulator slots (result vectors of int32) that commands can hand partial sums on in
    profile          rounding of the post-processor
    """

    name: str = "base"
    lanes: int = 16
    post_lanes: int = 16
    act_bytes: int = 64 * 1024
    weight_words: int = 128
    line_depth: int = 128
    window_rows: int = 5
    window_cols: int = 5
    axi_bytes: int = 8
    burst_beats: int = 32
    outstanding: int = 8
    queue_depth: int = 4
    acc_words: int = 16
    tables: int = 1
    profile: Profile = Profile.TFLITE

    def __post_init__(self) -> None:
        _require(self.lanes in (8, 16, 32, 64), "lanes must be a power of two from 8 to 64", self.lanes)
        _require(
            self.post_lanes >= 1 and self.lanes % self.post_lanes == 0, "post_lanes must divide lanes", self.post_lanes
        )
        _require(self.axi_bytes in (8, 16), "axi_bytes must be 8 or 16", self.axi_bytes)
        _require(
            self.axi_bytes <= self.lanes,
            f"axi_bytes must not exceed lanes = {self.lanes}, as a beat goes into one word of SRAM",
            self.axi_bytes,
        )
        _require(
            0 < self.act_bytes <= MOST_ACT_BYTES and self.act_bytes % (2 * self.lanes) == 0,
            f"act_bytes must be a multiple of {2 * self.lanes} up to {MOST_ACT_BYTES >> 20} MiB",
            self.act_bytes,
        )
        _require(2 <= self.weight_words <= 1 << 16, "weight_words must be 2 to 65536", self.weight_words)
        _require(2 <= self.line_depth <= 1 << 14, "line_depth must be 2 to 16384", self.line_depth)
        rows = min(self.lanes, OLDER_ROWS + 1)
        _require(2 <= self.window_rows <= rows, f"window_rows must be 2 to {rows}", self.window_rows)
        _require(2 <= self.window_cols <= 16, "window_cols must be 2 to 16", self.window_cols)
        _require(1 <= self.burst_beats <= 256, "burst_beats must be 1 to 256", self.burst_beats)
        _require(1 <= self.outstanding <= 32, "outstanding must be 1 to 32", self.outstanding)
        _require(1 <= self.queue_depth <= 64, "queue_depth must be 1 to 64", self.queue_depth)
        _require(self.tables in (0, 1), "tables must be 0 or 1", self.tables)
        _require(2 <= self.acc_words <= 128, "acc_words must be 2 to 128", self.acc_words)

    @property
    def word_bytes(self) -> int:
        """Bytes of one weight word: `lanes` bytes for each output lane."""
        return self.lanes * self.lanes

    @property
    def macs_per_cycle(self) -> int:
        """Multipliers: `lanes` for each output lane."""
        return self.lanes * self.lanes

    @property
    def header_words(self) -> int:
        """Weight words of one group's requantisation records."""
        return -(-HEADER_BYTES // self.lanes)

    @property
    def window_cols_per_chunk(self) -> int:
        """Whole window columns whose taps fit the multipliers of one lane."""
        return self.lanes // self.window_rows

    @property
    def post_interval(self) -> int:
        """Least cycles between two result vectors."""
        return self.lanes // self.post_lanes

    def memories(self) -> tuple[Memory, ...]:
        """Every memory the RTL instantiates: the fourth accounting, from the same parameters as the RTL."""
        lane_bits = 8 * self.lanes
        built = (
            Memory("act_sram", 2, self.act_bytes // (2 * self.lanes), lane_bits),
            Memory("weight_sram", self.lanes, self.weight_words, lane_bits),
            Memory("line_buffer", self.window_rows - 1, self.line_depth, lane_bits),
            Memory("accumulators", 1, self.acc_words, 4 * lane_bits),
            Memory("table", self.tables * self.post_lanes, TABLE_BYTES, 8),
            Memory("command_queue", 3, self.queue_depth * COMMAND_WORDS, 64),
        )
        return tuple(memory for memory in built if memory.copies)

    def memory_bytes(self) -> int:
        """On-chip bytes of all memories."""
        return sum(m.nbytes for m in self.memories())

    def to_dict(self) -> dict[str, int | str]:
        """Field name -> value, profile by name."""
        return {k: v.value if isinstance(v, Profile) else v for k, v in dataclasses.asdict(self).items()}

    def hash(self) -> int:
        """64-bit content hash: first bytes of SHA-256 over the canonical JSON of every field but the name."""
        content = {k: v for k, v in self.to_dict().items() if k != "name"}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:8], "little")

    def with_depths(self, **depths: int) -> Arch:
        """This architecture with other memory depths (or any other field)."""
        return dataclasses.replace(self, **depths)  # type: ignore[arg-type]


def _require(ok: bool, rule: str, got: object) -> None:
    if not ok:
        raise ArchError(f"{rule}, not {got!r}", where="architecture description")


def load(name: str) -> Arch:
    """Preset name or path of a TOML file -> Arch, with changed fields behind commas: `base,weight_words=256`.

    ArchError for unknown presets, keys or values.
    """
    source, *changes = name.split(",")
    fields, where = _described(source)
    if changes:
        fields |= dict(_change(change, name) for change in changes)
        fields["name"] = ",".join([str(fields.get("name", source)), *changes])
    unknown = fields.keys() - {f.name for f in dataclasses.fields(Arch)}
    if unknown:
        raise ArchError(
            f"unknown keys {', '.join(sorted(unknown))}",
            where=where,
            hint=f"there are {', '.join(f.name for f in dataclasses.fields(Arch))}",
        )
    for key, value in fields.items():
        if key not in ("name", "profile") and type(value) is not int:
            raise ArchError(f"{key} must be an integer, not {value!r}", where=where)
    if not isinstance(fields.get("name", ""), str):
        raise ArchError(f"name must be text, not {fields['name']!r}", where=where)
    try:
        if "profile" in fields:
            fields["profile"] = Profile(fields["profile"])
    except ValueError as error:
        raise ArchError(str(error), where=where, hint=f"profiles are {', '.join(p.value for p in Profile)}") from error
    try:
        return Arch(**fields)
    except ArchError as error:  # which knows the rule, but not where the number comes from
        raise ArchError(error.what, where=name if changes else where, hint=error.hint) from error


def _described(name: str) -> tuple[dict[str, Any], str]:
    """The fields in a preset or TOML file, and what to call it in messages."""
    if name in PRESETS:
        text, where = resources.files("esl_ref").joinpath(f"presets/{name}.toml").read_bytes(), f"preset '{name}'"
    else:
        path = Path(name)
        if not path.is_file():
            raise ArchError(f"no architecture '{name}'", hint=f"presets are {', '.join(PRESETS)}, or give a TOML file")
        text, where = path.read_bytes(), str(path)
    try:
        return tomllib.loads(text.decode()), where
    except ValueError as error:  # no UTF-8, or no TOML
        raise ArchError(f"not valid TOML ({error})", where=where) from error


def _change(text: str, where: str) -> tuple[str, int | str]:
    """`key=value`, the value an integer where it can be read as one."""
    key, equals, value = text.partition("=")
    if not (key.strip() and equals and value.strip()):
        raise ArchError(f"'{text}' changes nothing", where=where, hint="write e.g. base,weight_words=256")
    try:
        return key.strip(), int(value, 0)
    except ValueError:
        return key.strip(), value.strip()
