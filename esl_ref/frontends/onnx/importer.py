# SPDX-License-Identifier: Apache-2.0
"""From a file model to the middle form: the table of operators, and a loop over the nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from esl_ref.errors import EslError, ModelError, UnsupportedError
from esl_ref.floating.graph import Add, Mul, Reshape
from esl_ref.frontends.onnx import areas, conv, dense, elementwise, fold, moves, pool, quant
from esl_ref.frontends.onnx.context import Context
from esl_ref.frontends.onnx.middle import Middle
from esl_ref.frontends.onnx.schema import (
    DOMAINS,
    MAX_TENSOR_ELEMENTS,
    FileModel,
    FileNode,
    FileValue,
    elements,
)
from esl_ref.frontends.onnx.views import View, channels_last

__all__ = ["IMPORTERS", "MICROSOFT", "convert", "enter", "import_middle", "importer_of"]

Importer = Callable[[Context, FileNode], None]


@dataclass(frozen=True)
class _Known:
    """What imports an operator, and the first operator set in which that means what the importer takes it for."""

    run: Importer
    since: int = 1


IMPORTERS: dict[str, _Known] = {
    "AveragePool": _Known(pool.average_pool), "BatchNormalization": _Known(conv.batch_normalization, 7),
    "Clip": _Known(elementwise.clip), "Concat": _Known(areas.concat, 4), "Constant": _Known(fold.constant),
    "Conv": _Known(conv.conv), "ConvInteger": _Known(conv.conv_integer, 10),
    "DepthToSpace": _Known(moves.depth_to_space), "DequantizeLinear": _Known(quant.dequantize_linear, 10),
    "Dropout": _Known(moves.identity, 7), "Flatten": _Known(moves.flatten), "Gemm": _Known(dense.gemm, 7),
    "GlobalAveragePool": _Known(pool.global_average_pool), "GlobalMaxPool": _Known(pool.global_max_pool),
    "Identity": _Known(moves.identity), "LRN": _Known(elementwise.lrn), "MatMul": _Known(dense.matmul),
    "MatMulInteger": _Known(dense.matmul_integer, 10), "MaxPool": _Known(pool.max_pool),
    "Pad": _Known(areas.pad, 2), "QLinearConv": _Known(conv.qlinear_conv, 10),
    "QLinearMatMul": _Known(dense.qlinear_matmul, 10), "QuantizeLinear": _Known(quant.quantize_linear, 10),
    "ReduceMean": _Known(pool.reduce_mean), "Reshape": _Known(moves.reshape), "Resize": _Known(areas.resize, 10),
    "Shape": _Known(fold.shape_of), "Slice": _Known(areas.slice_), "Softmax": _Known(elementwise.softmax),
    "SpaceToDepth": _Known(moves.space_to_depth),
    "Split": _Known(areas.split, 2), "Squeeze": _Known(moves.squeeze), "Transpose": _Known(moves.transpose),
    "Unsqueeze": _Known(moves.unsqueeze), "Upsample": _Known(areas.upsample, 7),
    **{name: _Known(run, 7) for name, run in elementwise.BINARY.items()},
    **{name: _Known(elementwise.unary(choose), 6) for name, choose in elementwise.UNARY.items()},
}  # fmt: skip
"""Operators of the standard set."""

MICROSOFT: dict[str, Importer] = {
    "QGemm": dense.qgemm, "QLinearAdd": elementwise.qlinear_binary(Add),
    "QLinearAveragePool": pool.qlinear_average_pool, "QLinearConcat": areas.qlinear_concat,
    "QLinearGlobalAveragePool": pool.qlinear_global_average_pool,
    "QLinearLeakyRelu": elementwise.qlinear_unary(elementwise.UNARY["LeakyRelu"]),
    "QLinearMul": elementwise.qlinear_binary(Mul),
    "QLinearSigmoid": elementwise.qlinear_unary(elementwise.UNARY["Sigmoid"]),
    "QLinearSoftmax": elementwise.qlinear_softmax,
    "QuantizeLinear": quant.quantize_linear, "DequantizeLinear": quant.dequantize_linear,
}  # fmt: skip
"""Operators of ONNX Runtime's own set, which its quantiser writes."""


def importer_of(node: FileNode, opset: int) -> Importer | None:
    """What reads a node of this operator set; None if nothing does."""
    if node.op == "RequantShift":
        return quant.requant_shift
    if DOMAINS.get(node.domain) == "com.microsoft":
        return MICROSOFT.get(node.op)
    known = IMPORTERS.get(node.op) if node.domain in DOMAINS else None
    return known.run if known and known.since <= opset else None


