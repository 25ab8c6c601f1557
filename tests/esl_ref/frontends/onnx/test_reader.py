# SPDX-License-Identifier: Apache-2.0
"""Bad files: every complaint is a typed error that names the file and the node, tensor or value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from esl_ref.errors import EslError, ModelError, UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.frontends import load_model
from esl_ref.frontends.onnx import load_bytes
from esl_ref.frontends.onnx.reader import read_bytes
from tests.helpers.onnx_cases import Array, model, node

SHAPE = (1, 3, 6, 5)


def conv_model(**changes: Any) -> Any:
    """A convolution and a Relu, as a message to damage."""
    nodes = [node("Conv", ["x", "w"], ["c"], **changes), node("Relu", ["c"], ["y"])]
    data = model(nodes, {"x": (SHAPE, np.float32)}, ["y"], {"w": np.ones((2, 3, 3, 3), np.float32)})
    return onnx.load_from_string(data)


def load(proto: Any) -> Any:
    return load_bytes(proto.SerializeToString(), "net.onnx")


def test_files_that_are_no_model(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 100, b"hello, this is no model", conv_model().SerializeToString()[:200]):
        path = tmp_path / "net.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="net.onnx"):
            load_model(path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path / "absent.onnx")


def _opset(proto: Any, version: int) -> None:
    proto.opset_import[0].version = version


def _cycle(proto: Any) -> None:
    proto.graph.node[0].input[0] = "y"


def _twice(proto: Any) -> None:
    proto.graph.node[1].output[0] = "c"


def _nul(proto: Any) -> None:
    proto.graph.node[1].output[0] = proto.graph.output[0].name = "y\0a"


def _dangling(proto: Any) -> None:
    proto.graph.node[1].input[0] = "nowhere"


def _huge(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 10**9


def _dynamic(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def _batch(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


def _negative(proto: Any) -> None:
    proto.graph.initializer[0].dims[0] = -2


def _overflowing(proto: Any) -> None:
    proto.graph.initializer[0].dims[:] = [1 << 40, 1 << 40, 1 << 40]


def _short(proto: Any) -> None:
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]


def _channels(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4


def _rank(proto: Any) -> None:
    del proto.graph.input[0].type.tensor_type.shape.dim[2:]


def _kernel(proto: Any) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 2


def _kind(proto: Any) -> None:
    proto.graph.initializer[0].data_type = TensorProto.STRING


def _unknown(proto: Any) -> None:
    proto.graph.node[1].op_type = "Fancy"


def _foreign(proto: Any) -> None:
    proto.graph.node[1].domain = "org.example"
    proto.opset_import.append(helper.make_opsetid("org.example", 1))


def _control(proto: Any) -> None:
    proto.graph.node[1].attribute.append(helper.make_attribute("body", helper.make_graph([], "b", [], [])))


def _no_output(proto: Any) -> None:
    proto.graph.output[0].name = "z"


@pytest.mark.parametrize(
    ("damage", "error", "complaint"),
    [
        (lambda p: _opset(p, 99), UnsupportedError, "operator set 99; versions 1 to 24"),
        (_cycle, ModelError, r"node 0 'c' \(Conv\): reads tensor 'y'.*node 1 'y' \(Relu\).*a cycle"),
        (_nul, ModelError, "no text"),
        (_twice, ModelError, r"node 1 'c' \(Relu\): tensor 'c' is made twice"),
        (_dangling, ModelError, r"node 1 'y' \(Relu\): reads tensor 'nowhere'"),
        (_huge, ModelError, "1 to .* elements are supported|at most"),
        (_dynamic, UnsupportedError, r"'x' has dynamic dimension 2 \('height'\)"),
        (_batch, UnsupportedError, "leading batch dimension of 1"),
        (_negative, ModelError, r"constant 'w': has dimensions \[-2"),
        (_overflowing, ModelError, "constant 'w': has 13292279957849158729"),
        (_short, ModelError, "constant 'w': 212 bytes of data"),
        (_channels, EslError, "node 0|inconsistent|do not fit"),
        (_rank, EslError, "net.onnx"),
        (_kernel, EslError, "net.onnx"),
        (_kind, UnsupportedError, "constant 'w': has element type STRING"),
        (_unknown, UnsupportedError, r"Fancy \(1x\); the first is node 1 'y'"),
        (_foreign, UnsupportedError, r"org.example.Relu \(1x\)"),
        (_control, UnsupportedError, "attribute 'body' is a graph"),
        (_no_output, ModelError, "output 'z' is never made"),
    ],
)
def test_damaged_models(damage: Callable[[Any], None], error: type[EslError], complaint: str) -> None:
    proto = conv_model()
    damage(proto)
    with pytest.raises(error, match=complaint) as caught:
        load(proto)
    assert "net.onnx" in str(caught.value)


def test_an_open_batch_becomes_one() -> None:
    proto = conv_model()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    graph = load(proto)
    assert isinstance(graph, FloatGraph) and graph.shapes["x"] == (1, 6, 5, 3)


@pytest.mark.parametrize("attribute", [{"strides": [0, 1]}, {"strides": [1]}, {"pads": [-1, 0, 0, 0]}, {"group": 0},
                                       {"dilations": [1 << 40, 1]}, {"auto_pad": "SOMEHOW"}, {"kernel_shape": [5, 5]},
                                       {"strides": 3}])  # fmt: skip
def test_impossible_attributes(attribute: dict[str, Any]) -> None:
    with pytest.raises(EslError, match="net.onnx"):
        load(conv_model(**attribute))


def quantised(scale: Any, zero: Any, shape: tuple[int, ...] = SHAPE) -> bytes:
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    return model(nodes, {"x": (shape, np.float32)}, ["y"], {"s": scale, "z": zero})


@pytest.mark.parametrize(
    ("scale", "zero", "complaint"),
    [
        (np.float32("nan"), np.int8(0), "scale nan"),
        (np.float32("inf"), np.int8(0), "scale inf"),
        (np.float32(0), np.int8(0), "scale 0.0"),
        (np.float32(-1), np.int8(0), "scale -1.0"),
        (np.float32(1), np.int16(0), "activations of type int16"),
        (np.ones((2, 2), np.float32), np.int8(0), "scales float32"),
        (np.ones(3, np.float32), np.zeros(2, np.int8), "zero points"),
    ],
)
def test_impossible_scales(scale: Any, zero: Any, complaint: str) -> None:
    with pytest.raises(EslError, match=complaint) as caught:
        load_bytes(quantised(scale, zero), "net.onnx")
    assert "net.onnx" in str(caught.value)


def test_nan_weights_are_an_error_when_they_are_read() -> None:
    proto = conv_model()
    weights = np.ones((2, 3, 3, 3), np.float32)
    weights[1, 2, 0, 0] = np.nan
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w"))
    graph = load(proto)
    with pytest.raises(ModelError, match=r"node 0 'c' \(Conv\): constant 'w': holds NaN"):
        graph.ops[0].weight.load()


def external(tmp_path: Path, location: str, offset: int = 0, length: int | None = None) -> Any:
    """A model whose weights are said to be at `location`; the right ones are in weights.bin."""
    proto = conv_model()
    tensor = proto.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(bytes(16) + tensor.raw_data)
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", size if length is None else length)):
        tensor.external_data.add(key=key, value=str(value))
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    return load_model(tmp_path / "net.onnx")


def weights_of(graph: Any) -> Array:
    return np.asarray(graph.ops[0].weight.load())


def test_external_data(tmp_path: Path) -> None:
    assert (weights_of(external(tmp_path, "weights.bin", 16)) == 1).all()


@pytest.mark.parametrize(
    ("location", "offset", "length", "complaint"),
    [
        ("absent.bin", 0, None, "'absent.bin' is missing"),
        ("../secret.bin", 0, None, "outside the model's folder"),
        ("/etc/passwd", 0, None, "outside the model's folder"),
        ("link.bin", 0, None, "outside the model's folder"),
        (".", 0, None, "is missing"),
        ("weights.bin", 17, None, "ends before byte 233"),
        ("weights.bin", 16, 4, "4 bytes for"),
        ("weights.bin", -1, None, "offset '-1'"),
        ("", 0, None, "location ''"),
    ],
)
def test_external_data_that_cannot_be(
    location: str, offset: int, length: int | None, complaint: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    graph = external(folder, location, offset, length)
    with pytest.raises(ModelError, match=complaint) as caught:
        weights_of(graph)
    assert "constant 'w'" in str(caught.value)


def test_a_model_in_memory_has_no_folder() -> None:
    proto = conv_model()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    with pytest.raises(ModelError, match="keeps its data in another file"):
        weights_of(load(proto))


def test_the_second_opinion_on_shapes() -> None:
    """What the onnx package infers is compared with what the operators compute."""
    parsed = read_bytes(conv_model().SerializeToString())
    assert parsed.shapes["c"] == (1, 2, 4, 3)
