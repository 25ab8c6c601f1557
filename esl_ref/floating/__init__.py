# SPDX-License-Identifier: Apache-2.0
"""Networks in floating point: what the Darknet, ONNX and float TFLite front ends hand to the quantiser."""

from __future__ import annotations

from esl_ref.floating.graph import FloatGraph, FloatOp, Parameter

__all__ = ["FloatGraph", "FloatOp", "Parameter"]
