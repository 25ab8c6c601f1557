# SPDX-License-Identifier: Apache-2.0
"""A front as a picture: cycles against on-chip bytes, the points' areas as large as their external traffic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import sqrt
from typing import Protocol

__all__ = ["front_svg"]

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 90, 40, 56, 56
STYLE = """<style>
.front { --ink: #1d2733; --pale: #6b7683; --grid: #e3e8ee; --dot: #0072b2; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  .front { --ink: #e6ebf1; --pale: #97a3b0; --grid: #2a3440; --dot: #56b4e9; --paper: #12181f; } }
.front text { fill: var(--ink); } .front .pale { fill: var(--pale); }
.front .grid { stroke: var(--grid); } .front .axis { stroke: var(--pale); }
.front circle { fill: var(--dot); fill-opacity: 0.55; stroke: var(--dot); } .front .paper { fill: var(--paper); }
</style>"""


class _Point(Protocol):
    @property
    def arena(self) -> int: ...
    @property
    def on_chip(self) -> int: ...
    @property
    def cycles(self) -> int: ...
    @property
    def traffic(self) -> int: ...


def _ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers from below `low` to above `high`."""
    span = max(high - low, 1.0)
    step = 10.0 ** len(str(int(span / count))) / 10
    step = next(s for s in (step, 2 * step, 5 * step, 10 * step) if span / s <= count)
    first = int(low // step)
    return [step * k for k in range(first, int(high // step) + 2)]


def _text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(words)}</text>'


def _axes(xs: Sequence[float], ys: Sequence[float]) -> Iterator[str]:
    floor, right = TOP + HEIGHT, LEFT + WIDTH
    for k, x in enumerate(xs):
        at = LEFT + WIDTH * k / (len(xs) - 1)
        yield f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{floor}"/>'
        yield _text(at, floor + 18, f"{x:,.0f}", kind="pale")
    for k, y in enumerate(ys):
        at = floor - HEIGHT * k / (len(ys) - 1)
        yield f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>'
        yield _text(LEFT - 8, at + 4, f"{y:,.0f}", "end", "pale")
    yield _text(LEFT + WIDTH / 2, floor + 40, "bytes of all on-chip memories", kind="pale")
    yield _text(LEFT - 8, TOP - 12, "cycles", "end", "pale")


def front_svg(title: str, points: Sequence[_Point], inline: bool = False) -> str:
    """`points` as an SVG document, or as an element for a page that has one. Every point has a tooltip."""
    xs = _ticks(min(p.on_chip for p in points), max(p.on_chip for p in points))
    ys = _ticks(min(p.cycles for p in points), max(p.cycles for p in points))
    most = max(p.traffic for p in points)
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    size = "" if inline else f'width="{width}" height="{height}" '
    lines = [
        f'<svg class="front" xmlns="http://www.w3.org/2000/svg" {size}viewBox="0 0 {width} {height}" font-size="12" '
        'font-family="system-ui, Helvetica, Arial, DejaVu Sans, sans-serif">',
        STYLE,
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(LEFT, 22, f"{title}: areas show external traffic, up to {most:,} bytes", "start"),
        *_axes(xs, ys),
    ]
    for number, p in enumerate(points, 1):
        x = LEFT + WIDTH * (p.on_chip - xs[0]) / (xs[-1] - xs[0])
        y = TOP + HEIGHT - HEIGHT * (p.cycles - ys[0]) / (ys[-1] - ys[0])
        said = (
            f"{number}: arena {p.arena:,}, on chip {p.on_chip:,} bytes; {p.cycles:,} cycles; {p.traffic:,} bytes moved"
        )
        radius = 3 + 11 * sqrt(p.traffic / most)
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{escape(said)}</title></circle>')
        lines.append(_text(x, y + 4, str(number)))
    return "\n".join([*lines, "</svg>"]) + "\n"
