# SPDX-License-Identifier: Apache-2.0
"""A model at a glance: every operator with shapes, scales, work and place, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field

from esl_ref.ir import AveragePool, Conv2D, DepthwiseConv2D, Graph, MaxPool, Op, Table, Tensor
from esl_ref.macs import macs, parameters
from esl_ref.placement import Placement, placement

__all__ = ["OperatorRecord", "Survey", "TensorRecord", "survey"]


@dataclass(frozen=True)
class TensorRecord:
    """A tensor in short; `scale` and `zero_point` are None where it has no quantisation of its own."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    uint8_in_file: bool


@dataclass(frozen=True)
class OperatorRecord:
    """One operator; `details` is what its kind adds: window, stride, padding, function."""

    index: int
    kind: str
    name: str
    inputs: tuple[TensorRecord, ...]
    output: TensorRecord
    details: str
    macs: int
    parameters: int
    where: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """The whole model."""

    model: str
    profile: str
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    operators: tuple[OperatorRecord, ...]
    macs: int
    parameters: int
    largest_activation_bytes: int
    notes: tuple[str, ...] = field(default=())


def _tensor(tensor: Tensor) -> TensorRecord:
    quant = tensor.quant
    scale, zero = (quant.scale[0], quant.zero_point[0]) if quant and len(quant.scale) == 1 else (None, None)
    return TensorRecord(tensor.name, tensor.shape, str(tensor.dtype), scale, zero, bool(tensor.file_offset))


def _window(size: tuple[int, ...], stride: tuple[int, int], op: Op) -> str:
    p = op.padding  # type: ignore[attr-defined]
    pads = f" pad {p.top},{p.bottom},{p.left},{p.right}" if any((p.top, p.bottom, p.left, p.right)) else ""
    return f"{size[0]}x{size[1]} stride {stride[0]},{stride[1]}{pads}"


def _details(op: Op) -> str:
    if isinstance(op, Conv2D):
        groups = f" groups {op.groups}" if op.groups > 1 else ""
        return _window(op.weight.shape[1:3], op.stride, op) + _dilation(op.dilation) + groups
    if isinstance(op, DepthwiseConv2D):
        multiplier = f" multiplier {op.multiplier}" if op.multiplier > 1 else ""
        return _window(op.weight.shape[:2], op.stride, op) + _dilation(op.dilation) + multiplier
    if isinstance(op, AveragePool | MaxPool):
        return _window(op.window, op.stride, op)
    return op.function if isinstance(op, Table) else ""


def _dilation(dilation: tuple[int, int]) -> str:
    return f" dilation {dilation[0]},{dilation[1]}" if dilation != (1, 1) else ""


def _operator(index: int, op: Op, graph: Graph) -> OperatorRecord:
    inputs, (output,) = graph.io(op)
    place: Placement = placement(op, graph)
    return OperatorRecord(
        index, op.kind, op.name, tuple(_tensor(t) for t in inputs), _tensor(output), _details(op), macs(op, graph),
        parameters(op), place.where.value, place.reason,
    )  # fmt: skip


def survey(graph: Graph) -> Survey:
    """Everything `esl-ref inspect` shows of a graph."""
    operators = tuple(_operator(i, op, graph) for i, op in enumerate(graph.ops))
    return Survey(
        graph.name,
        graph.profile.value,
        tuple(_tensor(graph.tensors[n]) for n in graph.inputs),
        tuple(_tensor(graph.tensors[n]) for n in graph.outputs),
        operators,
        sum(o.macs for o in operators),
        sum(o.parameters for o in operators),
        max((t.nbytes for t in graph.activations()), default=0),
        (*graph.notes, *(f"detection head: {head}" for head in graph.heads)),
    )
