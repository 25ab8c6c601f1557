# SPDX-License-Identifier: Apache-2.0
"""A float model at a glance, as the same records that integer models get."""

from __future__ import annotations

import math

from esl_ref.detection.heads import TREE
from esl_ref.floating.activation import Function
from esl_ref.floating.graph import Activate, AveragePool, Conv, Dense, FloatGraph, FloatOp, Local, MaxPool
from esl_ref.survey import OperatorRecord, Survey, TensorRecord

__all__ = ["float_macs", "survey_float"]

_BYTES = 4


def float_macs(op: FloatOp, graph: FloatGraph) -> int:
    """Multiply-accumulates of one inference; padded taps count, as everywhere."""
    outputs = math.prod(graph.shapes[op.output])
    if isinstance(op, Conv | Dense):
        return outputs * math.prod(op.weight.shape[1:])
    return outputs * math.prod(op.weight.shape[3:]) if isinstance(op, Local) else 0


def _tensor(graph: FloatGraph, name: str) -> TensorRecord:
    return TensorRecord(name, graph.shapes[name], "float32", None, None, False)


def _window(size: tuple[int, ...], op: Conv | Local | MaxPool | AveragePool) -> str:
    p = op.padding
    pads = f" pad {p.top},{p.bottom},{p.left},{p.right}" if any((p.top, p.bottom, p.left, p.right)) else ""
    return f"{size[0]}x{size[1]} stride {op.stride[0]},{op.stride[1]}{pads}"


def _details(op: FloatOp) -> str:
    words = []
    if isinstance(op, Conv):
        words.append(_window(op.weight.shape[1:3], op))
        words += [f"dilation {op.dilation[0]},{op.dilation[1]}"] * (op.dilation != (1, 1))
        words += [f"groups {op.groups}"] * (op.groups > 1)
    elif isinstance(op, Local):
        words.append(_window(op.weight.shape[3:5], op))
    elif isinstance(op, MaxPool | AveragePool):
        words.append(_window(op.window, op))
    activation = getattr(op, "activation", None)
    if activation is not None and (isinstance(op, Activate) or activation.function is not Function.LINEAR):
        words.append(activation.function.value)
    return " ".join(words)


def _operator(index: int, op: FloatOp, graph: FloatGraph) -> OperatorRecord:
    parameters = op.weight.elements + op.bias.elements if isinstance(op, Conv | Dense | Local) else 0
    return OperatorRecord(
        index, op.kind, op.name, tuple(_tensor(graph, n) for n in op.inputs), _tensor(graph, op.output), _details(op),
        float_macs(op, graph), parameters, "", "",
    )  # fmt: skip


def survey_float(graph: FloatGraph) -> Survey:
    """Everything `esl-ref inspect` shows of a float graph. Where operators run shows once it is quantised."""
    operators = tuple(_operator(i, op, graph) for i, op in enumerate(graph.ops))
    largest = max(math.prod(shape) for name, shape in graph.shapes.items() if name not in graph.constants)
    alone = [op.name for op in graph.ops if isinstance(op, Local)]
    notes = (
        *graph.notes,
        *(
            f"layer '{name}' (Local) has no integer form: the network runs in float and plans by its shapes"
            for name in alone
        ),
        *(f"detection head: {head}" for head in graph.heads),
        *(f"detection head on '{head.tensor}': {TREE}" for head in graph.heads if getattr(head, "tree", "")),
    )
    return Survey(
        graph.name, "", tuple(_tensor(graph, n) for n in graph.inputs), tuple(_tensor(graph, n) for n in graph.outputs),
        operators, sum(o.macs for o in operators), sum(o.parameters for o in operators), _BYTES * largest, notes,
    )  # fmt: skip
