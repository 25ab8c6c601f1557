# SPDX-License-Identifier: Apache-2.0
"""Requantisers with one inverted register bit, chosen by +mutant=N, so that one build serves all of them; and flips of
single bits in a package's hex files."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BITS", "Mutant", "flip_data_bit", "flip_digit", "with_mutants"]

# Register -> bits whose inversion changes results whatever the layer's scale: high ones before the shift, any after it.
BITS = {
    "x_1": range(16, 32),
    "hh": range(16, 32),
    "scaled_7": range(2, 9),
    "saturated_8": range(2, 9),
    "out": range(2, 9),
}
_MODULE = re.compile(r"^module \S*requantiser_(\d+) .*?^endmodule$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Mutant:
    number: int
    lane: int
    register: str
    bit: int


def with_mutants(verilog: str, count: int, seed: int) -> tuple[str, list[Mutant]]:
    """The Verilog with `count` seeded mutants, and which they are."""
    rng = random.Random(seed)
    lanes = sorted({int(m[1]) for m in _MODULE.finditer(verilog)})
    mutants = []
    for number in range(1, count + 1):
        register = rng.choice(sorted(BITS))
        mutants.append(Mutant(number, rng.choice(lanes), register, rng.choice(list(BITS[register]))))

    def mutate(match: re.Match[str]) -> str:
        text = match[0]
        for m in (m for m in mutants if m.lane == int(match[1])):
            line = re.compile(rf"^(    {m.register} <= )(.*);$", re.MULTILINE)
            assert line.search(text), m
            text = line.sub(rf"\1\2 ^ ({{63'd0, mutant == {m.number}}} << {m.bit});", text)
        header, rest = text.split(";\n", 1)
        plus = '  integer mutant;\n  initial if (!$value$plusargs("mutant=%d", mutant)) mutant = 0;\n'
        return f"{header};\n{plus}{rest}"

    return _MODULE.sub(mutate, verilog), mutants


def flip_digit(path: Path, offset: int, bit: int, word: int) -> None:
    """Invert bit `bit` of data byte `offset` of a hex file."""
    line, byte = divmod(offset, word)
    at = 10 + line * (2 * word + 1) + 2 * (word - 1 - byte) + (bit < 4)
    raw = bytearray(path.read_bytes())
    raw[at] = b"0123456789abcdef"[int(chr(raw[at]), 16) ^ 1 << bit % 4]
    path.write_bytes(bytes(raw))


def flip_data_bit(path: Path, rng: random.Random, word: int) -> tuple[int, int]:
    """Invert a random data bit; (byte offset, bit)."""
    lines = path.read_bytes().count(b"\n") - 1
    offset, bit = rng.randrange(lines * word), rng.randrange(8)
    flip_digit(path, offset, bit, word)
    return offset, bit
