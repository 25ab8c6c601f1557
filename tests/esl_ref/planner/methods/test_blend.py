# SPDX-License-Identifier: Apache-2.0
"""The joint planner on shapes: never worse than its parts, and its traffic counted by hand."""

from __future__ import annotations

import itertools

import pytest

from esl_ref.planner.methods.blend import WORD, blend, point, smallest
from esl_ref.planner.methods.fdt import fdt
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.replay import replay
from esl_ref.workloads import workload
from esl_ref.workloads.builder import Builder
from tests.helpers.fusions import fuse_at


@pytest.mark.parametrize("name", ["kws", "txt", "mw", "cif", "resnet8", "vww"])
def test_never_worse_than_a_single_method(name: str) -> None:
    graph = workload(name)
    joint = smallest(graph)
    assert joint.tensors <= min(fuse(graph).height, fdt(graph).layout.height)
    assert joint.macs == graph.macs
    assert replay(joint.fusion, [group.plan for group in joint.fusion.groups]) == []


@pytest.mark.parametrize("name", ["resnet8", "txt"])
def test_front_is_a_front_and_replays(name: str) -> None:
    points = blend(workload(name), 20.0)
    assert all(a.nbytes < b.nbytes and a.external > b.external for a, b in itertools.pairwise(points))
    for p in points:
        assert replay(p.fusion, [group.plan for group in p.fusion.groups]) == []


def test_traffic_by_hand() -> None:
    b = Builder("t", (8, 4, 2))
    b.conv(3, 3)
    b.conv(4)
    graph = b.build()
    one, two = (graph[n].weight_bytes for n in ("conv1", "conv2"))
    ends = 8 * 4 * 2 + 8 * 4 * 4
    fused = fuse_at(graph, ())
    again = point(fused, 0, "")
    assert (again.external, again.weights) == (8 * (one + two) + ends, 2 * WORD)
    kept = point(fused, one + two, "")
    assert (kept.external, kept.weights) == (one + two + ends, max(2 * WORD, one + two))
    assert point(fuse_at(graph, (1,)), 0, "").external == 8 * (one + two) + ends
    assert point(fuse_at(graph, (1, 2)), 0, "").external == one + two + ends
    assert point(fuse_at(graph, (), strip=4), 0, "").external == 2 * (one + two) + ends


def test_weight_limit_keeps_groups_small() -> None:
    graph = workload("vww")
    limit = 4096
    found = fuse(graph, most_weights=limit)
    for group in found.groups:
        nodes = graph.nodes[group.first : group.last]
        assert len(nodes) == 1 or sum(n.weight_bytes for n in nodes) <= limit
    assert found.height >= fuse(graph).height


def test_whole_ends_are_counted() -> None:
    graph = workload("yolo_v2").until("conv12").with_itemsize(4)
    found = fuse(graph, ends=True)
    # Hand computation: whole input (4.23 MiB) and result (1.41) and the rings: 6.42 MiB.
    assert graph.nodes[0].nbytes < found.height <= 6.42 * 2**20
    assert replay(found, [group.plan for group in found.groups], ends=True) == []
