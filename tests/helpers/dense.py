# SPDX-License-Identifier: Apache-2.0
"""Weight words of which nothing is left out, for commands written by hand."""

from __future__ import annotations

from esl_ref.arch import Arch
from esl_ref.program.dense import WordPattern

__all__ = ["whole_words"]


def whole_words(arch: Arch) -> WordPattern:
    """Every byte of every word lies in memory."""
    return WordPattern(1, 0, 1, arch.lanes, arch.lanes, arch.lanes)