def _refuse_unknown(ctx: Context) -> None:
    """All unknown operators in one error, with how often each occurs and where the first one is."""
    model = ctx.model
    unknown = [n for n in model.nodes if importer_of(n, model.opset) is None and n.op not in fold.FOLDED]
    if unknown:
        counts = Counter(f"{n.domain}.{n.op}" if n.domain not in ("", "ai.onnx") else n.op for n in unknown)
        listed = ", ".join(f"{op} ({count}x)" for op, count in sorted(counts.items()))
        raise UnsupportedError(
            f"unsupported operators in operator set {model.opset}: {listed}; the first is {unknown[0].label}",
            where=model.path, hint="docs/onnx.md lists what is supported",
        )  # fmt: skip


def _reads_transposed(model: FileModel, name: str) -> bool:
    """Whether an input is brought from NHWC to NCHW by the file itself: then it is NHWC in the file, too."""
    seen, wanted = {name}, [name]
    for node in model.nodes:
        if node.inputs and node.inputs[0] in seen and wanted:
            if node.op == "Transpose":
                return list(node.attributes.get("perm", ())) == [0, 3, 1, 2]
            if node.op not in ("QuantizeLinear", "DequantizeLinear", "Identity", "Sub", "Mul", "Add", "Div"):
                return False
            seen.update(node.outputs)
    return False


def enter(ctx: Context, value: FileValue) -> None:
    """A network input: NHWC in the graph where the file has NCHW."""
    if value.shape is None:
        raise UnsupportedError(f"input '{value.name}' has no shape", where=ctx.model.path)
    rank = len(value.shape)
    if any(d < 1 for d in value.shape) or elements(value.shape) > MAX_TENSOR_ELEMENTS:
        raise ModelError(f"input '{value.name}' has shape {list(value.shape)}", where=ctx.model.path,
                         hint=f"1 to {MAX_TENSOR_ELEMENTS} elements are supported")  # fmt: skip
    if rank == 4 and value.shape[0] != 1:
        raise UnsupportedError(f"input '{value.name}' has shape {list(value.shape)}", where=ctx.model.path,
                               hint="a leading batch dimension of 1 is needed")  # fmt: skip
    order = channels_last(rank)
    if rank == 4 and _reads_transposed(ctx.model, value.name):
        order = tuple(range(rank))
    shape = tuple(value.shape[axis] for axis in order)
    ctx.shapes[value.name] = shape
    ctx.values[value.name] = View.ordered(value.name, shape, order)


def _leave(ctx: Context, name: str) -> str:
    """A network output under its own name, in its memory order; a view that is no transposition is copied."""
    value = ctx.values[name]
    if not isinstance(value, View):
        raise UnsupportedError(f"output '{name}' is a constant", where=ctx.model.path)
    order = value.order if value.tail is None else channels_last(len(value.shape))
    made = ctx.realise(value, order)
    if made != name:
        ctx.set_free(name)
        index = ctx.unread(made)
        shape = ctx.shapes[made]
        made = ctx.change(index, name) if index is not None else ctx.emit(Reshape, name, (made,), shape)
        ctx.values[name] = View.ordered(made, shape, order)
    return made


def _orders(ctx: Context) -> dict[str, tuple[int, ...]]:
    """File axes of every graph tensor that is one of the file's, where they are in another order."""
    found = {}
    for name, value in ctx.values.items():
        if isinstance(value, View) and value.name == name and value.tail is None and ctx.shapes.get(name) == value.base:
            if value.order != tuple(range(len(value.base))):
                found[name] = value.order
    return found


def convert(ctx: Context, node: FileNode, *, only_fold: bool = False) -> bool:
    """Import one node. `only_fold`: just if it computes on constants; says whether it was imported."""
    if fold.fold(ctx, node) or only_fold:
        return all(name in ctx.values for name in node.outputs)
    run = importer_of(node, ctx.model.opset)
    if run is None:
        raise ctx.unsupported(node, "on tensors that are computed", "constants only")
    try:
        run(ctx, node)
    except EslError as error:
        if ctx.model.path in str(error):
            raise
        raise type(error)(error.what, where=ctx.at(node), hint=error.hint) from error
    except ArithmeticError as error:
        raise ctx.bad(node, f"its numbers do not fit ({error})") from error
    return True


def import_middle(model: FileModel) -> Middle:
    """Every node in turn. UnsupportedError names all unknown operators, or the first node with an unknown option."""
    ctx = Context(model)
    _refuse_unknown(ctx)
    for value in model.inputs:
        enter(ctx, value)
    for node in model.nodes:
        convert(ctx, node)
    outputs = tuple(dict.fromkeys(_leave(ctx, value.name) for value in model.outputs))
    kinds = {v.name: v.dtype for v in (*model.inputs, *model.outputs) if v.dtype is not None and v.dtype.itemsize == 1}
    return Middle(
        model.path, model.name, tuple(ctx.ops), ctx.shapes, ctx.constants, tuple(v.name for v in model.inputs), outputs,
        {name: kind for name, kind in kinds.items() if kind.kind in "iu"}, _orders(ctx), tuple(ctx.notes),
    )  # fmt: skip
