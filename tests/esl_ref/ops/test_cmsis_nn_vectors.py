# SPDX-License-Identifier: Apache-2.0
"""Golden operators against CMSIS-NN's own unit-test vectors: all int8 ones, int4 weights, int16 as far as it goes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from esl_ref.executor import run
from esl_ref.ir import Act, AveragePool, Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op, Padding, Reshape, Softmax
from esl_ref.ir import Tensor as T
from esl_ref.numerics import Requant
from esl_ref.ops import lookup
from tests.conftest import shared_data
from tests.helpers.cmsis_nn import load_vector

FOLDERS = (
    "conv", "conv_int4", "conv_int16", "depthwise", "depthwise_int4", "depthwise_int16", "fc", "fc_int4", "fc_int16",
    "pool", "pool_int16", "elementwise", "elementwise_int16", "softmax", "softmax_int16",
)  # fmt: skip
ROOT = shared_data() / "vectors" / "cmsis_nn"

REDUCED = "int16 activations with int64 bias are rescaled by a multiplier reduced to 16 bits, which no profile does"
SOFTMAX16 = "softmax with int16 output uses interpolated tables"
BEYOND = {
    **{f"conv_int16/{n}": REDUCED for n in (
        "int16xint8", "int16xint8_dilation_1", "int16xint8_dilation_2", "int16xint8_dilation_3", "int16xint8_spill",
    )},
    **{f"depthwise_int16/dw_int16xint8{n}": REDUCED for n in (
        "", "_dilation", "_fast_multiple_batches_uneven_buffers", "_fast_multiple_batches_uneven_buffers_null_bias",
        "_fast_null_bias", "_fast_spill", "_fast_stride_null_bias", "_fast_test_bias",
    )},
    **{f"fc_int16/{n}": REDUCED for n in ("fc_int16_slow", "fully_connected_int16")},
    **{f"softmax_int16/{n}": SOFTMAX16 for n in ("softmax_s16", "softmax_s8_s16")},
}  # fmt: skip
"""Vectors outside the types of this product (int8 activations), each with the reason. `transpose` vectors have lost
their dimensions (multi-line macros) and `transpose_conv` is no operator here."""


def _cases() -> list[object]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.npz"))]
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no CMSIS-NN vectors in {ROOT}; set ESL_REF_DATA"))]
    params = []
    for path in found:
        name = f"{path.parent.name}/{path.stem}"
        marks = [pytest.mark.xfail(reason=BEYOND[name], strict=True)] if name in BEYOND else []
        params.append(pytest.param(path, id=name, marks=marks))
    return params


@pytest.mark.parametrize("path", _cases())
def test_fast_form_reproduces_the_vector(path: Path) -> None:
    vector = load_vector(path)
    result = lookup(vector.op).fast(vector.op, vector.inputs, vector.out)
    np.testing.assert_array_equal(result, vector.expected)


NAIVE = (
    "conv/basic", "conv/grouped_conv", "depthwise/depthwise_2", "fc/fc_per_ch", "pool/avgpooling_2", "pool/maxpooling",
    "elementwise/add", "softmax/softmax",
)  # fmt: skip


@pytest.mark.parametrize("name", NAIVE)
def test_naive_form_reproduces_the_vector(name: str, data_dir: Path) -> None:
    vector = load_vector(data_dir / "vectors" / "cmsis_nn" / f"{name}.npz")
    result = lookup(vector.op).naive(vector.op, vector.inputs, vector.out)
    np.testing.assert_array_equal(result, vector.expected)


class _Network:
    """The ds_cnn_s network from its defines and arrays, layer by layer."""

    def __init__(self, path: Path) -> None:
        self.data = dict(np.load(path))
        self.config = json.loads(str(self.data.pop("_config")))
        self.tensors: dict[str, T] = {}
        self.ops: list[Op] = []

    def number(self, key: str) -> int:
        return int(self.config[key])

    def layer(self, index: int, kind: str) -> dict[str, object]:
        prefix, array = f"{kind.upper()}_{index}", f"ds_cnn_s_layer_{index}_{kind}"
        channels = self.number(f"{prefix}_OUT_CH")
        act = Act(
            *(self.number(f"{prefix}_{k}") for k in ("OUTPUT_OFFSET", "OUT_ACTIVATION_MIN", "OUT_ACTIVATION_MAX"))
        )
        kernel = (self.number(f"{prefix}_FILTER_Y"), self.number(f"{prefix}_FILTER_X"))
        size = (self.number(f"{prefix}_INPUT_H"), self.number(f"{prefix}_INPUT_W"))
        out = (self.number(f"{prefix}_OUTPUT_H"), self.number(f"{prefix}_OUTPUT_W"))
        stride = (self.number(f"{prefix}_STRIDE_Y"), self.number(f"{prefix}_STRIDE_X"))
        pads = []
        for axis, key in enumerate("YX"):
            before = self.number(f"{prefix}_PAD_{key}")
            pads += [before, max((out[axis] - 1) * stride[axis] + kernel[axis] - size[axis] - before, 0)]
        name = f"t{index}"
        self.tensors[name] = T(name, (1, *out, channels), np.dtype(np.int8))
        common = {
            "name": name, "inputs": (f"t{index - 1}",), "outputs": (name,),
            "bias": self.data[f"{array}_bias"], "act": act,
            "requant": Requant(self.data[f"{array}_output_mult"], self.data[f"{array}_output_shift"]),
            "zero_in": -self.number(f"{prefix}_INPUT_OFFSET"), "stride": stride, "padding": Padding(*pads),
        }  # fmt: skip
        depth = self.number(f"{prefix}_IN_CH")
        shape = (channels, *kernel, depth) if kind == "conv_2d" else (*kernel, channels)
        return {**common, "weight": self.data[f"{array}_weights"].reshape(shape)}

    def plain(self, name: str, shape: tuple[int, ...]) -> None:
        self.tensors[name] = T(name, shape, np.dtype(np.int8))


def test_ds_cnn_s_network(data_dir: Path) -> None:
    """The whole keyword-spotting network of CMSIS-NN's tests, from input bytes to softmax bytes."""
    net = _Network(data_dir / "vectors" / "cmsis_nn" / "network" / "ds_cnn_s.npz")
    net.plain("t0", (1, 49, 10, 1))
    for index in range(1, 10):
        kind = Conv2D if index % 2 else DepthwiseConv2D
        net.ops.append(kind(**net.layer(index, "conv_2d" if index % 2 else "depthwise_conv_2d")))  # type: ignore[arg-type]
    for name, shape in (("t10", (1, 1, 1, 64)), ("t11", (1, 64)), ("t12", (1, 12)), ("t13", (1, 12))):
        net.plain(name, shape)
    fc, number = "FULLY_CONNECTED_12", net.number
    requant = Requant(np.array([number(f"{fc}_OUTPUT_MULTIPLIER")]), np.array([number(f"{fc}_OUTPUT_SHIFT")]))
    net.ops += [
        AveragePool("t10", ("t9",), ("t10",), (25, 5), (1, 1)),
        Reshape("t11", ("t10",), ("t11",)),
        FullyConnected("t12", ("t11",), ("t12",), net.data["ds_cnn_s_layer_12_fully_connected_weights"].reshape(12, 64),
                       net.data["ds_cnn_s_layer_12_fully_connected_bias"], requant, Act(number(f"{fc}_OUTPUT_OFFSET")),
                       -number(f"{fc}_INPUT_OFFSET")),
        Softmax("t13", ("t12",), ("t13",), number("SOFTMAX_13_MULT"), number("SOFTMAX_13_SHIFT"),
                number("SOFTMAX_13_DIFF_MIN")),
    ]  # fmt: skip
    graph = Graph("ds_cnn_s", net.tensors, tuple(net.ops), ("t0",), ("t13",))
    result = run(graph, {"t0": net.data["ds_cnn_s_input"].reshape(1, 49, 10, 1)})
    np.testing.assert_array_equal(result["t13"].reshape(-1), net.data["ds_cnn_s_output_ref"])
