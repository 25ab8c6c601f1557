# SPDX-License-Identifier: Apache-2.0
"""MAFAT on YOLOv2's first sixteen layers: geometry, prediction against execution, search against enumeration."""

from __future__ import annotations

import pytest

from esl_ref.errors import BudgetError, InputError, PlanError
from esl_ref.planner.methods.mafat import Config, Mafat
from esl_ref.planner.methods.tiles import chain_of
from esl_ref.rewrite.boxes import Box, grid
from esl_ref.workloads import workload
from esl_ref.workloads.builder import Builder

MIB = 2**20


@pytest.fixture(scope="module")
def yolo() -> Mafat:
    return Mafat(workload("yolo_v2").until("conv12").with_itemsize(4))


def test_published_configuration(yolo: Mafat) -> None:
    planned = yolo.plan("5x5/8/2x2")
    assert round(planned.macs / yolo.graph.macs, 3) == 1.137
    assert planned.nbytes / MIB == pytest.approx(10.04, abs=0.01)
    assert planned.nbytes < yolo.plan("1x1/NoCut").nbytes / 2


def test_one_tile_is_no_overhead(yolo: Mafat) -> None:
    assert yolo.plan("1x1/NoCut").macs == yolo.graph.macs
    assert yolo.plan("1x1/8/1x1").macs == yolo.graph.macs


@pytest.mark.parametrize("text", ["1x1/NoCut", "2x2/NoCut", "3x3/8/2x2", "5x5/8/2x2", "4x2/12/1x3"])
def test_predicted_equals_executed(yolo: Mafat, text: str) -> None:
    planned = yolo.plan(text)
    assert planned.executed() == planned.nbytes
    assert str(planned.config) == text


def test_search_equals_enumeration() -> None:
    mafat = Mafat(workload("yolo_v2").until("conv5").with_itemsize(4))
    plans = [mafat.plan(c) for c in mafat.configurations(4)]
    for limit in (18 * MIB, 24 * MIB, 40 * MIB, 64 * MIB):
        found = mafat.search(limit, 4)
        assert found.nbytes <= limit
        assert found.macs == min(p.macs for p in plans if p.nbytes <= limit)


def test_impossible_limit_names_the_least(yolo: Mafat) -> None:
    with pytest.raises(BudgetError, match=r"no configuration fits 1048576 bytes; .* needs"):
        yolo.search(MIB, 2)


def test_tiles_cover_the_map_and_halos_are_clipped() -> None:
    b = Builder("t", (10, 9, 2))
    b.conv(3, 3)
    b.conv(3, 5, 2)
    chain = chain_of(b.build(), 1, 3)
    boxes = list(grid(*chain.nodes[-1].shape[:2], 2, 3))
    assert sum(box.area for box in boxes) == 5 * 5
    assert chain.backwards(boxes[0])[0] == Box(0, 6, 0, 3)  # top left: two padding rows and columns cut off
    assert chain.tiled(2, 3).macs > sum(n.macs for n in chain.nodes)


@pytest.mark.parametrize("text", ["", "5/8/2", "5x5/2x2", "axb/NoCut"])
def test_malformed_configurations(text: str) -> None:
    with pytest.raises(InputError, match="is no configuration"):
        Config.parse(text)


def test_configurations_that_do_not_fit(yolo: Mafat) -> None:
    with pytest.raises(InputError, match="not between layers"):
        yolo.plan("2x2/16/2x2")
    with pytest.raises(PlanError, match="has no 99 x 1 tiles"):
        yolo.plan("99x1/NoCut")
    with pytest.raises(PlanError, match="cannot be tiled.*"):
        Mafat(workload("resnet8")).plan("2x2/NoCut")
