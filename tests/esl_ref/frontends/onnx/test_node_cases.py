# SPDX-License-Identifier: Apache-2.0
"""ONNX's own node tests: equal where the node is supported, refused by name where it is not."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from esl_ref.axes import in_file_order, in_graph_order
from esl_ref.errors import UnsupportedError
from esl_ref.executor import run
from esl_ref.floating import FloatGraph
from esl_ref.floating.executor import run as run_float
from esl_ref.frontends.onnx import load_bytes
from esl_ref.stimulus import as_in_file, fit
from tests.conftest import shared_data
from tests.helpers.onnx_cases import Array

ARCHIVE = shared_data() / "onnx" / "onnx_backend_node_tests.zip"
REFUSED = {
    "test_add_uint8": "output is not quantised",
    "test_convtranspose": "ConvTranspose",
    "test_convtranspose_dilations": "ConvTranspose",
    "test_convtranspose_pad": "ConvTranspose",
    "test_convtranspose_pads": "ConvTranspose",
    "test_depthtospace_crd_mode": "leading batch dimension of 1",
    "test_depthtospace_dcr_mode": "leading batch dimension of 1",
    "test_dequantizelinear_axis": "3 scales",
    "test_maxpool_2d_dilations": "dilations",
    "test_qlinearmatmul_3D": "matrices",
    "test_quantizelinear_axis": "3 scales",
}
"""Case -> what the refusal says. Sums of uint8 wrap around there, which no quantised network means."""


def cases() -> list[str]:
    if not ARCHIVE.is_file():
        return []
    with zipfile.ZipFile(ARCHIVE) as archive:
        return sorted({name.split("/")[0] for name in archive.namelist() if name.endswith("model.onnx")})


def tensor(archive: zipfile.ZipFile, name: str) -> Array:
    proto: Any = onnx.TensorProto()
    proto.ParseFromString(archive.read(name))
    return np.asarray(numpy_helper.to_array(proto))


def read(case: str) -> tuple[bytes, str, Array, Array]:
    """(model with every input but the first as a constant, name of that, its value, the result)."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        proto = onnx.load_from_string(archive.read(f"{case}/model.onnx"))
        folder = f"{case}/test_data_set_0"
        names = [value.name for value in proto.graph.input]
        values = [tensor(archive, f"{folder}/input_{k}.pb") for k in range(len(names))]
        result = tensor(archive, f"{folder}/output_0.pb")
    for name, value in zip(names[1:], values[1:], strict=True):
        proto.graph.initializer.append(numpy_helper.from_array(value, name))
    return proto.SerializeToString(), names[0], values[0], result


@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"no {ARCHIVE}")
@pytest.mark.parametrize("case", cases() or ["none"])
def test_node(case: str) -> None:
    data, name, x, expected = read(case)
    if case in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[case]):
            load_bytes(data, case)
        return
    graph = load_bytes(data, case)
    if isinstance(graph, FloatGraph):
        given = in_graph_order(x, graph.file_axes.get(name, ()))
        made = run_float(graph, {name: given})[graph.outputs[0]]
        made = in_file_order(made, graph.file_axes.get(graph.outputs[0], ()))
        assert made.shape == expected.shape and np.allclose(made, expected, rtol=0, atol=2e-7)
        return
    values = {name: fit(x, graph.tensors[name], name)[0]}
    for form in ("fast", "naive"):
        made = as_in_file(graph, run(graph, values, ops=form))[graph.outputs[0]]  # type: ignore[arg-type]
        assert made.dtype == expected.dtype and np.array_equal(made, expected)
