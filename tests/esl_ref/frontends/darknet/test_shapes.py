# SPDX-License-Identifier: Apache-2.0
"""All stock configurations against counts made by others: input, floats of the weights file, MACs, largest output."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from esl_ref.errors import UnsupportedError
from esl_ref.floating import FloatGraph
from esl_ref.floating.executor import run
from esl_ref.frontends.darknet import read_cfg, read_network
from esl_ref.frontends.darknet.float_graph import float_graph
from esl_ref.workloads import ShapeGraph
from tests.esl_ref.frontends.darknet.nets import CASES, image, made

RECURRENT = ("gru", "rnn", "rnn.train")


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
        if path.stem in RECURRENT:
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
        assert f"{network.floats:,} numbers" in graph.notes[0] and ("folded" in graph.notes[0]) == (norms > 0)


@pytest.mark.parametrize("name", CASES)
def test_rows_that_shapes_name_are_those_that_results_depend_on(tmp_path: Path, name: str) -> None:
    # What an output row changes with must be among the rows that it is said to read, and those must exist.
    network, cfg, _, graph = made(tmp_path, CASES[name])
    shapes = read_cfg(cfg).graph
    output, last, picture = graph.outputs[-1], shapes.outputs[-1], image(network)
    before = run(graph, {"input": picture[None]})[output]
    for row in range(network.shape[0]):
        other = picture.copy()
        other[row] += 3
        after = run(graph, {"input": other[None]})[output]
        if after.ndim == 4 and after.shape[1] == shapes[last].shape[0]:
            changed = np.flatnonzero((after != before).any(axis=(0, 2, 3)))
            assert all(row in rows_read(shapes, last, int(y)) for y in changed), (row, changed)


def rows_read(shapes: ShapeGraph, name: str, row: int) -> set[int]:
    """Rows of the network input that a row of a node reads, by the shape graph."""
    wanted: dict[str, set[int]] = {node.name: set() for node in shapes.nodes}
    wanted[name] = {row}
    for node in reversed(shapes.nodes):
        for source in node.inputs:
            for y in wanted[node.name]:
                first, end = node.rows(shapes[source].shape, y)
                assert 0 <= first <= end <= shapes[source].shape[0], (node, source, y)
                wanted[source] |= set(range(first, end))
    return wanted[shapes.nodes[0].name]
