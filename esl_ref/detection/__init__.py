# SPDX-License-Identifier: Apache-2.0
"""Detection on the host: heads that turn maps into boxes, non-maximum suppression, and pictures in and out."""

from __future__ import annotations

from esl_ref.detection.heads import DetectionHead, Head, RegionHead, YoloHead, from_plain, to_plain

__all__ = ["DetectionHead", "Head", "RegionHead", "YoloHead", "from_plain", "to_plain"]
