# SPDX-License-Identifier: Apache-2.0
"""A small machine on which timing is compared with the RTL: half-width post-processor, short window, few bytes."""

from __future__ import annotations

from esl_ref.arch import Arch

__all__ = ["EIGHT"]

EIGHT = Arch(
    name="eight", lanes=8, post_lanes=4, act_bytes=4096, weight_words=64, line_depth=16, window_rows=3, window_cols=4
)
