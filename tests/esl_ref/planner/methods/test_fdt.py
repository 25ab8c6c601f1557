# SPDX-License-Identifier: Apache-2.0
"""Channel splits: published points, no repeated work, and rewriting that keeps weights and shapes."""

from __future__ import annotations

import pytest

from esl_ref import layout
from esl_ref.planner.methods.fdt import fdt, paths, split
from esl_ref.planner.methods.storage import layerwise
from esl_ref.workloads import Kind, workload
from esl_ref.workloads.builder import Builder

MODELS = ["txt", "mw", "cif", "kws", "resnet8", "vww", "ssd_mobilenet_v1_075"]


@pytest.mark.parametrize(("parts", "nbytes"), [(7, 4_160), (16, 2_112)])
def test_txt_in_float32(parts: int, nbytes: int) -> None:
    graph = workload("txt").with_itemsize(4)
    assert layerwise(graph).bound == 17_408
    found = fdt(graph, (parts,))
    assert found.layout.height == nbytes
    assert found.graph.macs == graph.macs


def test_published_txt_saving() -> None:
    graph = workload("txt").with_itemsize(4)
    assert round(1 - fdt(graph, (7,)).layout.height / layerwise(graph).bound, 3) == 0.761
    assert 1 - fdt(graph).layout.height / layerwise(graph).bound >= 0.762


@pytest.mark.parametrize("name", MODELS)
def test_no_work_is_repeated_and_layouts_are_legal(name: str) -> None:
    graph = workload(name)
    found = fdt(graph)
    assert found.graph.macs == graph.macs
    assert found.graph.parameters == graph.parameters
    assert found.layout.height <= layout.solve(layerwise(graph, in_place=True)).height
    assert layout.validate(layerwise(found.graph, in_place=True), found.layout) == []


def test_fan_in_adds_partial_sums_in_int32() -> None:
    b = Builder("t", (6, 6, 4))
    b.conv(32, 3)
    b.depthwise(3)
    b.conv(4)
    graph = b.build()
    path = next(p for p in paths(graph, "depthwise1") if p.sums)
    assert path.nodes == ("conv1", "depthwise1", "conv2")
    cut = split(graph, path, 4)
    assert cut.macs == graph.macs
    assert cut.parameters == graph.parameters
    assert [cut[f"conv2/{k}"].itemsize for k in range(4)] == [4] * 4
    assert cut["conv2"].kind is Kind.TABLE
    assert cut["conv2"].shape == graph["conv2"].shape
    assert cut["depthwise1/3"].groups == 8
    assert fdt(graph).layout.height < layerwise(graph).bound


def test_uneven_parts_cover_all_channels() -> None:
    graph = workload("txt")
    (path,) = [p for p in paths(graph, "embed1") if p.nodes[-1] == "mean1"]
    cut = split(graph, path, 7)
    assert [n.shape[2] for n in cut.nodes if n.name.startswith("embed1/")] == [3, 3, 3, 3, 3, 1]
    assert cut["mean1"].kind is Kind.CONCAT


def test_forks_and_outputs_end_a_path() -> None:
    b = Builder("t", (6, 6, 4))
    x = b.conv(8)
    b.add(b.depthwise(3), x)
    assert list(paths(b.build(), x)) == []
