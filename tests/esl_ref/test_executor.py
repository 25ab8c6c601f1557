# SPDX-License-Identifier: Apache-2.0
"""The golden executor: real models against recorded and live oracles, liveness, determinism, bad inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esl_ref import executor
from esl_ref.errors import InputError
from esl_ref.executor import random_inputs, run
from esl_ref.frontends import load
from esl_ref.ir import FullyConnected, Graph
from esl_ref.stimulus import as_in_file, fit
from tests.conftest import ROOT, shared_data
from tests.helpers.oracles import run_litert, run_micro

EMBEDDED = ROOT / "esl_ref" / "models" / "embedded" / "embedded.tflite"


def _models() -> dict[str, Path]:
    data = shared_data()
    folders = ("mlperf_tiny/models", "tflite", "tflite/single_layers")
    return {path.stem: path for folder in folders for path in sorted((data / folder).glob("*.tflite"))}


MODELS = _models()
UNSUPPORTED = {"ssd_mobilenet_v1_075_300_u8"}
"""Its detection head is a custom operator; README of the data: for planning by shape only."""


def _recorded() -> Iterator[Any]:
    folder = shared_data() / "golden_io"
    found = sorted(folder.glob("**/*__random.npz"))
    if not found:
        yield pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded outputs in {folder}; set ESL_REF_DATA"))
    for path in found:
        yield pytest.param(path, id=path.stem.removesuffix("__random"))


def _graph_inputs(graph: Graph, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {name: fit(a, graph.tensors[name], name)[0] for name, a in zip(graph.inputs, arrays, strict=True)}


def _file_outputs(graph: Graph, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    values = as_in_file(graph, run(graph, inputs))
    return [values[name] for name in graph.outputs]


@pytest.mark.parametrize("path", list(_recorded()))
def test_equals_the_recorded_outputs(path: Path) -> None:
    """Every model and single layer with recorded TFLM outputs (uint8: LiteRT's reference kernels), every byte."""
    graph, recorded = load(MODELS[path.stem.split("__")[0]]), np.load(path)
    samples = sorted({key.split("_")[1] for key in recorded if key.startswith("x")})
    assert samples
    for sample in samples:
        inputs = _graph_inputs(graph, [recorded[f"x{i}_{sample}"] for i in range(len(graph.inputs))])
        for i, result in enumerate(_file_outputs(graph, inputs)):
            expected = recorded[f"y{i}_{sample}"]
            assert result.dtype == expected.dtype
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", sorted(set(MODELS) - UNSUPPORTED) or ["none"])
def test_equals_the_live_interpreter(name: str) -> None:
    """Fresh random inputs through the interpreter itself; single layers and models alike."""
    if name == "none":
        pytest.skip("no models; set ESL_REF_DATA")
    model = MODELS[name].read_bytes()
    graph = load(MODELS[name])
    inputs = random_inputs(graph, seed=11)
    in_file = as_in_file(graph, inputs)
    oracle = run_litert if any(graph.tensors[n].file_offset for n in graph.inputs) else run_micro
    expected = oracle(model, [in_file[n] for n in graph.inputs])
    for result, wanted in zip(_file_outputs(graph, inputs), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def _every_tensor(model: bytes, inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """All tensors of LiteRT's reference kernels, by name."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    interpreter = litert.Interpreter(
        model_content=model, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )  # fmt: skip
    interpreter.allocate_tensors()
    for details, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], values)
    interpreter.invoke()
    tensors = {}
    for details in interpreter.get_tensor_details():
        try:
            tensors[details["name"]] = np.array(interpreter.get_tensor(details["index"]))
        except ValueError:  # tensors without data, such as absent biases
            continue
    return tensors


def _behind_dense(graph: Graph) -> set[str]:
    """Tensors that a FULLY_CONNECTED reaches: LiteRT rounds once there, TFLM and this product twice."""
    reached: set[str] = set()
    for op in graph.ops:
        if isinstance(op, FullyConnected) or reached & set(op.inputs):
            reached |= set(op.outputs)
    return reached


WHOLE = sorted(n for n in MODELS if n not in UNSUPPORTED | {"tflm_person_detect"} and "_layer" not in n)


@pytest.mark.parametrize("name", WHOLE or ["none"])
def test_every_intermediate_tensor_equals_litert(name: str) -> None:
    """All activations that LiteRT shows, up to the first FULLY_CONNECTED; person_detect it refuses to load."""
    if name == "none":
        pytest.skip("no models; set ESL_REF_DATA")
    graph = load(MODELS[name])
    inputs = random_inputs(graph, seed=5)
    in_file = as_in_file(graph, inputs)
    seen = _every_tensor(MODELS[name].read_bytes(), [in_file[n] for n in graph.inputs])
    values = as_in_file(graph, run(graph, inputs, keep="all"))
    compared = 0
    for tensor in set(values) - _behind_dense(graph):
        if tensor in seen and seen[tensor].shape == values[tensor].shape:
            np.testing.assert_array_equal(values[tensor], seen[tensor], err_msg=tensor)
            compared += 1
    assert compared >= 0.9 * (len(values) - len(_behind_dense(graph)))


def test_keyword_spotting_accuracy(data_dir: Path) -> None:
    """0.904 on the 500 development samples (MLPerf Tiny asks for 0.90); the first 200 outputs are recorded."""
    graph = load(MODELS["kws_dscnn_int8"])
    samples = np.load(data_dir / "mlperf_tiny" / "eval" / "kws01_dev500.npz")
    recorded = np.load(data_dir / "golden_io" / "kws_dscnn_int8__kws01_dev500.npz")["y"]
    (source,), (sink,) = graph.inputs, graph.outputs
    outputs = np.stack([run(graph, {source: x[None]})[sink][0] for x in samples["x"]])
    np.testing.assert_array_equal(outputs[: len(recorded)], recorded)
    assert float((outputs.argmax(axis=1) == samples["y"]).mean()) == 0.904


@pytest.mark.parametrize("name", ["tinymaix_mnist_dw", "tinymaix_mnist_resnet", "tinymaix_mnist_valid"])
def test_recorded_digits(name: str, data_dir: Path) -> None:
    """Outputs of real digits, and labels as good as recorded."""
    graph = load(MODELS[name])
    digits = np.load(data_dir / "datasets" / "mnist_t10k_0_500.npz")
    recorded = np.load(data_dir / "golden_io" / f"{name}__mnist_t10k_0_500.npz")
    expected = recorded["y"]
    images = digits["x"][: len(expected)]
    (source,), (sink,) = graph.inputs, graph.outputs
    shape = graph.tensors[source].shape
    quantised = images if images.dtype == np.int8 else (images.astype(np.int16) - 128).astype(np.int8)
    outputs = np.stack([run(graph, {source: x.reshape(shape)})[sink][0] for x in quantised])
    np.testing.assert_array_equal(outputs, expected)


def test_naive_and_fast_give_the_same_network() -> None:
    """The embedded model, every tensor, through the quotable forms."""
    graph = load(EMBEDDED)
    inputs = random_inputs(graph, seed=3)
    fast, naive = run(graph, inputs, keep="all"), run(graph, inputs, keep="all", ops="naive")
    assert fast.keys() == naive.keys()
    for name in fast:
        np.testing.assert_array_equal(fast[name], naive[name], err_msg=name)


def test_keeps_what_is_asked_for() -> None:
    graph = load(EMBEDDED)
    inputs = random_inputs(graph, seed=0)
    everything, outputs = run(graph, inputs, keep="all"), run(graph, inputs)
    assert set(outputs) == set(graph.outputs)
    assert set(everything) == {t.name for t in graph.activations()}
    for name in outputs:
        np.testing.assert_array_equal(outputs[name], everything[name])


def test_tensors_are_freed_at_their_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """When an operator runs, only tensors that it or a later one reads are still there."""
    graph = load(EMBEDDED)
    alive: list[set[str]] = []
    real = executor._apply

    def spy(op: Any, values: Any, tensor: Any, form: str) -> Any:
        alive.append({name for name in values if not graph.tensors[name].is_const})
        return real(op, values, tensor, form)

    monkeypatch.setattr(executor, "_apply", spy)
    run(graph, random_inputs(graph, seed=0))
    for index, names in enumerate(alive):
        needed = {name for op in graph.ops[index:] for name in op.inputs} | set(graph.outputs)
        assert names <= needed, graph.ops[index].name


def test_an_output_that_is_also_read_is_kept() -> None:
    graph = load(EMBEDDED)
    middle = graph.ops[2].outputs[0]
    wider = graph.replace(outputs=(*graph.outputs, middle))
    inputs = random_inputs(graph, seed=1)
    np.testing.assert_array_equal(run(wider, inputs)[middle], run(graph, inputs, keep="all")[middle])


def test_random_inputs_depend_on_the_seed_alone() -> None:
    graph = load(EMBEDDED)
    (name,) = graph.inputs
    first, again, other = (random_inputs(graph, seed)[name] for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.min() < -100 and first.max() > 100


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda x: {}, "is missing"),
        (lambda x: {"image": x, "other": x}, "no such input: other"),
        (lambda x: {"image": x[0]}, r"int8\[28, 28, 1\].*int8\[1, 28, 28, 1\] is needed"),
        (lambda x: {"image": x.astype(np.float32)}, "float32"),
    ],
)
def test_inputs_that_do_not_fit(change: Any, complaint: str) -> None:
    graph = load(EMBEDDED)
    with pytest.raises(InputError, match=complaint):
        run(graph, change(random_inputs(graph, 0)["image"]))


def test_a_kernel_that_breaks_its_declaration_is_a_defect() -> None:
    """Not an EslError: the front end let something through that it must not."""
    graph = load(EMBEDDED)
    name = graph.ops[0].outputs[0]
    tensors = dict(graph.tensors) | {name: dataclasses.replace(graph.tensors[name], shape=(1, 1, 1, 1))}
    with pytest.raises(AssertionError, match="declared"):
        run(dataclasses.replace(graph, tensors=tensors), random_inputs(graph, 0))
