# SPDX-License-Identifier: Apache-2.0
"""Which builtin operators can be written to a `.tflite`, with their option tables and versions.

Taken from the TensorFlow Lite schema (version 3): every operator has an opcode, usually a table of options, and a
version that rises whenever the operator learns a new type. `version` here is the lowest that admits int8, which is
what interpreters check before they run a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["OPERATORS", "OperatorSpec"]


Default = int | float | bool | str


@dataclass(frozen=True)
class OperatorSpec:
    """Options of one builtin operator.

    `table` names its options table in the schema ("" if it has none), `defaults` maps each option to its default,
    `enums` maps options whose value is a name to the schema's enumeration, `vectors` are options that hold int32
    lists.
    """

    version: int
    table: str = ""
    defaults: dict[str, Default] = field(default_factory=dict)
    enums: dict[str, str] = field(default_factory=dict)
    vectors: frozenset[str] = frozenset()


_ACTIVATION: dict[str, Default] = {"fused_activation_function": "NONE"}
_WINDOW: dict[str, Default] = {"padding": "SAME", "stride_w": 1, "stride_h": 1, **_ACTIVATION}
_DILATION: dict[str, Default] = {"dilation_w_factor": 1, "dilation_h_factor": 1}
_MASKS: dict[str, Default] = {
    "begin_mask": 0,
    "end_mask": 0,
    "ellipsis_mask": 0,
    "new_axis_mask": 0,
    "shrink_axis_mask": 0,
}
_ENUMS = {
    "fused_activation_function": "ActivationFunctionType",
    "padding": "Padding",
    "out_type": "TensorType",
    "mode": "MirrorPadMode",
}


def _op(version: int, table: str = "", *groups: dict[str, Default], vectors: tuple[str, ...] = ()) -> OperatorSpec:
    defaults = {name: value for group in groups for name, value in group.items()}
    enums = {name: enum for name, enum in _ENUMS.items() if name in defaults}
    return OperatorSpec(version, table, defaults, enums, frozenset(vectors))


_POOL = _op(2, "Pool2DOptions", _WINDOW, {"filter_width": 1, "filter_height": 1})
_RESIZE: dict[str, Default] = {"align_corners": False, "half_pixel_centers": False}

OPERATORS: dict[str, OperatorSpec] = {
    "ADD": _op(2, "AddOptions", _ACTIVATION),
    "AVERAGE_POOL_2D": _POOL,
    "BATCH_TO_SPACE_ND": _op(2, "BatchToSpaceNDOptions"),
    "CONCATENATION": _op(2, "ConcatenationOptions", _ACTIVATION, {"axis": 0}),
    "CONV_2D": _op(3, "Conv2DOptions", _WINDOW, _DILATION),
    "DEPTHWISE_CONV_2D": _op(3, "DepthwiseConv2DOptions", _WINDOW, _DILATION, {"depth_multiplier": 1}),
    "DEPTH_TO_SPACE": _op(1, "DepthToSpaceOptions", {"block_size": 1}),
    "DEQUANTIZE": _op(2, "DequantizeOptions"),
    "EXPAND_DIMS": _op(1, "ExpandDimsOptions"),
    "FULLY_CONNECTED": _op(4, "FullyConnectedOptions", _ACTIVATION, {"keep_num_dims": False}),
    "GATHER": _op(2, "GatherOptions", {"axis": 0, "batch_dims": 0}),
    "HARD_SWISH": _op(1, "HardSwishOptions"),
    "LEAKY_RELU": _op(2, "LeakyReluOptions", {"alpha": 0.1}),
    "LOGISTIC": _op(2),
    "MAXIMUM": _op(2, "MaximumMinimumOptions"),
    "MAX_POOL_2D": _POOL,
    "MEAN": _op(2, "ReducerOptions", {"keep_dims": False}),
    "MINIMUM": _op(2, "MaximumMinimumOptions"),
    "MIRROR_PAD": _op(2, "MirrorPadOptions", {"mode": "REFLECT"}),
    "MUL": _op(2, "MulOptions", _ACTIVATION),
    "PACK": _op(2, "PackOptions", {"values_count": 1, "axis": 0}),
    "PAD": _op(2, "PadOptions"),
    "PADV2": _op(2, "PadV2Options"),
    "PRELU": _op(1),
    "QUANTIZE": _op(2, "QuantizeOptions"),
    "REDUCE_MAX": _op(2, "ReducerOptions", {"keep_dims": False}),
    "REDUCE_PROD": _op(2, "ReducerOptions", {"keep_dims": False}),
    "RELU": _op(2),
    "RELU6": _op(2),
    "RELU_N1_TO_1": _op(1),
    "RESHAPE": _op(1, "ReshapeOptions", vectors=("new_shape",)),
    "RESIZE_BILINEAR": _op(3, "ResizeBilinearOptions", _RESIZE),
    "RESIZE_NEAREST_NEIGHBOR": _op(3, "ResizeNearestNeighborOptions", _RESIZE),
    "SHAPE": _op(1, "ShapeOptions", {"out_type": "INT32"}),
    "SLICE": _op(2, "SliceOptions"),
    "SOFTMAX": _op(2, "SoftmaxOptions", {"beta": 1.0}),
    "SPACE_TO_BATCH_ND": _op(2, "SpaceToBatchNDOptions"),
    "SPACE_TO_DEPTH": _op(2, "SpaceToDepthOptions", {"block_size": 1}),
    "SPLIT": _op(2, "SplitOptions", {"num_splits": 1}),
    "SQUEEZE": _op(1, "SqueezeOptions", vectors=("squeeze_dims",)),
    "STRIDED_SLICE": _op(2, "StridedSliceOptions", _MASKS),
    "SUB": _op(2, "SubOptions", _ACTIVATION),
    "TANH": _op(2),
    "TILE": _op(2, "TileOptions"),
    "TRANSPOSE": _op(2, "TransposeOptions"),
    "UNPACK": _op(2, "UnpackOptions", {"num": 1, "axis": 0}),
}
