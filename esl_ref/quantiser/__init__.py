# SPDX-License-Identifier: Apache-2.0
"""Post-training static quantisation: float graphs and calibration data in, int8 `.tflite` files out."""

from __future__ import annotations

from esl_ref.quantiser.core import Options, Quantised, export_float, quantise
from esl_ref.quantiser.ranges import Method

__all__ = ["Method", "Options", "Quantised", "export_float", "quantise"]
