# SPDX-License-Identifier: Apache-2.0
"""All stock configurations against counts made by others: input, floats of the weights file, MACs, largest output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from esl_ref.errors import UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.frontends.darknet import read_cfg, read_network
from esl_ref.frontends.darknet.float_graph import float_graph

RECURRENT = ("gru", "rnn", "rnn.train")
TREES = ("darknet9000",)


def published(data_dir: Path) -> dict[str, tuple[int, ...]]:
    """cfg name -> height, width, channels, floats, MMAC, largest layer output of the data's own table."""
    row = re.compile(r"\| (\S+)\.cfg \| (\d+)x(\d+)x(\d+) \| (\d+) \| (\d+) \| (\d+) \|")
    found = (row.match(line) for line in (data_dir / "README.md").read_text().splitlines())
    return {m[1]: tuple(map(int, m.groups()[1:])) for m in found if m}


def stock(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "darknet" / "cfg_pjreddie").glob("*.cfg"))


def test_stock_configurations_have_the_published_sizes(data_dir: Path) -> None:
    table = published(data_dir)
    paths = [path for path in stock(data_dir) if path.stem not in RECURRENT]
    assert {path.stem for path in paths} == set(table) and len(paths) == 42
    for path in paths:
        network, cfg = read_network(path), read_cfg(path)
        largest = max(layer.elements for layer in network.layers)
        got = (*network.shape, network.floats, round(cfg.graph.macs / 1e6), largest)
        assert got == table[path.stem], path.name


def test_float_graphs_of_stock_configurations(data_dir: Path) -> None:
    for path in stock(data_dir):
        if path.stem in RECURRENT + TREES:
            with pytest.raises(UnsupportedError):
                float_graph(read_network(path), None)
            continue
        network = read_network(path)
        graph = float_graph(network, None)
        assert isinstance(graph, FloatGraph)
        assert graph.shapes["input"] == (1, *network.shape)
        heads = [layer for layer in network.layers if layer.kind in ("yolo", "region", "detection")]
        assert [head.tensor for head in graph.heads] == list(graph.outputs)[: len(heads)]
        # Every parameter of the file is in the graph: normalised channels keep one bias of four numbers.
        folded = sum(p.elements for op in graph.ops for p in vars(op).values() if hasattr(p, "load"))
        norms = sum(layer.shape[2] for layer in network.layers if getattr(layer, "norm", False))
        assert folded == network.floats - 3 * norms
