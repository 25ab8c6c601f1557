# SPDX-License-Identifier: Apache-2.0
"""ONNX files: quantised ones as integer graphs, the others as float graphs."""

from __future__ import annotations

from esl_ref.frontends.onnx.loader import load_bytes, load_file, load_shapes
from esl_ref.frontends.onnx.verdicts import verdicts

__all__ = ["load_bytes", "load_file", "load_shapes", "verdicts"]
