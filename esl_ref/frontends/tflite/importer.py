# SPDX-License-Identifier: Apache-2.0
"""From a file model to an integer graph: a table of importers, one per operator, and the loop over them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from esl_ref.detection.heads import Head, from_plain
from esl_ref.errors import EslError, ModelError, UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.frontends.passes import run_passes
from esl_ref.frontends.tflite import (
    blocks,
    conv,
    custom,
    dense,
    elementwise,
    moves,
    pool,
    prelu,
    reduce,
    resize,
    tail,
    unary,
)
from esl_ref.frontends.tflite.context import Context
from esl_ref.frontends.tflite.dilate import join_batches
from esl_ref.frontends.tflite.float_context import FloatContext
from esl_ref.frontends.tflite.float_ops import FLOAT_IMPORTERS
from esl_ref.frontends.tflite.fold import fold
from esl_ref.frontends.tflite.reader import METADATA_PREFIX, read_bytes, read_file
from esl_ref.frontends.tflite.schema import FIXED, FileModel, FileOperator
from esl_ref.ir import Graph

__all__ = [
    "HEADS", "IMPORTERS", "Verdict", "import_float", "import_model", "is_float", "load_bytes", "load_file",
    "load_model", "verdicts",
]  # fmt: skip

HEADS = METADATA_PREFIX + "heads"
"""Metadata with detection heads, as JSON."""

IMPORTERS: dict[str, Callable[[Context, FileOperator], None]] = {
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pool.average_pool_2d,
    "CONCATENATION": moves.concatenation,
    "CONV_2D": conv.conv_2d,
    "CUSTOM(ESL_AVERAGE_POOL)": custom.average_pool,
    "CUSTOM(ESL_RESIZE_NEAREST)": custom.resize_nearest,
    "CUSTOM(ESL_TABLE)": custom.table,
    "DEPTHWISE_CONV_2D": conv.depthwise_conv_2d,
    "DEPTH_TO_SPACE": blocks.depth_to_space,
    "DEQUANTIZE": tail.dequantize,
    "EXPAND_DIMS": moves.reshape,
    "FULLY_CONNECTED": dense.fully_connected,
    "HARD_SWISH": unary.hard_swish,
    "LEAKY_RELU": unary.leaky_relu,
    "LOGISTIC": unary.logistic,
    "MAXIMUM": elementwise.maximum,
    "MAX_POOL_2D": pool.max_pool_2d,
    "MEAN": reduce.mean,
    "MINIMUM": elementwise.minimum,
    "MUL": elementwise.mul,
    "PACK": moves.pack,
    "PAD": moves.pad,
    "PADV2": moves.pad,
    "PRELU": prelu.prelu,
    "QUANTIZE": tail.quantize,
    "REDUCE_MAX": reduce.reduce_max,
    "RELU": unary.relu,
    "RELU6": unary.relu6,
    "RELU_N1_TO_1": unary.relu_n1_to_1,
    "RESHAPE": moves.reshape,
    "RESIZE_NEAREST_NEIGHBOR": resize.resize_nearest_neighbor,
    "SLICE": moves.slice_,
    "SOFTMAX": tail.softmax,
    "SPACE_TO_DEPTH": blocks.space_to_depth,
    "SPLIT": moves.split,
    "SPLIT_V": moves.split,
    "SQUEEZE": moves.reshape,
    "STRIDED_SLICE": moves.strided_slice,
    "SUB": elementwise.sub,
    "TANH": unary.tanh,
    "TILE": blocks.tile,
    "TRANSPOSE": moves.transpose,
    "UNPACK": blocks.unpack,
}


C = TypeVar("C", bound=Context)
Importers = Mapping[str, Callable[[C, FileOperator], None]]


def _unknown(model: FileModel, folded: frozenset[int], known: Iterable[str]) -> list[FileOperator]:
    return [op for op in model.operators if op.code not in known and op.index not in folded]


def _refuse_unknown(model: FileModel, folded: frozenset[int], known: Iterable[str]) -> None:
    """All unknown operators in one error, with how often each occurs."""
    unknown = Counter(op.code for op in _unknown(model, folded, known))
    if unknown:
        listed = ", ".join(f"{code} ({count}x)" for code, count in sorted(unknown.items()))
        around = f"{' and '.join(_AROUND)} on both sides of a convolution only; "
        around = around if unknown.keys() & set(_AROUND) else ""
        raise UnsupportedError(f"unsupported operators: {listed}", where=model.path,
                               hint=f"{around}supported: {', '.join(known)}")  # fmt: skip


_AROUND = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
"""How TensorFlow writes dilation: the pair is folded into the convolution between them."""


def _convert(ctx: C, folded: frozenset[int], importers: Importers[C]) -> dict[int, UnsupportedError]:
    """Run every importer. What is unsupported is collected, by operator, so that one run names all of it."""
    refused: dict[int, UnsupportedError] = {}
    for op in ctx.model.operators:
        if op.index in folded or op.code not in importers:
            continue
        try:
            importers[op.code](ctx, op)
        except UnsupportedError as error:
            refused[op.index] = error
        except EslError as error:
            if refused:  # What follows a refused operator may lack its shape: the refusal is the cause.
                break
            if ctx.model.path not in str(error):
                raise type(error)(error.what, where=ctx.at(op), hint=error.hint) from error
            raise
    return refused


def _refuse(path: str, refused: dict[int, UnsupportedError]) -> None:
    errors = list(refused.values())
    if len(errors) == 1:
        raise errors[0]
    if errors:
        details = "; ".join(f"{e.where.removeprefix(path + ': ')}: {e.what}" for e in errors[:20])
        more = f"; and {len(errors) - 20} more" if len(errors) > 20 else ""
        hints = "; ".join(dict.fromkeys(e.hint for e in errors[:20] if e.hint))
        raise UnsupportedError(f"{len(errors)} unsupported operators: {details}{more}", where=path, hint=hints)


def _refuse_words(model: FileModel) -> None:
    """Activations of 16 bits concern every operator: one sentence instead of one per operator."""
    words = [t.name for op in model.operators for t in map(model.tensors.__getitem__, op.outputs) if t.type == "INT16"]
    if words:
        what = f"INT16 activations ('{words[0]}', {len(words)} in all)"
        hint = "int8 and uint8 activations are supported: convert without the 16x8 mode"
        raise UnsupportedError(what, where=model.path, hint=hint)


def _walk(ctx: C, gone: frozenset[int], importers: Importers[C]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Import every operator; names of the model's inputs and outputs. What is unsupported is refused, all at once."""
    model = ctx.model
    _refuse_words(model)
    _refuse_unknown(model, gone, importers)
    inputs = _interface(ctx, model.inputs)
    for tensor in (model.tensors[index] for index in model.inputs):
        if tensor.shape[:1] != (1,):
            raise UnsupportedError(f"input '{tensor.name}' has shape {list(tensor.shape)}", where=model.path,
                                   hint="a leading batch dimension of 1 is needed")  # fmt: skip
        if tensor.open_axes:
            raise UnsupportedError(f"input '{tensor.name}' leaves axes {list(tensor.open_axes)} open", where=model.path,
                                   hint=FIXED)  # fmt: skip
    _refuse(model.path, _convert(ctx, gone, importers))
    ctx.notes += [*_repeats(model, "input", model.inputs), *_repeats(model, "output", model.outputs)]
    return inputs, _interface(ctx, model.outputs)


