# SPDX-License-Identifier: Apache-2.0
"""Built-in topologies against published sizes.

torchvision: parameter counts of its model documentation (exact) and multiply-accumulates to the digits it prints.
Darknet: number of floats in the published weight files, in which normalised layers have four per channel, and half the
"BFLOPs" the project's page prints. MobileNets: tables of the papers and of their reference implementation. MLPerf Tiny
and the TinyML examples: parameters of the published flatbuffers.
"""

from __future__ import annotations

import pytest

from esl_ref.errors import InputError, ModelError
from esl_ref.workloads import NAMES, Kind, Node, ShapeGraph, named, workload
from esl_ref.workloads.builder import Builder
from esl_ref.workloads.mobile import mobilenet_v1, mobilenet_v2

TORCHVISION = {
    "alexnet": (61_100_840, 0.71),
    "vgg16": (138_357_544, 15.47),
    "googlenet": (6_624_904, 1.50),
    "inception_v3": (23_834_568, 5.71),
    "resnet18": (11_689_512, 1.81),
    "resnet50": (25_557_032, 4.09),
    "squeezenet11": (1_235_496, 0.35),
    "mobilenet_v2": (3_504_872, 0.30),
}
DARKNET = {"yolo_v2": (50_983_561, 62.94), "tiny_yolo_v2": (11_237_145, 5.41), "tiny_yolo_v3": (8_858_734, 5.56)}
# Folded parameters of the published int8 or float flatbuffers.
FLATBUFFERS = {"kws": 22_604, "resnet8": 77_706, "cif": 122_570, "txt": 160_306}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name: str) -> None:
    graph = workload(name)
    parameters, gmacs = TORCHVISION[name]
    assert graph.parameters == parameters
    assert round(graph.macs / 1e9, 2) == gmacs


@pytest.mark.parametrize("name", DARKNET)
def test_darknet(name: str) -> None:
    graph = workload(name)
    floats, bflops = DARKNET[name]
    assert graph.parameters + 2 * sum(n.biases for n in graph.nodes if n.norm) == floats
    assert round(2 * graph.macs / 1e9, 2) == bflops


@pytest.mark.parametrize("name", FLATBUFFERS)
def test_flatbuffers(name: str) -> None:
    assert sum(n.weights + n.biases for n in workload(name).nodes) == FLATBUFFERS[name]


def test_vww_folded_parameters() -> None:
    # The published flatbuffer's 210 850 parameters: weights and one bias per channel.
    assert sum(n.weights + n.biases for n in workload("vww").nodes) == 210_850


@pytest.mark.parametrize(("size", "mmacs"), [(224, 569), (192, 418), (160, 291), (128, 186)])
def test_mobilenet_v1_table(size: int, mmacs: int) -> None:
    assert round(mobilenet_v1(1.0, size).macs / 1e6) == mmacs


@pytest.mark.parametrize(("width", "size", "mmacs"), [(0.35, 224, 59), (0.35, 160, 30), (0.35, 128, 20), (0.35, 96, 11),
                                                      (1.4, 224, 582), (0.5, 224, 97)])  # fmt: skip
def test_mobilenet_v2_table(width: float, size: int, mmacs: int) -> None:
    # The table's own figures differ by up to 7 % from a count of all layers at small sizes.
    assert mobilenet_v2(width, size).macs / 1e6 == pytest.approx(mmacs, rel=0.09)


def test_mw_ssd_shapes() -> None:
    assert [n.shape for n in workload("mw").nodes[1:5]] == [(128, 3, 8), (42, 1, 8), (42, 1, 16), (14, 1, 16)]
    ssd = workload("ssd_mobilenet_v1_075")
    assert [ssd[name].shape[:2] for name in ssd.outputs[::2]] == [(s, s) for s in (19, 10, 5, 3, 2, 1)]


@pytest.mark.parametrize("name", NAMES)
def test_topology_hash_is_stable_and_ignores_names(name: str) -> None:
    graph = workload(name)
    renamed = ShapeGraph("other", graph.nodes, graph.outputs)
    assert renamed.topology_hash == graph.topology_hash
    assert len(graph.topology_hash) == 16


def test_topologies_differ() -> None:
    assert len({workload(name).topology_hash for name in NAMES}) == len(NAMES)


def test_names_are_forgiving_and_unknown_ones_are_listed() -> None:
    assert workload("MobileNet-V2") is not None
    with pytest.raises(InputError, match="there are: alexnet, cif"):
        workload("lenet")


def test_rows_of_windows_pools_and_resizes() -> None:
    b = Builder("t", (9, 9, 1))
    conv = b.conv(1, 3, 2)
    up = b.upsample(2)
    reorg = b.reorg(2)
    mean = b.mean()
    g = b.build()
    assert [g[conv].rows((9, 9, 1), y) for y in (0, 1, 4)] == [(0, 2), (1, 4), (7, 9)]
    assert g[up].rows(g[conv].shape, 3) == (1, 2)
    assert g[reorg].rows(g[up].shape, 2) == (0, 10)
    assert g[mean].rows(g[reorg].shape, 0) == (0, 5)


def test_cut_keeps_what_the_last_node_needs() -> None:
    cut = workload("inception_v3").until("Mixed_5b")
    assert cut.outputs == ("Mixed_5b",)
    assert cut["Mixed_5b"].shape == (35, 35, 256)
    with pytest.raises(ModelError, match="has no node"):
        cut.until("Mixed_9z")


def test_inconsistent_graphs_are_refused() -> None:
    node = Node("a", Kind.INPUT, (), (1, 1, 1))
    with pytest.raises(ModelError, match="made twice"):
        ShapeGraph("g", (node, node), ("a",))
    with pytest.raises(ModelError, match="before it is made"):
        ShapeGraph("g", (node, Node("b", Kind.TABLE, ("c",), (1, 1, 1))), ("b",))
    with pytest.raises(ModelError, match="never made"):
        ShapeGraph("g", (node,), ("b",))
    with pytest.raises(ModelError, match="empty shape"):
        ShapeGraph("g", (Node("a", Kind.INPUT, (), (0, 1, 1)),), ("a",))
    with pytest.raises(ModelError, match="unequal shapes"):
        b = Builder("g", (4, 4, 2))
        b.add(b.conv(2), b.conv(3))
    with pytest.raises(ModelError, match="concatenates maps"):
        b = Builder("g", (4, 4, 2))
        b.concat(b.conv(2, 1, 2, source="input"), b.conv(2, source="input"))


@pytest.mark.parametrize(
    ("written", "name"),
    [("YOLOv2", "yolo_v2"), ("yolo-v2", "yolo_v2"), ("SqueezeNet1.1", "squeezenet11"), ("net.tflite", None)],
)
def test_names_as_people_write_them(written: str, name: str | None) -> None:
    assert named(written) == name
