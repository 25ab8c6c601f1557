# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite front end: `reader` (bytes to plain values), `fold`, one importer module per operator family."""

from __future__ import annotations

from esl_ref.frontends.tflite.importer import IMPORTERS, import_model, load_bytes, load_file, load_model, verdicts
from esl_ref.frontends.tflite.reader import is_tflite

__all__ = ["IMPORTERS", "import_model", "is_tflite", "load_bytes", "load_file", "load_model", "verdicts"]
