# SPDX-License-Identifier: Apache-2.0
"""Calibration: run samples through a float graph and remember how every tensor was spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from esl_ref.errors import InputError, ModelError
from esl_ref.floating.executor import run, values_of
from esl_ref.floating.graph import FloatGraph
from esl_ref.floating.kernels_window import FloatArray
from esl_ref.quantiser.histogram import TensorStatistics
from esl_ref.quantiser.importance import importance

__all__ = ["Progress", "Sample", "Statistics", "calibrate"]

Progress = Callable[[], None]
Sample = Mapping[str, npt.ArrayLike]
Statistics = dict[str, TensorStatistics]


_ROOM = 1 << 30
"""Bytes that all tensors of a network may take at once; larger ones are not weighed."""


def _fits(graph: FloatGraph) -> bool:
    return 8 * sum(int(np.prod(shape, dtype=np.int64)) for shape in graph.shapes.values()) <= _ROOM


def calibrate(
    graph: FloatGraph, samples: Iterable[Sample], progress: Progress | None = None, *, weigh: bool = False
) -> Statistics:
    """Statistics of every tensor, constants included; `progress` is called after every sample. `weigh` counts elements
    of a prepared graph by what they matter for the outputs (`importance`).

    In float64, so that the last bits of BLAS sums, which differ from machine to machine, do not show in the scales.
    InputError for inputs that are constant; ModelError where a layer leaves the numbers.
    """
    statistics: Statistics = {}

    def check(name: str, value: FloatArray) -> None:
        if not np.isfinite(value).all():
            raise ModelError("gives NaN or infinity on the calibration data", where=f"tensor '{name}'")

    def observe(name: str, value: FloatArray, weights: FloatArray | None = None) -> None:
        check(name, value)
        statistics.setdefault(name, TensorStatistics()).add(value, weights)

    for index, sample in enumerate(samples):
        if weigh and _fits(graph):
            values = run(graph, sample, keep="all", observe=check, dtype=np.float64)
            weights = importance(graph, values, index)
            for name, value in values.items():
                observe(name, value, weights.get(name))
        else:
            run(graph, sample, observe=observe, dtype=np.float64)
        if progress:
            progress()
    for name, parameter in graph.constants.items():
        observe(name, values_of(parameter, f"constant '{name}'"))
    for name in graph.inputs:
        histogram = statistics[name].histogram
        if histogram.low == histogram.high:
            raise InputError(f"every value of input '{name}' is {histogram.low:g} in all samples",
                             where="calibration data", hint="calibrate on other data")  # fmt: skip
    return statistics
