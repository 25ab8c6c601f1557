# SPDX-License-Identifier: Apache-2.0
"""One drawing per Program on one axis of cycles: the SRAM's buffers, the three queues, where the engine's cycles go.

Colours are the page's (CSS classes), so that they follow its light or dark scheme. Every block has a <title>.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from esl_ref.machine.timing import Timing
from esl_ref.program.image import Program
from esl_ref.report.names import short_name
from esl_ref.report.page.activity import CAUSES, Life, Work, lives, shares, works

__all__ = ["drawing"]

WIDTH, LEFT, RIGHT = 980, 88, 132
FIELD = WIDTH - LEFT - RIGHT
MEMORY, QUEUE, ENGINE = 260, 22, 110  # heights of the parts
TOP, GAP = 26, 40
TINTS = 7
BINS = 220
CHARACTER = 6.2  # pixels per character of an 11 pixel sans serif, on the wide side
QUEUES = (("load", "loads"), ("compute", "compute"), ("store", "stores"))


def _text(x: float, y: float, words: str, kind: str = "pale", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str) -> str:
    place = f'x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.4):.2f}" height="{height:.2f}"'
    return f'<rect class="{kind}" {place}><title>{escape(title)}</title></rect>'


def _line(x0: float, y0: float, x1: float, y1: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def _fitting(width: float, *words: str) -> str:
    """The first of `words` that has room, else nothing."""
    return next((w for w in words if len(w) * CHARACTER + 6 <= width), "")


def _memory(buffers: Sequence[Life], peak: set[str], height: int, bound: int, scale: float) -> Iterator[str]:
    floor, per_byte = TOP + MEMORY, MEMORY / max(1, height)
    for quarter in range(5):
        y = floor - MEMORY * quarter / 4
        yield _line(LEFT, y, LEFT + FIELD, y, "grid")
        yield _text(LEFT - 8, y + 4, f"{height * quarter // 4:,}", anchor="end")
    for number, b in enumerate(buffers):
        x, width = LEFT + b.first * scale, (b.last - b.first) * scale
        tall = max(1.0, b.bytes * per_byte)
        y = floor - b.address * per_byte - tall
        at_peak = b.name in peak
        said = (
            f"{b.name}: {b.bytes:,} bytes at {b.address:,}, cycles {b.first:,} to {b.last:,}"
            f"{', alive at the peak' if at_peak else ''}"
        )
        yield _rect(x, y, width, tall, f"buffer tint{number % TINTS}{' peak' if at_peak else ''}", said)
        name = short_name(b.name)
        words = _fitting(width, f"{name}  {b.bytes:,}", name, name.split("/")[-1], f"{b.bytes:,}")
        if words and tall >= 13:
            yield _text(x + width / 2, y + tall / 2 + 4, words, "on-tint", "middle")
    y = floor - bound * per_byte
    yield _line(LEFT, y, LEFT + FIELD, y, "bound")
    yield _text(LEFT + FIELD + 8, y + 4, "liveness bound", "bound-text")
    yield _text(LEFT + FIELD + 8, y + 18, f"{bound:,} bytes", "bound-text")
    at = max((b.first for b in buffers if b.name in peak), default=None)
    if at is not None:
        yield _line(LEFT + at * scale, TOP - 6, LEFT + at * scale, floor, "peak-line")
        yield _text(LEFT + at * scale, TOP - 11, "peak", "peak-text", "middle")


def _queues(blocks: Sequence[Work], top: float, scale: float) -> Iterator[str]:
    for row, (queue, label) in enumerate(QUEUES):
        y = top + row * (QUEUE + 6)
        yield _text(LEFT - 8, y + 15, label, anchor="end")
        yield f'<rect class="lane" x="{LEFT}" y="{y:.1f}" width="{FIELD}" height="{QUEUE}"/>'
        for block in (b for b in blocks if b.queue == queue):
            x, width = LEFT + block.first * scale, (block.last + 1 - block.first) * scale
            count = f", {block.commands} commands" if block.commands > 1 else ""
            said = f"{block.what} ({block.kind}{count}): cycles {block.first:,} to {block.last:,}"
            kind = "vector" if block.kind in ("pool", "eltwise") else block.kind if queue == "load" else queue
            yield _rect(x, y, width, QUEUE, f"work {kind}", said)
            if queue == "compute" and (
                words := _fitting(width, short_name(block.what), short_name(block.what).split("/")[-1])
            ):
                yield _text(x + width / 2, y + 15, words, "on-tint", "middle")


def _engine(bins: Sequence[dict[str, float]], top: float) -> Iterator[str]:
    """Columns whose parts are the shares of each cause."""
    width, floor = FIELD / len(bins), top + ENGINE
    for share in (0, 50, 100):
        y = floor - ENGINE * share / 100
        yield _line(LEFT, y, LEFT + FIELD, y, "grid")
        yield _text(LEFT - 8, y + 4, f"{share} %", anchor="end")
    words = dict(CAUSES)
    for number, parts in enumerate(bins):
        y = floor
        for name, _ in CAUSES:
            tall = ENGINE * min(1.0, parts.get(name, 0.0))
            if tall > 0.2:
                y -= tall
                said = f"{words[name]}: {100 * parts[name]:.0f} % of these cycles"
                yield _rect(LEFT + number * width, y, width + 0.3, tall, f"cause {name.lower()}", said)


def _axis(cycles: int, y: float, scale: float) -> Iterator[str]:
    step = 10 ** max(0, len(str(cycles)) - 1)
    step = next(s for s in (step // 10 or 1, step // 5 or 1, step // 2 or 1, step, 2 * step) if cycles / s <= 12)
    for at in range(0, cycles + 1, step):
        yield _line(LEFT + at * scale, y, LEFT + at * scale, y + 5, "axis")
        yield _text(LEFT + at * scale, y + 19, f"{at:,}", anchor="middle")
    yield _text(LEFT + FIELD + 36, y + 19, "cycles")


def drawing(program: Program, timing: Timing, height: int, bound: int, peak: set[str]) -> str:
    """SVG element: arena of `height` bytes with its liveness `bound`, `peak` the buffers alive at it."""
    scale = FIELD / max(1, timing.cycles)
    queues = TOP + MEMORY + GAP
    engine = queues + 3 * (QUEUE + 6) + GAP - 12
    floor = engine + ENGINE
    blocks = works(program, timing, int(1.5 / scale))
    bins = shares(timing, min(BINS, max(1, timing.cycles)))
    parts = [
        f'<svg class="over-time" viewBox="0 0 {WIDTH} {floor + 34:.0f}" role="img">',
        f"<title>{escape(program.name)}: SRAM, queues and engine over time</title>",
        _text(8, 14, "SRAM, bytes", "head"), *_memory(lives(program, timing), peak, height, bound, scale),
        _text(8, queues - 12, "queues", "head"), *_queues(blocks, queues, scale),
        _text(8, engine - 12, "the engine's cycles", "head"), *_engine(bins, engine),
        *_axis(timing.cycles, floor, scale), "</svg>",
    ]  # fmt: skip
    return "\n".join(parts)
