# SPDX-License-Identifier: Apache-2.0
"""From float graph to file: what is computed, by whom, and with which scales."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from esl_ref import inference, ir
from esl_ref.detection.objects import network_input
from esl_ref.errors import InputError, ModelError, UnsupportedError
from esl_ref.executor import random_inputs, run
from esl_ref.floating import executor as floating
from esl_ref.floating import graph as f
from esl_ref.floating.activation import Activation, Function
from esl_ref.floating.graph import Parameter
from esl_ref.frontends import load_model
from esl_ref.quantiser import Method, Options, export_float, quantise
from esl_ref.quantiser.calibrate import calibrate
from esl_ref.quantiser.equalise import equalise
from esl_ref.quantiser.evaluate import evaluate
from esl_ref.quantiser.prepare import prepare
from esl_ref.stimulus import read_inputs
from esl_ref.survey import survey
from tests.esl_ref.quantiser.nets import LEAKY, RELU, Net, classifier, data, detector

NETS = {"detector": detector, "classifier": classifier}
PLAIN = Options(Method.MINMAX, compensate=False, equalise=False)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("method", Method)
def test_outputs_follow_the_float_network(name, method):
    graph = NETS[name]()
    result = quantise(graph, data(graph), Options(method))
    report = evaluate(result.prepared, result.graph, data(graph))
    assert all(output.cosine > 0.99 and output.sqnr > 18 for output in report.outputs), report.outputs
    assert report.samples == 4 and {layer.name for layer in report.layers} >= set(graph.outputs)
    assert [layer.own for layer in report.costly] == sorted(layer.own for layer in report.layers)
    assert all(20 < layer.own < 100 for layer in report.layers if "Conv" in layer.kind)


@pytest.mark.parametrize("name", NETS)
def test_the_same_inputs_give_the_same_bytes(name):
    graph = NETS[name]()
    assert quantise(graph, data(graph)).file == quantise(graph, data(graph)).file


@pytest.mark.parametrize("name", NETS)
def test_the_file_reads_back_as_the_graph(name, tmp_path):
    graph = NETS[name]()
    result = quantise(graph, data(graph))
    path = tmp_path / "net.tflite"
    path.write_bytes(result.file)
    again = load_model(path)
    assert isinstance(again, ir.Graph) and again.heads == graph.heads
    assert sum("detection head" in note for note in survey(again).notes) == len(graph.heads)
    inputs = random_inputs(result.graph, 3)
    for output, value in run(again, inputs).items():
        np.testing.assert_array_equal(value, run(result.graph, inputs)[output])


def test_pictures_reach_detectors_in_one_way(tmp_path):
    """Letterboxed and quantised, whichever verb reads them."""
    graph = detector()
    result = quantise(graph, data(graph)).graph
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (10, 40, 3), np.uint8)).save(path)
    values, fit = network_input(path, (1, 16, 16, 3), graph.heads)
    assert fit.inner == (4, 16)
    codes = np.clip(np.floor(values / result.tensors["x"].quant.scale[0] + 0.5) - 128, -128, 127)
    np.testing.assert_array_equal(read_inputs(result, path)[0]["x"], codes)


def _without_own_operators(name):
    """The network in operators that everybody has."""
    graph = NETS[name]()
    swap = {Function.MISH: Activation(Function.LEAKY, 0.2)}
    ops = [
        dataclasses.replace(op, activation=swap.get(op.activation.function, op.activation))
        if isinstance(op, f.Conv | f.Activate) else op for op in graph.ops
    ]  # fmt: skip
    return dataclasses.replace(graph, ops=tuple(ops))


@pytest.mark.parametrize("name", NETS)
def test_the_interpreter_gives_the_same_bytes(name):
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="tflite-micro is not installed")
    graph = _without_own_operators(name)
    result = quantise(graph, data(graph))
    interpreter = runtime.Interpreter.from_bytes(result.file)
    for seed in range(3):
        inputs = random_inputs(result.graph, seed)
        interpreter.set_input(inputs["x"], 0)
        interpreter.invoke()
        for index, (output, value) in enumerate(run(result.graph, inputs).items()):
            np.testing.assert_array_equal(interpreter.get_output(index), value, err_msg=output)


@pytest.mark.parametrize("name", NETS)
def test_everything_but_edges_runs_on_the_accelerator(name):
    from esl_ref.placement import Where, placement

    graph = NETS[name]()
    result = quantise(graph, data(graph))
    host = {op.kind for op in result.graph.ops if placement(op, result.graph).where is not Where.ACCELERATOR}
    assert host <= {"Transpose", "Softmax"}


@pytest.mark.parametrize("name", NETS)
def test_the_esl_machine_gives_the_same_bytes(name):
    graph = NETS[name]()
    result = quantise(graph, data(graph), PLAIN).graph
    inputs = random_inputs(result, 2)
    got = inference.run(result, inputs, arch="tiny")
    for output, value in run(result, inputs).items():
        np.testing.assert_array_equal(got[output], value, err_msg=output)


def test_float_files_compute_the_float_network(tmp_path):
    graph = _without_own_operators("classifier")
    path = tmp_path / "net.tflite"
    path.write_bytes(export_float(graph))
    again = load_model(path)
    assert isinstance(again, f.FloatGraph)
    inputs = floating.random_inputs(graph, 1)
    for output, value in floating.run(again, inputs).items():
        np.testing.assert_allclose(value, floating.run(graph, inputs)[output], atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_preparation_and_evening_out_change_no_function(name):
    graph = NETS[name]()
    prepared = prepare(graph)
    even, _ = equalise(prepared, calibrate(prepared, data(graph)))
    inputs = floating.random_inputs(graph, 9)
    wanted = floating.run(graph, inputs)
    for other in (prepared, even):
        for output, value in floating.run(other, inputs).items():
            np.testing.assert_allclose(value, wanted[output], rtol=1e-4, atol=1e-5)


def _uneven() -> f.FloatGraph:
    """Channels whose ranges differ by 400, between a convolution and a depthwise one."""
    net = Net(seed=4)
    first = net.conv("x", 8, activation=LEAKY)
    middle = net.conv(first, 8, groups=8)
    out = net.conv(middle, 4, 1, pad=0)
    op = net.ops[0]
    gain = np.geomspace(1, 400, 8)
    net.ops[0] = dataclasses.replace(op, weight=Parameter.of(op.weight.load() * gain[:, None, None, None]),
                                     bias=Parameter.of(op.bias.load() * gain))  # fmt: skip
    next_op = net.ops[1]
    net.ops[1] = dataclasses.replace(
        next_op, weight=Parameter.of(next_op.weight.load() / gain[:, None, None, None])
    )  # fmt: skip
    return net.graph(out)


def test_evening_out_pays_where_channels_are_uneven():
    graph = _uneven()
    noise = {}
    for even in (False, True):
        result = quantise(graph, data(graph), Options(Method.MINMAX, compensate=False, equalise=even))
        noise[even] = evaluate(result.prepared, result.graph, data(graph)).outputs[0].sqnr
    assert result.equalised == 2
    assert noise[True] > noise[False] + 10


def test_bias_correction_takes_the_mean_error_out():
    """One large weight in each filter makes the others coarse; inputs of one sign make their errors add up."""
    net = Net()
    graph = net.graph(net.conv("x", 16, 1, pad=0))
    weight = 0.01 * net.ops[0].weight.load()
    weight[..., 0] = 1.0
    graph = dataclasses.replace(graph, ops=(dataclasses.replace(net.ops[0], weight=Parameter.of(weight)),))
    (name,) = graph.outputs
    errors = {}
    for corrected in (False, True):
        result = quantise(graph, data(graph, 8), Options(Method.MINMAX, compensate=corrected, equalise=False))
        wanted = [floating.run(result.prepared, sample)[name] for sample in data(graph, 8)]
        (op,) = result.graph.ops
        ends = [result.graph.tensors[n].quant for n in ("x", name)]
        scale = ends[0].scale[0] * np.abs(weight).max() / 127
        real = [s["x"].astype(float) @ (op.weight.reshape(16, 3).T * scale / ends[0].scale[0]) + op.bias * scale
                for s in data(graph, 8)]  # fmt: skip
        errors[corrected] = np.abs(np.mean([(a - b).mean((0, 1, 2)) for a, b in zip(real, wanted, strict=True)], 0))
    assert errors[True].max() < 0.2 * errors[False].max()


def _quant(graph: ir.Graph, name: str):
    return graph.tensors[name].quant


def test_routes_pools_and_upsampling_share_scales():
    """No rescaling where parts of a route have no other reader; where ranges differ and others read a part, one."""
    graph = detector()
    result = quantise(graph, data(graph), PLAIN).graph
    concats = [op for op in result.ops if isinstance(op, ir.Concat)]
    for op in concats:
        assert {_quant(result, name) for name in op.inputs} == {_quant(result, op.outputs[0])}
    for op in result.ops:
        if isinstance(op, ir.MaxPool | ir.ResizeNearest):
            assert _quant(result, op.inputs[0]) == _quant(result, op.outputs[0])


def test_a_part_that_would_lose_is_rescaled():
    net = Net(seed=3)
    small = net.conv("x", 4)
    large = net.conv("x", 4)
    net.ops[1] = dataclasses.replace(net.ops[1], weight=Parameter.of(100 * net.ops[1].weight.load()))
    route = net.add(f.Concat, [small, large], (1, 8, 8, 8), 3)
    graph = net.graph(net.conv(route, 2), net.conv(small, 2))
    result = quantise(graph, data(graph), PLAIN).graph
    rescaling = [op for op in result.ops if isinstance(op, ir.Table) and op.function == "requantise"]
    assert [op.inputs for op in rescaling] == [(small,)]
    assert _quant(result, large) == _quant(result, route) != _quant(result, small)
    alone = dataclasses.replace(graph, ops=graph.ops[:-1], outputs=graph.outputs[:1])
    merged = quantise(alone, data(alone), PLAIN).graph
    assert not any(isinstance(op, ir.Table) for op in merged.ops)


@pytest.mark.parametrize("padding", [ir.Padding(1, 1, 1, 1), ir.Padding(0, 1, 0, 1), ir.Padding(2, 0, 1, 0)])
def test_averages_that_do_not_count_their_padding(padding):
    """What SAME cannot say is an operator of this product."""
    net = Net()
    source = net.conv("x", 4)
    size = [(8 + a + b - 3) // 2 + 1 for a, b in ((padding.top, padding.bottom), (padding.left, padding.right))]
    pooled = net.add(f.AveragePool, [source], (1, *size, 4), (3, 3), (2, 2), padding)
    graph = net.graph(pooled)
    result = quantise(graph, data(graph), PLAIN)
    assert evaluate(result.prepared, result.graph, data(graph)).outputs[0].sqnr > 30
    (pool,) = [op for op in result.graph.ops if isinstance(op, ir.AveragePool)]
    assert (b"ESL_AVERAGE_POOL" in result.file) == (padding != ir.Padding(0, 1, 0, 1)), pool


def test_functions_with_fixed_scales_have_them():
    graph = classifier()
    result = quantise(graph, data(graph)).graph
    fixed = {"logistic": (1 / 256, -128), "tanh": (1 / 128, 0)}
    for op in result.ops:
        if isinstance(op, ir.Table) and op.function in fixed:
            quant = _quant(result, op.outputs[0])
            assert (quant.scale[0], quant.zero_point[0]) == fixed.pop(op.function)
    assert not fixed


def test_a_channel_of_next_to_no_weight_keeps_its_bias():
    """Folded batch norms leave such channels; their bias would need more than 32 bits at their weights' own scale."""
    net = Net()
    out = net.conv("x", 3)
    weight = net.ops[0].weight.load().copy()
    weight[1] *= 1e-12
    net.ops[0] = dataclasses.replace(net.ops[0], weight=Parameter.of(weight), bias=Parameter.of([0.1, 0.7, -0.2]))
    graph = net.graph(out)
    result = quantise(graph, data(graph), PLAIN).graph
    value = run(result, random_inputs(result, 0))[out]
    quant = _quant(result, out)
    real = (value[..., 1].astype(float) - quant.zero_point[0]) * quant.scale[0]
    np.testing.assert_allclose(real, 0.7, atol=quant.scale[0])


