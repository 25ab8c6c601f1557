# SPDX-License-Identifier: Apache-2.0
"""Bytes as `$readmemh` files: one bus word per line, most significant digit first, and the sums the bench checks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from esl_ref.errors import InputError

__all__ = ["parse_hex", "sums", "to_hex"]

_NEWLINE = ord("\n")


def _padded(data: bytes, word_bytes: int) -> npt.NDArray[np.uint8]:
    whole = np.zeros(-(-len(data) // word_bytes) * word_bytes, np.uint8)
    whole[: len(data)] = np.frombuffer(data, np.uint8)
    return whole


def to_hex(data: bytes, address: int, word_bytes: int) -> bytes:
    """Text of the file: `@word address`, then a line per little-endian word, the last one filled up with zeros."""
    words = _padded(data, word_bytes).reshape(-1, word_bytes)
    digits = np.frombuffer(words[:, ::-1].tobytes().hex().encode(), np.uint8)
    lines = np.full((len(words), 2 * word_bytes + 1), _NEWLINE, np.uint8)
    lines[:, :-1] = digits.reshape(len(words), 2 * word_bytes)
    return f"@{address // word_bytes:08x}\n".encode() + lines.tobytes()


def parse_hex(text: bytes, word_bytes: int, where: str) -> tuple[int, bytes]:
    """(byte address, bytes) of such a file; InputError naming the line that is not one."""
    lines = text.split()
    try:
        if not lines or not lines[0].startswith(b"@"):
            raise ValueError("line 1 is not an address")
        address = int(lines[0][1:], 16) * word_bytes
        for number, line in enumerate(lines[1:], 2):
            if len(line) != 2 * word_bytes:
                raise ValueError(f"line {number} has {len(line)} digits, not {2 * word_bytes}")
        raw = bytes.fromhex(b"".join(lines[1:]).decode("ascii"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"is no $readmemh file of this format ({error})", where=where) from error
    return address, np.frombuffer(raw, np.uint8).reshape(-1, word_bytes)[:, ::-1].tobytes()


def sums(data: bytes, word_bytes: int) -> tuple[int, int]:
    """(sum of u_i, sum of (i + 1) u_i) modulo 2**64 over the 32-bit little-endian parts u of the words.

    A single flipped bit b of part i changes them by d = +-2**b and by (i + 1) d, so their ratio says where it is.
    """
    parts = np.frombuffer(_padded(data, word_bytes).tobytes(), "<u4").astype(np.uint64)
    weights = np.arange(1, parts.size + 1, dtype=np.uint64)
    return int(parts.sum(dtype=np.uint64)), int((parts * weights).sum(dtype=np.uint64))
