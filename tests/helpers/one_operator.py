# SPDX-License-Identifier: Apache-2.0
"""Small `.tflite` networks over int8 tensors of one quantisation, compared with an interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from esl_ref import inference
from esl_ref.executor import run
from esl_ref.frontends.tflite import load_bytes
from esl_ref.frontends.tflite_writer import TFLiteWriter
from esl_ref.ir import Graph
from esl_ref.stimulus import as_in_file, fit
from tests.helpers.oracles import run_micro

__all__ = ["SHAPE", "Net"]

Oracle = Callable[[bytes, Sequence[Any]], Sequence[Any]]

SHAPE = (1, 3, 4, 2)


class Net:
    """One operator over int8 tensors of one quantisation, and integer constants."""

    def __init__(self) -> None:
        self.w = TFLiteWriter()
        self.inputs: list[int] = []

    def x(self, shape: tuple[int, ...] = SHAPE, dtype: str = "int8", zero: int = 5) -> int:
        index = self.w.add_tensor(f"x{len(self.inputs)}", shape, dtype, scale=0.5, zero_point=zero)
        self.inputs.append(index)
        return index

    def ints(self, *values: int) -> int:
        data = np.array(values, np.int32)
        return self.w.add_tensor("ints", data.shape, "int32", data=data)

    def y(self, shape: tuple[int, ...], dtype: str = "int8", zero: int = 5, scale: float = 0.5) -> int:
        return self.w.add_tensor(f"y{shape}", shape, dtype, scale=scale, zero_point=zero)

    def check(self, outputs: list[int], seed: int = 0, machine: bool = False, oracle: Oracle = run_micro) -> Graph:
        """Every output equals the interpreter's on random inputs, on the ESL machine, too, if asked for."""
        model = self.w.finish(self.inputs, outputs)
        return self._compare(model, lambda *given: oracle(model, given), seed, machine)

    def compare(self, outputs: list[int], expected: Callable[..., Any], machine: bool = False) -> Graph:
        """Every output equals `expected(*inputs)`."""
        return self._compare(self.w.finish(self.inputs, outputs), expected, 0, machine)

    def _compare(self, model: bytes, expected: Callable[..., Sequence[Any]], seed: int, machine: bool) -> Graph:
        graph, rng = load_bytes(model), np.random.default_rng(seed)
        given = []
        for name in graph.inputs:
            t = graph.tensors[name]
            kind: Any = np.uint8 if t.file_offset else np.int8
            info = np.iinfo(kind)
            given.append(rng.integers(info.min, info.max, t.shape, kind, endpoint=True))
        wanted = expected(*given)
        values = {n: fit(v, graph.tensors[n], n)[0] for n, v in zip(graph.inputs, given, strict=True)}
        for executor in (run, inference.run) if machine else (run,):
            results = as_in_file(graph, executor(graph, values))
            for name, right in zip(graph.outputs, wanted, strict=True):
                np.testing.assert_array_equal(results[name], right)
                assert results[name].dtype == right.dtype
        return graph