def test_a_dead_tensor_is_noted():
    net = Net()
    middle = net.conv("x", 3, activation=RELU)
    net.ops[0] = dataclasses.replace(net.ops[0], bias=Parameter.of([-1e3] * 3))
    graph = net.graph(net.conv(middle, 2))
    result = quantise(graph, data(graph), PLAIN)
    assert [middle in note for note in result.notes] == [True]


def _constant(value):
    graph = detector()
    return graph, dataclasses.replace(data(graph), samples=((lambda: {"x": np.full((1, 16, 16, 3), value)}),))


def test_bad_data_are_refused():
    graph = detector()
    with pytest.raises(InputError, match="empty"):
        quantise(graph, dataclasses.replace(data(graph), samples=()))
    with pytest.raises(InputError, match="every value of input 'x' is 0.5"):
        quantise(*_constant(0.5))
    with pytest.raises(InputError, match="NaN"):
        quantise(*_constant(np.nan))


def test_weights_that_are_no_numbers_are_refused():
    graph = detector()
    broken = dataclasses.replace(graph.ops[1], weight=Parameter.of(np.full(graph.ops[1].weight.shape, np.nan)))
    with pytest.raises(ModelError, match=f"layer '{broken.name}', weight: holds NaN"):
        quantise(dataclasses.replace(graph, ops=(graph.ops[0], broken, *graph.ops[2:])), data(graph))


