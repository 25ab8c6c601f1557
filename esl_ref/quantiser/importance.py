# SPDX-License-Identifier: Apache-2.0
"""How much each element of each tensor matters: the square of what its noise is worth in the network's outputs.

To first order noise e in a tensor becomes J e in an output, whose energy is the sum of e_k^2 (J^T J)_kk if the e_k are
independent. The diagonal is estimated by one pass of reverse mode from random signs v at the outputs: (J^T v)_k^2 has
it for its mean (Hutchinson's estimator; Dong et al., "HAWQ-V2", arXiv 1911.03852, use its trace for the same purpose).
Every output counts alike, by its noise beside its own energy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from esl_ref.floating.backward import backward
from esl_ref.floating.executor import values_of
from esl_ref.floating.graph import Activate, FloatGraph, Softmax
from esl_ref.floating.kernels_window import FloatArray
from esl_ref.quantiser.prepare import readers

__all__ = ["importance"]

_FLOOR = 0.1
"""What an element counts at least, beside the mean of its tensor: another input may ask for it."""


def _targets(graph: FloatGraph) -> list[str]:
    """The outputs; for a softmax its input, whose order is the answer even where probabilities are 0 and 1."""
    makers = {op.output: op for op in graph.ops}
    return [maker.inputs[0] if isinstance(maker := makers.get(name), Softmax) else name for name in graph.outputs]


def _start(graph: FloatGraph, values: Mapping[str, FloatArray], seed: int) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for position, name in enumerate(_targets(graph)):
        signs = np.random.default_rng([seed, position]).choice((-1.0, 1.0), values[name].shape)
        energy = float(np.square(values[name]).sum())
        found[name] = found.get(name, 0) + (signs / np.sqrt(energy) if energy else signs)
    return found


def _floored(square: FloatArray) -> FloatArray:
    mean = square.mean()
    return np.asarray(square + (_FLOOR * mean if mean else 1.0), np.float32)


def importance(graph: FloatGraph, values: Mapping[str, FloatArray], seed: int) -> dict[str, FloatArray]:
    """Weights of the elements of tensors that reach an output, above 0; `values` has every tensor of a prepared graph.

    A tensor that only an activation reads has the weights of what the activation makes of it: its range is chosen by
    the noise behind it.
    """
    grads, count = _start(graph, values, seed), readers(graph)
    found: dict[str, FloatArray] = {}
    for op in reversed(graph.ops):
        grad = grads.pop(op.output, None)
        if grad is None:
            continue
        square = _floored(np.square(grad))
        found.setdefault(op.output, square)
        if isinstance(op, Activate) and count[op.inputs[0]] == 1:
            found[op.inputs[0]] = square
        operands = [values[name] if name in values else values_of(graph.constants[name], name) for name in op.inputs]
        for name, part in zip(op.inputs, backward(op, operands, values[op.output], grad), strict=True):
            if name not in graph.constants:
                grads[name] = grads[name] + part if name in grads else part
    return found
