# SPDX-License-Identifier: Apache-2.0
"""Quantisation to TensorFlow Lite's int8 scheme, and the exported files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tflite

from esl_ref import models
from esl_ref.executor import run
from esl_ref.models import embedded_export as export
from esl_ref.models.embedded_net import forward
from esl_ref.quantiser import Options, quantise


def test_committed_model_is_reproduced_to_the_byte() -> None:
    again = export.export_int8(models.embedded_float(), models.embedded_calibration())
    assert again == models.embedded_path().read_bytes()


def test_last_bits_of_the_calibration_do_not_reach_the_file() -> None:
    """Another BLAS sums in another order: scales must not see it."""
    samples = export.calibration_set(models.embedded_calibration()).some(20)
    makers = tuple((lambda make=make: {"image": make()["image"] * (1 + 2**-50)}) for make in samples.samples)
    nudged = dataclasses.replace(samples, samples=makers)
    graph = export.float_graph(models.embedded_float())
    assert quantise(graph, samples, export.OPTIONS).file == quantise(graph, nudged, export.OPTIONS).file


def test_the_quantisers_defaults_keep_the_accuracy_of_the_float_network() -> None:
    """Within half a point, on all held-out images. (The committed file's own accuracy is measured elsewhere.)"""
    params, labels = models.embedded_float(), models.embedded_labels()
    graph = export.quantised(params, models.embedded_calibration()[::5], Options()).graph
    found = [run(graph, {"image": image[None]})["probability"].argmax() for image in models.embedded_inputs()]
    images = (models.embedded_inputs().astype(np.float32) + 128) / 255
    wanted = float((forward(images, params)["fc6"].argmax(axis=1) == labels).mean())
    assert abs(float((np.array(found) == labels).mean()) - wanted) <= 0.005


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