def _repeats(model: FileModel, kind: str, indices: tuple[int, ...]) -> Iterator[str]:
    """Notes of inputs or outputs that the file lists several times."""
    for index, times in Counter(indices).items():
        if times > 1:
            yield f"{kind} '{model.tensors[index].name}' is listed {times} times and counts once here"


def _interface(ctx: Context, indices: tuple[int, ...]) -> tuple[str, ...]:
    """Names of inputs or outputs in order, each once: executors take and return tensors by name."""
    return tuple(dict.fromkeys(ctx.use(None, ctx.model.tensors[i]) for i in indices))


def _heads(model: FileModel) -> tuple[Head, ...]:
    """Detection heads that the quantiser wrote beside the graph."""
    data = model.metadata.get(HEADS)
    if data is None:
        return ()
    try:
        plain = json.loads(data)
        if not isinstance(plain, list) or not all(isinstance(head, dict) for head in plain):
            raise ValueError("not a list of objects")
    except (ValueError, RecursionError) as error:
        raise ModelError(f"metadata '{HEADS}' is damaged ({error})", where=model.path) from error
    return tuple(from_plain(head) for head in plain)


def import_model(model: FileModel) -> Graph:
    """The integer graph of a file model: folded, converted, cleaned, verified."""
    model = join_batches(model)
    folded, gone = fold(model)
    ctx = Context(model, folded)
    inputs, outputs = _walk(ctx, gone, IMPORTERS)
    rebiased = [t.name for t in ctx.tensors.values() if t.file_offset and not t.is_const]
    if rebiased:
        ctx.notes.insert(0, f"{len(rebiased)} uint8 tensors re-biased by -128 to int8, exactly: the file's value is "
                            "q + 128, for the model's inputs and outputs too")  # fmt: skip
    try:
        graph = Graph(
            Path(model.path).stem or model.name, ctx.tensors, tuple(ctx.ops), inputs, outputs,
            notes=tuple(ctx.notes), heads=_heads(model),
        )  # fmt: skip
        return run_passes(graph)
    except EslError as error:
        raise type(error)(error.what, where=f"{model.path}: {error.where}", hint=error.hint) from error


