# SPDX-License-Identifier: Apache-2.0
"""The interpreters that results are compared with. A missing wheel skips the calling test, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

__all__ = ["run_litert", "run_micro"]

MICRO_ARENA_BYTES = 8 << 20


def run_micro(model: bytes, inputs: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Outputs of TensorFlow Lite Micro's reference kernels (double rounding everywhere): the int8 oracle."""
    runtime: Any = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime", reason="the tflite-micro wheel is not installed"
    )
    # The default arena is ten times the file's size: too small for a model that is one operator without weights.
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=MICRO_ARENA_BYTES)
    for index, values in enumerate(inputs):
        interpreter.set_input(values, index)
    interpreter.invoke()
    outputs = _output_count(model)
    return [np.array(interpreter.get_output(index)) for index in range(outputs)]


def run_litert(model: bytes, inputs: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Outputs of LiteRT's BUILTIN_REF kernels: the uint8 oracle (its FULLY_CONNECTED rounds once for int8)."""
    litert: Any = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    interpreter = litert.Interpreter(
        model_content=model, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    for details, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], values)
    interpreter.invoke()
    return [np.array(interpreter.get_tensor(details["index"])) for details in interpreter.get_output_details()]


def _output_count(model: bytes) -> int:
    import tflite

    return int(tflite.Model.GetRootAs(model).Subgraphs(0).OutputsLength())
