# SPDX-License-Identifier: Apache-2.0
"""Imported models as shape graphs: the published flatbuffers against the built-in topologies, and every row plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import frontends
from esl_ref.planner.methods.fuse import fuse
from esl_ref.planner.methods.replay import replay
from esl_ref.workloads import Kind, workload
from esl_ref.workloads.convert import shape_graph

TWINS = {"ic_resnet8_int8": "resnet8", "kws_dscnn_int8": "kws", "vww_mnv1_025_96_int8": "vww"}


@pytest.mark.parametrize("model", TWINS)
def test_published_models_equal_the_built_in_topologies(data_dir: Path, model: str) -> None:
    imported = shape_graph(frontends.load(data_dir / "mlperf_tiny" / "models" / f"{model}.tflite"))
    built = workload(TWINS[model])
    work = {Kind.CONV, Kind.DEPTHWISE, Kind.DENSE}
    for ours, theirs in zip(
        (n for n in built.nodes if n.kind in work), (n for n in imported.nodes if n.kind in work), strict=True
    ):
        assert (ours.kind, ours.shape, ours.kernel, ours.stride, ours.pad, ours.macs) == (
            theirs.kind, theirs.shape, theirs.kernel, theirs.stride, theirs.pad, theirs.macs,
        )  # fmt: skip
    assert imported.macs == built.macs


@pytest.mark.parametrize(
    "model", ["mlonmcu_micro_kws_m", "nxp_yolo_face_detect", "tinyengine_vww_mcunet", "cfu_mobilenet_v2_035_160"]
)
def test_row_plans_of_imported_models_replay(data_dir: Path, model: str) -> None:
    graph = shape_graph(frontends.load(data_dir / "tflite" / f"{model}.tflite"))
    found = fuse(graph, time_limit=5.0)
    assert replay(found, [group.plan for group in found.groups]) == []
    assert found.height < sum(n.nbytes for n in graph.nodes)


def test_reshaped_network_input_comes_as_a_map(data_dir: Path) -> None:
    graph = shape_graph(frontends.load(data_dir / "tflite" / "mlonmcu_micro_kws_m.tflite"))
    assert graph.nodes[0].shape == (49, 40, 1)
