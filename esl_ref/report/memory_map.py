# SPDX-License-Identifier: Apache-2.0
"""The activation SRAM over time as a picture: steps from left to right, addresses upwards, one block per buffer.

Plain SVG text: it opens in any browser without network and needs no plotting library.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from esl_ref.report.plan import BufferRow, PlanReport, SegmentReport

__all__ = ["memory_map_svg"]

WIDTH, HEIGHT = 640, 260  # of one segment's field, in pixels
LEFT, RIGHT, TOP, BOTTOM = 84, 130, 46, 46
# Tints of Okabe and Ito's palette ("Color Universal Design", 2008): told apart by everybody, light enough for labels.
COLOURS = ("#8CCBEF", "#F2BE5C", "#66C5A8", "#F5EC8A", "#DBA5C3", "#7FB2D6", "#E8A07A")
CHARACTER = 6.4  # pixels per character of an 11 pixel sans serif, on the wide side
INK, PALE = "#222222", "#777777"


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, size: int = 11) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{escape(words)}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"{dashes}/>'


def _label(buffer: BufferRow, width: float, height: float) -> str:
    """As much of the buffer's name and size as its block has room for."""
    name = buffer.name.split(";")[-1]
    for words in (f"{name}  {buffer.bytes:,}", name):
        if height >= 12 and len(words) * CHARACTER <= width:
            return words
    return ""


def _block(buffer: BufferRow, number: int, x_step: float, y_byte: float, floor: float) -> Iterator[str]:
    x, width = LEFT + buffer.first * x_step, (buffer.last - buffer.first) * x_step
    height = max(1.0, buffer.bytes * y_byte)
    y = floor - buffer.address * y_byte - height
    colour = COLOURS[number % len(COLOURS)]
    edge = f'stroke="{INK}" stroke-width="2"' if buffer.at_peak else 'stroke="#FFFFFF" stroke-width="1"'
    last_byte, last_step = buffer.address + buffer.bytes - 1, buffer.last - 1
    what = f"{buffer.name}: bytes {buffer.address:,} to {last_byte:,}, steps {buffer.first} to {last_step}"
    yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}" {edge}>'
    yield f"<title>{escape(what)}</title></rect>"
    if words := _label(buffer, width, height):
        yield _text(x + width / 2, y + height / 2 + 4, words, anchor="middle")


def _axes(segment: SegmentReport, top: float, floor: float, x_step: float, y_byte: float) -> Iterator[str]:
    right = LEFT + WIDTH
    yield _line(LEFT, floor, right, floor, PALE)
    yield _line(LEFT, top, LEFT, floor, PALE)
    for quarter in range(5):
        address = segment.height * quarter // 4
        y = floor - address * y_byte
        yield _text(LEFT - 6, y + 4, f"{address:,}", anchor="end", colour=PALE)
        yield _line(LEFT - 3, y, LEFT, y, PALE)
    stride = max(1, segment.steps // 12)
    for step in range(0, segment.steps, stride):
        yield _text(LEFT + (step + 0.5) * x_step, floor + 15, str(step), anchor="middle", colour=PALE)
    yield _text(LEFT + WIDTH / 2, floor + 32, "step (a load or a compute task, in order)", anchor="middle", colour=PALE)
    bound = floor - segment.bound * y_byte
    yield _line(LEFT, bound, right, bound, "#D55E00", "6 4")
    yield _text(right + 6, bound + 4, "liveness bound", colour="#D55E00")
    yield _text(right + 6, bound + 18, f"{segment.bound:,} bytes", colour="#D55E00")


def _field(segment: SegmentReport, offset: float) -> Iterator[str]:
    """One segment, whose field begins at `offset` pixels from the top."""
    steps = max([segment.steps, *(b.last for b in segment.buffers)], default=1)
    top, floor = offset + TOP, offset + TOP + HEIGHT
    x_step, y_byte = WIDTH / max(1, steps), HEIGHT / max(1, segment.height)
    title = f"{segment.name}: activation SRAM, {segment.height:,} bytes; thick edges: alive at the peak"
    yield _text(LEFT, offset + 22, title, size=13)
    yield _text(LEFT - 6, offset + 36, "address", anchor="end", colour=PALE)
    for number, buffer in enumerate(segment.buffers):
        yield from _block(buffer, number, x_step, y_byte, floor)
    yield from _axes(segment, top, floor, x_step, y_byte)


def memory_map_svg(plan: PlanReport) -> str:
    """`plan` as an SVG document: a field per accelerator segment, one block per buffer over its lifetime and addresses.

    A rolling buffer is drawn with the bytes it holds, not those of its tensor. Every block has a tooltip.
    """
    one = TOP + HEIGHT + BOTTOM
    width, height = LEFT + WIDTH + RIGHT, one * len(plan.segments)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
        f"<title>{escape(plan.model)} on {escape(str(plan.arch['name']))}</title>",
        f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>',
    ]
    for number, segment in enumerate(plan.segments):
        lines += _field(segment, number * one)
    return "\n".join([*lines, "</svg>"]) + "\n"
