# SPDX-License-Identifier: Apache-2.0
"""Channel splits (fused depthwise tiling, TinyML 2023): a path executed slice by slice of its channels.

The path starts at an operator whose output channels can be made a slice at a time (fan-out) and passes through
operators that keep channels apart. It ends by joining the slices, or in an operator that sums over them (fan-in): that
one is left as it is, reading the slices put together, and its name goes into `Graph.fan_in`. The compiler then lets it
sum slice by slice, so that they never are together. Nothing is computed twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy.typing as npt

from esl_ref import ir
from esl_ref.errors import PlanError
from esl_ref.ir import Concat, Graph, Op, Tensor
from esl_ref.numerics import Requant

__all__ = ["FAN_IN", "FAN_OUT", "fan_in_ready", "passes", "split_channels"]

FAN_OUT = (ir.Conv2D, ir.FullyConnected)
FAN_IN = (ir.Conv2D, ir.FullyConnected)


def split_channels(graph: Graph, names: Sequence[str], parts: int, *, sums: bool = False) -> Graph:
    """`graph` with the path of operators `names` cut into `parts` slices of channels, one after the other.

    sums: the last of `names` is the fan-in. PlanError if the operators are no path, an operator mixes channels, or
    there are fewer channels than parts.
    """
    body = _path(graph, names[:-1] if sums else names)
    out = graph.tensors[body[-1].outputs[0]]
    channels = graph.tensors[body[0].outputs[0]].shape[-1]
    if not 2 <= parts <= channels:
        raise PlanError(f"{channels} channels cannot be cut into {parts} parts", where=f"operator '{body[0].name}'")
    width = -(-channels // parts)
    made: list[Op] = []
    tensors: dict[str, Tensor] = {}
    ends: list[str] = []
    for k, first in enumerate(range(0, channels, width)):
        ends.append(_slice(graph, body, (first, min(channels, first + width)), k, made, tensors))
    if sums:
        _check_fan_in(graph, graph.producers()[body[-1].outputs[0]], names[-1])
    made.append(Concat(f"join {out.name}", tuple(ends), (out.name,), len(out.shape) - 1))
    cut = {op.name for op in body}
    inside = {op.outputs[0] for op in body} - {out.name}
    ops = [o for op in graph.ops for o in (made if op is body[-1] else [op] if op.name not in cut else [])]
    kept = {n: t for n, t in graph.tensors.items() if n not in inside}
    fan_in = graph.fan_in - cut | {op.name for op in made if op.name.rpartition("/")[0] in graph.fan_in & cut}
    fan_in |= {names[-1]} if sums else frozenset()
    return graph.replace(ops=tuple(ops), tensors={**kept, **tensors}, fan_in=fan_in)


def _path(graph: Graph, names: Sequence[str]) -> list[Op]:
    """The operators, each the only reader of the one before; the first can be made by slices of channels."""
    by_name = {op.name: op for op in graph.ops}
    if not names or any(name not in by_name for name in names):
        raise PlanError(f"has no path {' > '.join(names)}", where=f"graph '{graph.name}'")
    body = [by_name[name] for name in names]
    if not isinstance(body[0], FAN_OUT) or getattr(body[0], "groups", 1) != 1:
        raise PlanError(f"{body[0].kind} does not make channels independently", where=f"operator '{body[0].name}'")
    readers = graph.consumers()
    for op, after in zip(body, body[1:], strict=False):
        if readers[op.outputs[0]] != (after,) or op.outputs[0] in graph.outputs:
            raise PlanError("others read it too", where=f"tensor '{op.outputs[0]}'")
        if not passes(graph, after):
            raise PlanError(f"{after.kind} mixes channels", where=f"operator '{after.name}'")
    return body


def _check_fan_in(graph: Graph, end: Op, name: str) -> None:
    """The fan-in reads nothing but the path, and sums over whole channels of it."""
    readers = graph.consumers()[end.outputs[0]]
    if len(readers) != 1 or readers[0].name != name or end.outputs[0] in graph.outputs:
        raise PlanError("is not all that the path's end is read by", where=f"operator '{name}'")
    if not fan_in_ready(graph, readers[0]):
        raise PlanError(f"{readers[0].kind} cannot sum over slices of channels", where=f"operator '{name}'")


def fan_in_ready(graph: Graph, op: Op) -> bool:
    """Whether `op` may sum over slices of its input's channels: one group, or one row of a dense layer."""
    if isinstance(op, ir.Conv2D):
        return op.groups == 1
    return isinstance(op, ir.FullyConnected) and graph.tensors[op.inputs[0]].shape[-1] == op.weight.shape[1]


