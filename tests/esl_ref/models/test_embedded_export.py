# SPDX-License-Identifier: Apache-2.0
"""Quantisation to TensorFlow Lite's int8 scheme, and the exported files."""

from __future__ import annotations

import numpy as np
import pytest
import tflite

from esl_ref import models
from esl_ref.errors import InputError
from esl_ref.models import embedded_export as export
from esl_ref.models.embedded_net import forward


def test_committed_model_is_reproduced_to_the_byte() -> None:
    again = export.export_int8(models.embedded_float(), models.embedded_calibration())
    assert again == models.embedded_path().read_bytes()


def test_last_bits_of_the_calibration_do_not_reach_the_file() -> None:
    """Another BLAS sums in another order: scales must not see it."""
    params = models.embedded_float()
    nudged = {name: value.astype(np.float64) * (1 + 2**-50) for name, value in params.items()}
    images = models.embedded_calibration()
    assert export.calibrate(params, images) == export.calibrate(nudged, images)


@pytest.mark.parametrize("axis", [None, 0, 3])
def test_weights_are_symmetric_and_within_half_a_step(axis: int | None) -> None:
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 5))
    weight[1] = weight[:, :, :, 1] = 0
    stored, scale = export.quantise_weight(weight, axis)
    assert scale.shape == ({None: 1, 0: 4, 3: 5}[axis],) and scale.dtype == np.float32
    shape = [1, 1, 1, 1]
    if axis is not None:
        shape[axis] = -1
    steps = scale.astype(np.float64).reshape(shape)
    assert np.abs(stored).max() == 127 and stored.min() >= -127
    assert np.abs(stored * steps - weight).max() <= steps.max() * 0.5001


def test_range_always_holds_an_exact_zero() -> None:
    for low, high in ((-3.0, 5.0), (0.0, 6.0), (1.0, 2.0), (-4.0, -1.0)):
        quant = export._activation_quant(low, high)
        assert -128 <= quant.zero_point <= 127
        assert quant.scale * 255 >= max(high, 0) - min(low, 0)
    assert export._activation_quant(0.0, 6.0).zero_point == -128
    assert export._activation_quant(-4.0, -1.0).zero_point == 127


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_impossible_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match="cannot be quantised"):
        export._activation_quant(low, high)


def _subgraph() -> tflite.SubGraph:
    return tflite.Model.GetRootAs(models.embedded_path().read_bytes()).Subgraphs(0)


def _tensors() -> dict[str, tflite.Tensor]:
    subgraph = _subgraph()
    tensors = (subgraph.Tensors(i) for i in range(subgraph.TensorsLength()))
    return {tensor.Name().decode(): tensor for tensor in tensors}


def test_model_has_the_operators_it_promises() -> None:
    model = tflite.Model.GetRootAs(models.embedded_path().read_bytes())
    codes = {model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())}
    names = "CONV_2D DEPTHWISE_CONV_2D ADD MAX_POOL_2D AVERAGE_POOL_2D RESHAPE FULLY_CONNECTED SOFTMAX".split()
    assert codes == {getattr(tflite.BuiltinOperator, name) for name in names}


def test_quantisation_follows_the_specification() -> None:
    tensors = _tensors()
    assert tensors["conv1/weight"].Quantization().QuantizedDimension() == 0
    assert tensors["conv1/weight"].Quantization().ScaleLength() == 16
    assert tensors["dw4/weight"].Quantization().QuantizedDimension() == 3
    assert tensors["dw4/weight"].Quantization().ScaleLength() == 24
    assert tensors["fc6/weight"].Quantization().ScaleLength() == 1
    output = tensors["probability"].Quantization()
    assert (output.Scale(0), output.ZeroPoint(0)) == (1 / 256, -128)
    for name in ("conv1", "pw4"):
        source = {"conv1": "image", "pw4": "dw4"}[name]
        product = tensors[source].Quantization().Scale(0) * tensors[f"{name}/weight"].Quantization().ScaleAsNumpy()
        np.testing.assert_allclose(tensors[f"{name}/bias"].Quantization().ScaleAsNumpy(), product, rtol=1e-6)
    for pool, source in (("pool1", "conv1"), ("pool5", "conv5"), ("flatten", "pool5")):
        ours, theirs = tensors[pool].Quantization(), tensors[source].Quantization()
        assert (ours.Scale(0), ours.ZeroPoint(0)) == (theirs.Scale(0), theirs.ZeroPoint(0))


def test_zero_points_lie_at_the_edge_and_inside() -> None:
    """Rectified maps use all of int8, signed ones have their zero point inside, and these differ."""
    tensors = _tensors()
    inside = {name: tensors[name].Quantization().ZeroPoint(0) for name in ("pw2", "pw4", "add4", "fc6")}
    assert all(-120 < point < 120 for point in inside.values()) and len(set(inside.values())) >= 2
    assert tensors["conv1"].Quantization().ZeroPoint(0) == tensors["add2"].Quantization().ZeroPoint(0) == -128


def test_float_export_computes_the_float_network() -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    params = models.embedded_float()
    interpreter = litert.Interpreter(
        model_content=export.export_float(params), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    image = (models.embedded_stimuli()[3:4].astype(np.float32) + 128) / 255
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    logits = forward(image, params)["fc6"]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(
        interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), expected, atol=1e-5
    )
