# SPDX-License-Identifier: Apache-2.0
"""Memory images as the hexadecimal files that `$readmemh` and `$writememh` of the harness exchange with Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from esl_ref.errors import InputError

__all__ = ["read_image", "write_image"]

_NEWLINE = ord("\n")


def write_image(path: Path, image: np.ndarray, word_bytes: int) -> None:
    """Write `image` (uint8, padded with zeros to whole words) as one little-endian word per line."""
    if image.dtype != np.uint8 or image.ndim != 1:
        raise InputError(f"a memory image is a vector of uint8, not {image.ndim}-dimensional {image.dtype}")
    words = -(-image.size // word_bytes)
    padded = np.zeros(words * word_bytes, np.uint8)
    padded[: image.size] = image
    # Digits of a whole word at a time: most significant byte first, so reverse within each word.
    digits = np.frombuffer(padded.reshape(words, word_bytes)[:, ::-1].tobytes().hex().encode(), np.uint8)
    lines = np.full((words, 2 * word_bytes + 1), _NEWLINE, np.uint8)
    lines[:, :-1] = digits.reshape(words, 2 * word_bytes)
    path.write_bytes(lines.tobytes())


def read_image(path: Path, word_bytes: int) -> np.ndarray:
    """Read back a file written by `$writememh` as a vector of uint8."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("//", "@"))]
    data = np.frombuffer(bytes.fromhex("".join(lines)), np.uint8)
    if data.size % word_bytes:
        raise InputError(f"{data.size} bytes are not whole words of {word_bytes}", where=str(path))
    return data.reshape(-1, word_bytes)[:, ::-1].reshape(-1).copy()
