# SPDX-License-Identifier: Apache-2.0
"""Resident memory of networks, in processes of their own: as reckoned, and less layer by layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref.errors import InputError, ToolError
from esl_ref.floating.accounting import everything_bytes, layerwise_bytes
from esl_ref.report.residency import _STATUS, measure
from esl_ref.tables.residency import make, networks
from tests.esl_ref.frontends.darknet.nets import made, net

CHAIN = net(64, 64, 16, ";".join(["convolutional filters=64 size=3 pad=1 activation=leaky"] * 8)
            + "; maxpool size=2 stride=2; connected output=16 activation=linear")  # fmt: skip
NOISE = 3 << 20


def need_proc() -> None:
    if not _STATUS.exists():
        pytest.skip("resident memory is read from /proc, which only Linux has")


def test_both_modes_are_as_reckoned_and_agree(tmp_path: Path) -> None:
    need_proc()
    _, cfg, weights, graph = made(tmp_path, CHAIN)
    layers, every = (measure(cfg, weights, mode) for mode in ("layerwise", "everything"))
    assert layers.total == pytest.approx(every.total, rel=1e-4)
    assert abs(layers.nbytes - layerwise_bytes(graph)) < NOISE
    assert abs(every.nbytes - everything_bytes(graph)) < NOISE
    assert every.nbytes > 3 * layers.nbytes


def test_a_failing_process_is_told(tmp_path: Path) -> None:
    need_proc()
    _, cfg, weights, _ = made(tmp_path, CHAIN)
    weights.unlink()
    with pytest.raises(ToolError, match="net.cfg: the measured process failed"):
        measure(cfg, weights, "layerwise")


def test_which_networks(data_dir: Path) -> None:
    folder = data_dir / "darknet" / "cfg_pjreddie"
    light, every = (list(networks(folder, (), flag)) for flag in (False, True))
    assert len(every) == 42 and 15 < len(light) < 30
    assert [path.stem for path, _ in networks(folder, ("yolov3",), False)] == ["yolov3"]
    with pytest.raises(InputError, match="no configuration 'yolov9'; there are alexnet"):
        list(networks(folder, ("yolov9",), False))


def test_stock_networks(data_dir: Path) -> None:
    need_proc()
    said: list[str] = []
    table = make(data_dir / "darknet" / "cfg_pjreddie", ("tiny", "go"), False, 1, said.append)
    assert said == ["tiny", "go"]
    assert table.summary["mean measured -%"] > 76
    for row in table.rows:
        assert abs(row[6] - row[3]) < 5  # measured as reckoned


@pytest.mark.slow
def test_all_stock_networks(data_dir: Path) -> None:
    """The goal that the product was given: 76 % on average, and no slower; YOLOv2 and its tiny form run through."""
    need_proc()
    table = make(data_dir / "darknet" / "cfg_pjreddie", (), True, 2, lambda name: None)
    assert len(table.rows) == 42 and {"yolov2", "yolov2-tiny"} <= {row[0] for row in table.rows}
    assert table.summary["mean measured -%"] >= 76
    assert table.summary["seconds, layer by layer"] <= 1.05 * table.summary["seconds, all at once"]