def test_numbers_that_run_away_are_refused():
    net = Net()
    source = "x"
    for _ in range(3):
        source = net.conv(source, 3)
        net.ops[-1] = dataclasses.replace(net.ops[-1], weight=Parameter.of(np.full((3, 3, 3, 3), 1e38)))
    for _ in range(6):
        source = net.add(f.Mul, [source, source], (1, 8, 8, 3))
    graph = net.graph(source)
    with np.errstate(over="ignore"), pytest.raises(ModelError, match="gives NaN or infinity"):
        quantise(graph, data(graph))


def test_layers_without_an_integer_form_are_named():
    net = Net()
    weight = Parameter.of(np.ones((6, 6, 2, 3, 3, 3)))
    net.add(f.Local, ["x"], (1, 6, 6, 2), weight, Parameter.of(np.zeros((6, 6, 2))))
    graph = net.graph("local0")
    with pytest.raises(UnsupportedError, match="'local0'.*at every place.*run it in float"):
        quantise(graph, data(graph))


def test_an_output_that_is_the_input_has_the_noise_of_its_codes():
    net = Net()
    graph = net.graph("x", net.conv("x", 4))
    result = quantise(graph, data(graph))
    first, second = evaluate(result.prepared, result.graph, data(graph)).outputs
    assert (first.name, second.name) == graph.outputs and first.sqnr > 45
