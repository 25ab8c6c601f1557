# SPDX-License-Identifier: Apache-2.0
"""The first difference of two versions of a file, in the words of the network."""

from __future__ import annotations

from typing import Any

from esl_ref.compiler.views import map_shape
from esl_ref.program.commands import Command
from esl_ref.program.fields import COMMAND_BYTES, LAYOUTS, Opcode

__all__ = ["difference"]

_HEADER = len("@00000000\n")
_SHOWN = 60


def difference(name: str, want: bytes, got: bytes, manifest: dict[str, Any]) -> str:
    """Where `got` first leaves `want`; '' if they are equal."""
    if want == got:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(want, got, strict=False)) if a != b), min(len(want), len(got)))
    cut = f" ({len(got)} bytes instead of {len(want)})" if len(want) != len(got) else ""
    if name.endswith(".hex"):
        return _hex_place(name, at, want, got, manifest) + cut
    if name.endswith((".npz", ".eslp")):
        return f"byte {at}{cut}"
    line = want.count(b"\n", 0, at)
    before = want.rfind(b"\n", 0, at) + 1
    texts = [v[before:].split(b"\n", 1)[0][:_SHOWN].decode("ascii", "replace") for v in (want, got)]
    return f"line {line + 1}: expected {texts[0]!r}, found {texts[1]!r}{cut}"


def _hex_place(name: str, at: int, want: bytes, got: bytes, manifest: dict[str, Any]) -> str:
    word = manifest["arch"]["axi_bytes"]
    if at < _HEADER:
        return "the address in its first line"
    line, column = divmod(at - _HEADER, 2 * word + 1)
    if column == 2 * word:
        return f"the end of line {line + 2}"
    byte = word - 1 - column // 2
    offset = line * word + byte
    place = _meaning(name, offset, manifest)
    values = [_byte(v, line, word, byte) for v in (want, got)]
    return f"{place} expected={values[0]} actual={values[1]}"


def _byte(text: bytes, line: int, word: int, byte: int) -> str:
    start = _HEADER + line * (2 * word + 1) + 2 * (word - 1 - byte)
    digits = text[start : start + 2]
    try:
        value = int(digits, 16)
    except ValueError:
        return repr(digits.decode("ascii", "replace"))
    return str(value - 256 if value > 127 else value)


def _meaning(name: str, offset: int, manifest: dict[str, Any]) -> str:
    for program in manifest["programs"]:
        for block in program["blocks"]:
            if block["file"] == name:
                if block["name"] == "commands":
                    return f"command {offset // COMMAND_BYTES} byte {offset % COMMAND_BYTES}"
                return f"constants byte {offset}"
    for run in manifest["runs"]:
        for record in (*run["inputs"], *run["expected"]):
            if record["file"] == name:
                return surface_place(record, offset)
    return f"byte {offset}"


def surface_place(record: dict[str, Any], offset: int) -> str:
    """'tensor=conv y=1 x=2 channel=3', as the bench prints it."""
    row, column = divmod(offset, record["pitch"])
    if column >= record["row_bytes"]:
        return f"tensor={record['name']} fill_byte_at=0x{record['address'] + offset:08x}"
    element = row * record["row_bytes"] + column
    _, width, channels = map_shape(tuple(record["shape"]))
    y, x, c = element // (width * channels), element // channels % width, element % channels
    return f"tensor={record['name']} y={y} x={x} channel={c}"


def field_at(command: Command | None, byte: int) -> str:
    """Names of the fields that lie in a byte of a command."""
    if command is None:
        return ""
    layout = LAYOUTS[Opcode(command.opcode)]
    names = [f.name for f in layout if f.offset < 8 * byte + 8 and f.offset + f.width > 8 * byte]
    return ", ".join(names) or "unused"
