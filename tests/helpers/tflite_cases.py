# SPDX-License-Identifier: Apache-2.0
"""Single-operator `.tflite` models with random shapes and quantisation, for comparison with an interpreter.

    case = make_case("depthwise", seed=7)
    expected = run_micro(case.model, case.inputs)      # tests.helpers.oracles

Every kind in `KINDS` runs in the `tflite-micro` wheel for any seed. The same kind and seed give the same case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.helpers.case_builder import ACTIVATIONS, Case, Draft, Quant, out_size

__all__ = ["KINDS", "Case", "make_case"]

Maker = Callable[[Draft], Case]
KINDS: dict[str, Maker] = {}


def make_case(kind: str, seed: int) -> Case:
    """The case of this kind and seed; KeyError for an unknown kind (see KINDS)."""
    return KINDS[kind](Draft(kind, seed))


def _kind(maker: Maker) -> Maker:
    KINDS[maker.__name__.removeprefix("_")] = maker
    return maker


def _window(d: Draft, h: int, w: int, max_kernel: int) -> tuple[int, int, int, int, str]:
    """Kernel height and width, strides and padding; VALID only where the window fits."""
    kh, kw = d.integer(1, max_kernel), d.integer(1, max_kernel)
    if d.chance(0.3):
        kh = kw = d.choose([1, 3])
    sh, sw = d.integer(1, 4), d.integer(1, 4)
    if d.chance(0.6):
        sh = sw = d.choose([1, 2])
    padding = "VALID" if kh <= h and kw <= w and d.chance(0.4) else "SAME"
    d.note(f"{h}x{w} k{kh}x{kw} s{sh}x{sw} {padding}")
    return kh, kw, sh, sw, padding


def _dilation(d: Draft, kernel: int, size: int, stride: int) -> int:
    """1, or at times more where stride is 1 and the spread window stays inside the map."""
    if stride != 1 or kernel == 1 or not d.chance(0.2):
        return 1
    return d.integer(1, max(1, (size - 1) // (kernel - 1)))


def _convolution(d: Draft, groups: int) -> Case:
    _, h, w, c = d.map_shape()
    kh, kw, sh, sw, padding = _window(d, h, w, 6)
    dh, dw = _dilation(d, kh, h, sh), _dilation(d, kw, w, sw)
    depth, out_channels = (c, d.integer(1, 40)) if groups == 1 else (d.integer(1, 8), groups * d.integer(1, 8))
    d.note(f"{depth * groups}->{out_channels} channels, dilation {dh}x{dw}, {groups} groups")
    rows, columns = out_size(h, (kh - 1) * dh + 1, sh, padding), out_size(w, (kw - 1) * dw + 1, sw, padding)
    quant = d.quant()
    x = d.input((1, h, w, depth * groups), quant)
    options = {"stride_h": sh, "stride_w": sw, "padding": padding, "dilation_h_factor": dh, "dilation_w_factor": dw}
    shape = (out_channels, kh, kw, depth)
    return d.linear("CONV_2D", x, quant, shape, 0, (1, rows, columns, out_channels), **options)


@_kind
def _conv(d: Draft) -> Case:
    return _convolution(d, 1)


@_kind
def _grouped_conv(d: Draft) -> Case:
    return _convolution(d, d.integer(2, 4))


@_kind
def _depthwise(d: Draft) -> Case:
    _, h, w, c = d.map_shape()
    kh, kw, sh, sw, padding = _window(d, h, w, 7)
    dh, dw = _dilation(d, kh, h, sh), _dilation(d, kw, w, sw)
    multiplier = 1 if d.chance(0.6) else d.integer(2, 8)
    d.note(f"{c} channels x{multiplier}, dilation {dh}x{dw}")
    rows, columns = out_size(h, (kh - 1) * dh + 1, sh, padding), out_size(w, (kw - 1) * dw + 1, sw, padding)
    quant = d.quant()
    x = d.input((1, h, w, c), quant)
    options = {"stride_h": sh, "stride_w": sw, "padding": padding, "dilation_h_factor": dh, "dilation_w_factor": dw}
    channels = c * multiplier
    shape, out = (1, kh, kw, channels), (1, rows, columns, channels)
    return d.linear("DEPTHWISE_CONV_2D", x, quant, shape, 3, out, depth_multiplier=multiplier, **options)


@_kind
def _fully_connected(d: Draft) -> Case:
    depth, units = d.integer(1, 300), d.integer(1, 70)
    d.note(f"{depth}->{units}")
    quant = d.quant()
    x = d.input((1, depth), quant)
    return d.linear("FULLY_CONNECTED", x, quant, (units, depth), None, (1, units))


def _elementwise(d: Draft, code: str, reach: Callable[[float, float], float]) -> Case:
    """`reach(a, b)` is the largest result of operands up to a and b; a third of the cases have a constant operand."""
    shape = d.map_shape()
    first = d.quant()
    # Operands of very different scale occur only now and then: one of them vanishes in the result.
    second = d.quant(first.scale * float(np.exp(d.rng.uniform(-1, 1)))) if d.chance(0.8) else d.quant()
    left = d.input(shape, first)
    if d.chance(0.33):
        other = d.choose([(1,), (shape[3],), shape])
        right = d.writer.add_tensor(
            "constant", other, "int8", data=d.int8_values(other), scale=second.scale, zero_point=second.zero_point
        )
        d.note(f"constant of shape {other}")
    else:
        right = d.input(shape, second)
    activation = d.choose(ACTIVATIONS)
    d.note(f"{shape} {activation}")
    full = reach(first.scale * 128, second.scale * 128)
    out = d.activation("output", shape, d.quant(full / 128 * float(np.exp(d.rng.uniform(-1, 0.5)))))
    d.writer.add_op(code, [left, right], [out], fused_activation_function=activation)
    return d.finish([out])


@_kind
def _add(d: Draft) -> Case:
    return _elementwise(d, "ADD", lambda a, b: a + b)


@_kind
def _sub(d: Draft) -> Case:
    return _elementwise(d, "SUB", lambda a, b: a + b)


@_kind
def _mul(d: Draft) -> Case:
    return _elementwise(d, "MUL", lambda a, b: a * b)


def _pool(d: Draft, code: str) -> Case:
    _, h, w, c = d.map_shape(sides=16)
    kh, kw, sh, sw, padding = _window(d, h, w, 5)
    if d.chance(0.25):
        kh, kw, padding = h, w, "VALID"
        d.note("whole map")
    quant = d.quant()
    x = d.input((1, h, w, c), quant)
    out_shape = (1, out_size(h, kh, sh, padding), out_size(w, kw, sw, padding), c)
    activation = d.choose(ACTIVATIONS)
    d.note(f"{c} channels {activation}")
    out = d.activation("output", out_shape, quant)
    options: dict[str, Any] = {"filter_height": kh, "filter_width": kw, "stride_h": sh, "stride_w": sw}
    d.writer.add_op(code, [x], [out], padding=padding, fused_activation_function=activation, **options)
    return d.finish([out])


@_kind
def _max_pool(d: Draft) -> Case:
    return _pool(d, "MAX_POOL_2D")


@_kind
def _average_pool(d: Draft) -> Case:
    return _pool(d, "AVERAGE_POOL_2D")


@_kind
def _mean(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    x = d.input(shape, quant)
    axes = d.choose([(1, 2), (2, 1), (1,), (2,), (3,)])
    keep = d.chance(0.5)
    out_shape = [1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes]
    out_quant = quant if d.chance(0.3) else d.quant(quant.scale * float(np.exp(d.rng.uniform(-1.5, 0.5))))
    d.note(f"{shape} over {axes}, keep_dims {keep}")
    out = d.activation("output", out_shape, out_quant)
    d.writer.add_op("MEAN", [x, d.int32_constant("axes", axes)], [out], keep_dims=keep)
    return d.finish([out])


@_kind
def _reduce_max(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    axes = d.choose([(1, 2), (2, 1), (1,), (2,), (3,), (2, 3), (1, 2, 3), (-1,)])
    keep = d.chance(0.5)
    gone = {axis % 4 for axis in axes}
    out_shape = [1 if i in gone else n for i, n in enumerate(shape) if keep or i not in gone]
    d.note(f"{shape} over {axes}, keep_dims {keep}")
    x = d.input(shape, quant)
    out = d.activation("output", out_shape, quant)
    d.writer.add_op("REDUCE_MAX", [x, d.int32_constant("axes", axes)], [out], keep_dims=keep)
    return d.finish([out])


@_kind
def _pad(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    amounts = [(0, 0), *((d.integer(0, 3), d.integer(0, 3)) for _ in range(3))]
    if d.chance(0.6):
        amounts[3] = (0, 0)
    d.note(f"{shape} by {amounts}")
    x = d.input(shape, quant)
    out = d.activation("output", [n + before + after for n, (before, after) in zip(shape, amounts, strict=True)], quant)
    d.writer.add_op("PAD", [x, d.int32_constant("paddings", amounts)], [out])
    return d.finish([out])


@_kind
def _concat(d: Draft) -> Case:
    shape, quant, axis = list(d.map_shape()), d.quant(), d.choose([1, 2, 3, 3, -1])
    sizes = [d.integer(1, 12) for _ in range(d.integer(2, 4))]
    d.note(f"{shape} axis {axis} sizes {sizes}")
    inputs = []
    for size in sizes:
        shape[axis] = size
        inputs.append(d.input(tuple(shape), quant))
    shape[axis] = sum(sizes)
    out = d.activation("output", shape, quant)
    d.writer.add_op("CONCATENATION", inputs, [out], axis=axis)
    return d.finish([out])


@_kind
def _split(d: Draft) -> Case:
    shape, quant, axis, parts = list(d.map_shape()), d.quant(), d.integer(1, 3), d.integer(2, 4)
    piece = shape.copy()
    shape[axis] *= parts
    d.note(f"{shape} axis {axis} into {parts}")
    x = d.input(shape, quant)
    outs = [d.activation(f"output{i}", piece, quant) for i in range(parts)]
    d.writer.add_op("SPLIT", [d.int32_constant("axis", axis), x], outs, num_splits=parts)
    return d.finish(outs)


@_kind
def _resize_nearest(d: Draft) -> Case:
    shape, quant = d.map_shape(sides=8), d.quant()
    size = [shape[1] * 2, shape[2] * 2] if d.chance(0.6) else [d.integer(1, 16), d.integer(1, 16)]
    mode = d.choose([(False, False), (False, True), (True, False)])
    d.note(f"{shape} to {size}, align_corners {mode[0]}, half_pixel_centers {mode[1]}")
    x = d.input(shape, quant)
    out = d.activation("output", (1, *size, shape[3]), quant)
    options = {"align_corners": mode[0], "half_pixel_centers": mode[1]}
    d.writer.add_op("RESIZE_NEAREST_NEIGHBOR", [x, d.int32_constant("size", size)], [out], **options)
    return d.finish([out])


def _unary(d: Draft, code: str, in_quant: Quant, out_quant: Quant, **options: Any) -> Case:
    shape = d.map_shape()
    d.note(f"{shape} {options or ''}".strip())
    x = d.input(shape, in_quant)
    out = d.activation("output", shape, out_quant)
    d.writer.add_op(code, [x], [out], **options)
    return d.finish([out])


def _rescaled(d: Draft, quant: Quant) -> Quant:
    return d.quant(quant.scale * float(np.exp(d.rng.uniform(-1, 1))))


@_kind
def _logistic(d: Draft) -> Case:
    return _unary(d, "LOGISTIC", d.quant(), Quant(1 / 256, -128))


@_kind
def _tanh(d: Draft) -> Case:
    return _unary(d, "TANH", d.quant(), Quant(1 / 128, 0))


@_kind
def _softmax(d: Draft) -> Case:
    return _unary(d, "SOFTMAX", d.quant(), Quant(1 / 256, -128), beta=d.choose([1.0, 1.0, 0.5, 2.0]))


@_kind
def _leaky_relu(d: Draft) -> Case:
    quant = d.quant()
    return _unary(d, "LEAKY_RELU", quant, _rescaled(d, quant), alpha=d.choose([0.1, 0.2, 0.01, 0.5]))


@_kind
def _prelu(d: Draft) -> Case:
    shape, quant, slope = d.map_shape(), d.quant(), d.quant()
    x = d.input(shape, quant)
    one = d.choose([(1, 1, shape[3]), (1, 1, shape[3]), shape[1:]])
    d.note(f"{shape}, slopes {one}")
    slopes = d.writer.add_tensor(
        "slopes", one, "int8", data=d.int8_values(one), scale=slope.scale, zero_point=slope.zero_point
    )
    out = d.activation("output", shape, _rescaled(d, quant))
    d.writer.add_op("PRELU", [x, slopes], [out])
    return d.finish([out])


@_kind
def _hard_swish(d: Draft) -> Case:
    quant = d.quant()
    return _unary(d, "HARD_SWISH", quant, _rescaled(d, quant))


@_kind
def _relu(d: Draft) -> Case:
    quant = d.quant()
    return _unary(d, "RELU", quant, _rescaled(d, quant))


@_kind
def _relu6(d: Draft) -> Case:
    # TFLM's RELU6 only clamps: both sides must have one scale.
    quant = d.quant()
    return _unary(d, "RELU6", quant, quant)


@_kind
def _requantize(d: Draft) -> Case:
    quant = d.quant()
    return _unary(d, "QUANTIZE", quant, _rescaled(d, quant))


@_kind
def _quantize(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    d.note(f"{shape} from float32")
    reach = quant.scale * 300
    x = d.float_input(shape, d.rng.uniform(-reach, reach, shape).astype(np.float32))
    out = d.activation("output", shape, quant)
    d.writer.add_op("QUANTIZE", [x], [out])
    return d.finish([out])


@_kind
def _dequantize(d: Draft) -> Case:
    shape = d.map_shape()
    d.note(f"{shape} to float32")
    x = d.input(shape, d.quant())
    out = d.writer.add_tensor("output", shape, "float32")
    d.writer.add_op("DEQUANTIZE", [x], [out])
    return d.finish([out])


@_kind
def _transpose(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    order = [0, *(int(axis) for axis in d.rng.permutation([1, 2, 3]))]
    d.note(f"{shape} by {order}")
    x = d.input(shape, quant)
    out = d.activation("output", [shape[axis] for axis in order], quant)
    d.writer.add_op("TRANSPOSE", [x, d.int32_constant("order", order)], [out])
    return d.finish([out])


@_kind
def _reshape(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    _, h, w, c = shape
    target = d.choose([(1, h * w * c), (1, h * w, c), (1, w, h, c), (1, 1, h, w * c)])
    asked = [1, -1] if len(target) == 2 else list(target)
    d.note(f"{shape} to {asked}")
    x = d.input(shape, quant)
    out = d.activation("output", target, quant)
    d.writer.add_op("RESHAPE", [x, d.int32_constant("shape", asked)], [out], new_shape=asked)
    return d.finish([out])


@_kind
def _strided_slice(d: Draft) -> Case:
    shape, quant = d.map_shape(), d.quant()
    begins = [0, *(d.integer(0, (n - 1) // 2) for n in shape[1:])]
    ends = [1, *(d.integer(max(b + 1, n // 2), n) for b, n in zip(begins[1:], shape[1:], strict=True))]
    strides = [1, *(d.choose([1, 1, 2, 3]) for _ in range(3))]
    shrunk = d.choose([0, 0, 0b0010, 0b0100, 0b1000, 0b0110, 0b1010])
    ends = [b + 1 if shrunk >> axis & 1 else e for axis, (b, e) in enumerate(zip(begins, ends, strict=True))]
    d.note(f"{shape} [{begins}:{ends}:{strides}], axes {shrunk:04b} left out")
    x = d.input(shape, quant)
    sizes = [-(-(e - b) // s) for b, e, s in zip(begins, ends, strides, strict=True)]
    out = d.activation("output", [n for axis, n in enumerate(sizes) if not shrunk >> axis & 1], quant)
    constants = [d.int32_constant(n, v) for n, v in (("begin", begins), ("end", ends), ("strides", strides))]
    d.writer.add_op("STRIDED_SLICE", [x, *constants], [out], shrink_axis_mask=shrunk)
    return d.finish([out])


@_kind
def _pack(d: Draft) -> Case:
    shape, quant, count = (1, d.integer(1, 12), d.integer(1, 24)), d.quant(), d.integer(2, 4)
    axis = d.integer(1, 3)
    d.note(f"{count} of {shape} along axis {axis}")
    inputs = [d.input(shape, quant) for _ in range(count)]
    out = d.activation("output", [*shape[:axis], count, *shape[axis:]], quant)
    d.writer.add_op("PACK", inputs, [out], values_count=count, axis=axis)
    return d.finish([out])


@_kind
def _shape_chain(d: Draft) -> Case:
    """The batch size computed at run time, as exporters write a flatten: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    shape, quant = d.map_shape(), d.quant()
    flat = int(np.prod(shape[1:]))
    d.note(f"{shape}")
    x = d.input(shape, quant)
    sizes = d.writer.add_tensor("sizes", (4,), "int32")
    batch = d.writer.add_tensor("batch", (), "int32")
    target = d.writer.add_tensor("target", (2,), "int32")
    out = d.activation("output", (1, flat), quant)
    constants = [d.int32_constant(name, [value]) for name, value in (("begin", 0), ("end", 1), ("stride", 1))]
    d.writer.add_op("SHAPE", [x], [sizes])
    d.writer.add_op("STRIDED_SLICE", [sizes, *constants], [batch], shrink_axis_mask=1)
    d.writer.add_op("PACK", [batch, d.int32_constant("flat", flat)], [target], values_count=2)
    d.writer.add_op("RESHAPE", [x, target], [out])
    return d.finish([out])