def is_float(model: FileModel) -> bool:
    """True for a model all of whose activations are floats."""
    made = {index for op in model.operators for index in op.outputs} | set(model.inputs)
    types = {model.tensors[index].type for index in made}
    return "FLOAT32" in types and not types & {"INT8", "UINT8", "INT16"}


def import_float(model: FileModel) -> FloatGraph:
    """The float graph of a float model."""
    model = join_batches(model)
    folded, gone = fold(model)
    ctx = FloatContext(model, folded)
    inputs, outputs = _walk(ctx, gone, FLOAT_IMPORTERS)
    try:
        return ctx.graph(Path(model.path).stem or model.name, inputs, outputs, _heads(model))
    except EslError as error:
        raise type(error)(error.what, where=f"{model.path}: {error.where}", hint=error.hint) from error


@dataclass(frozen=True)
class Verdict:
    """What the front end says of one operator of a file."""

    index: int
    code: str
    verdict: str


def verdicts(path: str | Path) -> list[Verdict] | None:
    """Every operator of a `.tflite` file with what keeps it from being imported; None if the file itself is refused."""
    try:
        model = join_batches(read_file(path))
        folded, gone = fold(model)
        if is_float(model):
            floats = FloatContext(model, folded)
            _interface(floats, model.inputs)
            refused, known = _convert(floats, gone, FLOAT_IMPORTERS), set(FLOAT_IMPORTERS)
        else:
            ctx = Context(model, folded)
            _interface(ctx, model.inputs)
            refused, known = _convert(ctx, gone, IMPORTERS), set(IMPORTERS)
    except (EslError, OSError):
        return None
    said = {op.index: "not at all: no such operator here" for op in _unknown(model, gone, known)}
    said |= {index: f"not at all: {e.what}{'; ' + e.hint if e.hint else ''}" for index, e in refused.items()}
    said |= {index: "folded into a constant" for index in gone}
    return [Verdict(op.index, op.code, said.get(op.index, "supported")) for op in model.operators]


def load_file(path: str | Path) -> Graph:
    """The integer graph of a `.tflite` file."""
    return import_model(read_file(path))


def load_model(path: str | Path) -> Graph | FloatGraph:
    """The graph of a `.tflite` file, of integers or of floats as the file is."""
    model = read_file(path)
    return import_float(model) if is_float(model) else import_model(model)


def load_bytes(data: bytes, path: str = "<bytes>") -> Graph:
    """The integer graph of a `.tflite` file in memory."""
    return import_model(read_bytes(data, path))
