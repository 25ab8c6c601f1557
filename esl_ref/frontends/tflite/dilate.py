# SPDX-License-Identifier: Apache-2.0
"""SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND: a dilated convolution, as TensorFlow takes it apart.

Every b-th row and column is a picture of its own in between, and b * b of them are a batch. Converters put most
of these together again, but leave what they do not recognise: an open batch, a batch normalisation behind it. Here
the file model is rewritten: the pieces stay one map, [1, b * h, b * w, C] for [b * b, h, w, C], on which the
convolution has a dilation of b; its two neighbours become padding and a slice.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from esl_ref.frontends.tflite.schema import FileModel, FileOperator, FileTensor

__all__ = ["join_batches"]

Block = tuple[int, ...]
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_POINTWISE = (
    "ADD", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MUL", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "SUB", "TANH",
)  # fmt: skip
_VALID = 1


class _Unknown(Exception):
    """Something else happens to the pieces: they are left as they are, and refused by name."""


def _need(condition: bool) -> None:
    if not condition:
        raise _Unknown


class _Joiner:
    """The model being rewritten. `blocks`: per tensor in pieces, the step between neighbours along rows and columns."""

    def __init__(self, model: FileModel) -> None:
        self.model, self.tensors, self.blocks = model, list(model.tensors), dict[int, Block]()

    def _integers(self, index: int) -> list[int]:
        tensor = self.tensors[index]
        _need(tensor.data is not None and tensor.type in ("INT32", "INT64"))
        return [int(v) for v in np.ravel(tensor.data)]  # type: ignore[arg-type]

    def _constant(self, values: list[list[int]] | list[int]) -> int:
        data, index, empty = np.array(values, np.int32), len(self.tensors), np.empty(0)
        free = (False,) * data.ndim
        self.tensors.append(
            FileTensor(index, f"joined_{index}", data.shape, free, "INT32", empty, empty, 0, data, False)
        )
        return index

    def _spread(self, index: int, block: Block) -> None:
        """The tensor's pieces are one map from here on."""
        tensor = self.tensors[index]
        _need(len(tensor.shape) == len(block) + 2)
        sizes = tuple(size * b for size, b in zip(tensor.shape[1:-1], block, strict=True))
        shape = (1, *sizes, tensor.shape[-1])
        self.tensors[index] = dataclasses.replace(tensor, shape=shape, dynamic=(False,) * len(shape))
        self.blocks[index] = block

    def _blocks(self, op: FileOperator, rank: int) -> tuple[Block, list[list[int]]]:
        """(block per axis of the map, padding or cropping per axis of the tensor)."""
        _need(len(op.inputs) == 3 and rank in (3, 4))
        block, amounts = self._integers(op.inputs[1]), self._integers(op.inputs[2])
        _need(1 <= len(block) <= rank - 2 and len(amounts) == 2 * len(block) and min(block) > 0 and min(amounts) >= 0)
        behind = rank - 1 - len(block)
        pairs = [[0, 0], *(amounts[k : k + 2] for k in range(0, len(amounts), 2)), *[[0, 0]] * behind]
        return (*block, *(1,) * (behind - 1)), pairs

    def divide(self, op: FileOperator) -> FileOperator:
        """SPACE_TO_BATCH_ND becomes its padding."""
        source = self.tensors[op.inputs[0]]
        block, pairs = self._blocks(op, len(source.shape))
        _need(source.shape[0] == 1 and op.inputs[0] not in self.blocks)
        self._spread(op.outputs[0], block)
        padded = tuple(d + a + b for d, (a, b) in zip(source.shape, pairs, strict=True))
        _need(self.tensors[op.outputs[0]].shape == padded)
        if not any(map(any, pairs)):
            return dataclasses.replace(op, code="RESHAPE", inputs=op.inputs[:1], options={})
        return dataclasses.replace(op, code="PAD", inputs=(op.inputs[0], self._constant(pairs)), options={})

    def join(self, op: FileOperator) -> FileOperator:
        """BATCH_TO_SPACE_ND becomes its cropping."""
        shape = self.tensors[op.inputs[0]].shape
        block, crops = self._blocks(op, len(shape))
        _need(self.blocks[op.inputs[0]] == block)
        sizes = [d - a - b for d, (a, b) in zip(shape, crops, strict=True)]
        _need(min(sizes) > 0)
        if not any(map(any, crops)):
            return dataclasses.replace(op, code="RESHAPE", inputs=op.inputs[:1], options={})
        limits = (self._constant([a for a, _ in crops]), self._constant(sizes))
        return dataclasses.replace(op, code="SLICE", inputs=(op.inputs[0], *limits), options={})

    def convolve(self, op: FileOperator) -> FileOperator:
        """A convolution of the pieces is one with a dilation of the map."""
        block, options = self.blocks[op.inputs[0]], dict(op.options)
        _need(len(block) == 2 and (options["Padding"], options["StrideH"], options["StrideW"]) == (_VALID, 1, 1))
        self._spread(op.outputs[0], block)
        options["DilationHFactor"] *= block[0]
        options["DilationWFactor"] *= block[1]
        return dataclasses.replace(op, options=options)

    def reshape(self, op: FileOperator) -> FileOperator:
        """[B, L, C] as [B, 1, L, C], around a convolution of one axis, and back."""
        block, before = self.blocks[op.inputs[0]], self.model.tensors[op.inputs[0]].shape
        behind = self.model.tensors[op.outputs[0]].shape
        raised = len(before) == 3 and behind[1:] == (1, *before[1:])
        _need(raised or (len(before) == 4 and before[1:] == (1, *behind[1:]) and block[0] == 1))
        self._spread(op.outputs[0], (1, *block) if raised else block[1:])
        return dataclasses.replace(op, code="RESHAPE", inputs=op.inputs[:1], options={})

    def pointwise(self, op: FileOperator) -> FileOperator:
        """Every element for itself, with constants that are the same for all pieces."""
        (block, *others) = {self.blocks[i] for i in op.inputs if i in self.blocks}
        rest = [self.tensors[i] for i in op.inputs if i not in self.blocks]
        _need(not others and all(t.data is not None and t.data.size in (1, t.shape[-1]) for t in rest))
        self._spread(op.outputs[0], block)
        return op

    def step(self, op: FileOperator) -> FileOperator:
        """The operator on whole maps."""
        if op.code == "SPACE_TO_BATCH_ND":
            return self.divide(op)
        if not any(i in self.blocks for i in op.inputs):
            return op
        _need(len(op.outputs) == 1)
        if op.code in _POINTWISE:
            return self.pointwise(op)
        _need(op.inputs[0] in self.blocks and not any(i in self.blocks for i in op.inputs[1:]))
        if op.code in _CONVOLUTIONS:
            return self.convolve(op)
        _need(op.code in ("RESHAPE", "EXPAND_DIMS", "SQUEEZE", "BATCH_TO_SPACE_ND"))
        return self.join(op) if op.code == "BATCH_TO_SPACE_ND" else self.reshape(op)


def join_batches(model: FileModel) -> FileModel:
    """The model with dilated convolutions put together; as it is if something else is done to the pieces."""
    if all(op.code != "SPACE_TO_BATCH_ND" for op in model.operators):
        return model
    joiner = _Joiner(model)
    try:
        operators = tuple(joiner.step(op) for op in model.operators)
        _need(not any(i in joiner.blocks for i in model.outputs))
    except _Unknown:
        return model
    return dataclasses.replace(model, tensors=tuple(joiner.tensors), operators=operators)