def passes(graph: Graph, op: Op) -> bool:
    """Whether `op` keeps channels apart, so that it can run on a slice of them."""
    rule = _PASSES.get(type(op))
    return rule is not None and (rule(graph, op, (0, 1)) is not None)


def _slice(graph: Graph, body: Sequence[Op], span: tuple[int, int], number: int, made: list[Op],
           tensors: dict[str, Tensor]) -> str:  # fmt: skip
    """Append channels [span) of every operator of the path; the name of the last one's output."""
    source = body[0].inputs
    for op in body:
        (out,) = op.outputs
        part = _fan_out(op, span) if op is body[0] else _PASSES[type(op)](graph, op, span)
        assert part is not None
        whole = graph.tensors[out]
        name = f"{out}/{number}"
        tensors[name] = dataclasses.replace(whole, name=name, shape=(*whole.shape[:-1], span[1] - span[0]))
        inputs = (*source, *(_operand(graph, n, span, number, tensors) for n in op.inputs[1:]))
        made.append(dataclasses.replace(part, name=f"{op.name}/{number}", inputs=inputs, outputs=(name,)))
        source = (name,)
    return source[0]


def _operand(graph: Graph, name: str, span: tuple[int, int], number: int, tensors: dict[str, Tensor]) -> str:
    """A constant operand's slice, or the operand itself where one value serves all channels."""
    whole = graph.tensors[name]
    if whole.data is None or whole.data.ndim == 0 or whole.shape[-1] == 1:
        return name
    data = whole.data[..., span[0] : span[1]]
    part = f"{name}/{number}"
    tensors[part] = dataclasses.replace(whole, name=part, shape=data.shape, data=data)
    return part


def _requant(requant: Requant, span: tuple[int, int]) -> Requant:
    """The constants of these channels; what is one for all of them stays so."""

    def own(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if values.size == 1 else values[span[0] : span[1]]

    add = None if requant.add is None else own(requant.add)
    return Requant(own(requant.multiplier), own(requant.shift), requant.profile, add)


def _fan_out(op: Op, span: tuple[int, int]) -> Op:
    assert isinstance(op, ir.Conv2D | ir.FullyConnected)
    part = slice(*span)
    return dataclasses.replace(op, weight=op.weight[part], bias=op.bias[part], requant=_requant(op.requant, span))


def _depthwise(graph: Graph, op: ir.DepthwiseConv2D, span: tuple[int, int]) -> Op | None:
    if op.multiplier != 1:
        return None
    part = slice(*span)
    return dataclasses.replace(op, weight=op.weight[:, :, part], bias=op.bias[part], requant=_requant(op.requant, span))


def _same(graph: Graph, op: Op, span: tuple[int, int]) -> Op | None:
    return op


def _mean(graph: Graph, op: ir.Mean, span: tuple[int, int]) -> Op | None:
    rank = len(graph.tensors[op.inputs[0]].shape)
    return None if any(axis % rank == rank - 1 for axis in op.axes) else op


def _with_constant(graph: Graph, op: ir.Add | ir.Mul, span: tuple[int, int]) -> Op | None:
    """Only an operand that is known beforehand can be cut along with the path."""
    first, second = (graph.tensors[name] for name in op.inputs)
    return op if not first.is_const and second.is_const else None


def _reshape(graph: Graph, op: ir.Reshape, span: tuple[int, int]) -> Op | None:
    """One pixel under another rank is still its channels."""
    shapes = [graph.tensors[name].shape for name in (*op.inputs, *op.outputs)]
    return op if all(prod(shape) == shape[-1] for shape in shapes) else None


_Rule: TypeAlias = Callable[[Graph, Any, tuple[int, int]], Op | None]
_PASSES: dict[type[Op], _Rule] = {
    ir.DepthwiseConv2D: _depthwise, ir.AveragePool: _same, ir.MaxPool: _same, ir.Mean: _mean, ir.Table: _same,
    ir.ResizeNearest: _same, ir.Reshape: _reshape, ir.Add: _with_constant, ir.Sub: _with_constant,
    ir.Mul: _with_constant,
}  # fmt: skip
