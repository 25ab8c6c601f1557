# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from esl_ref.arch import load as load_arch
from esl_ref.errors import InputError
from esl_ref.executor import random_inputs, run
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from golden.content import Content, from_graph, layer_range, safe_name
from golden.export import export
from golden.hexfile import parse_hex
from golden.package import opened
from golden.surfaces import FILL, run_bases
from golden.writer import PackageWriter


def test_two_exports_are_byte_identical(tmp_path: Path) -> None:
    for name in ("1", "2"):
        content = from_graph(load(embedded_path()), load_arch("tiny"), layers=(3, 5), count=2, model=embedded_path())
        with PackageWriter(tmp_path / name / "p.tar.zst") as writer:
            export(content, writer, level="bus")
    assert (tmp_path / "1/p.tar.zst").read_bytes() == (tmp_path / "2/p.tar.zst").read_bytes()
    with opened(tmp_path / "1/p.tar.zst") as package:
        assert package.damaged() == [] and len(package.manifest["runs"]) == 4


def test_the_hex_files_are_the_memory_image(head: Content, head_package: Path) -> None:
    """Fill, blocks and inputs give what the executors start from, byte for byte."""
    entry, vector = next(head.runs())
    program = entry.program
    inputs = {s.name: vector.tensors[s.name] for s in program.surfaces_of("in")}
    image = bytearray([FILL]) * run_bases(program).size
    for line in (head_package / "replay.txt").read_text().splitlines():
        words = line.split()
        if words[:2] == ["run", "t0.v0"]:
            break
        if words[0] == "image":
            address, data = parse_hex((head_package / words[1]).read_bytes(), 8, words[1])
            assert address == int(words[2], 16) and len(data) == 8 * int(words[3])
            image[address : address + len(data)] = data
    want = program.memory_image(inputs, run_bases(program), FILL)
    # The word that holds the end of the stream is filled up with zeros, which nothing reads.
    assert [i for i, (a, b) in enumerate(zip(image, want, strict=True)) if a != b] == []


def test_layers_have_their_true_inputs(head: Content) -> None:
    graph = load(embedded_path())
    whole = run(graph, random_inputs(graph, 1), keep="all")
    tensors = head.vectors[0].tensors
    assert head.graph.inputs == ("conv5",) and len(head.graph.ops) == 3
    for name in ("conv5", "pool5", "fc6"):
        assert np.array_equal(tensors[name], whole[name])


def test_names_stay_different() -> None:
    names = ["a/b", "a_b", "a:b", "x" * 200, "x" * 201, "", "conv1"]
    safe = [safe_name(n) for n in names]
    assert len(set(safe)) == len(names) and safe[-1] == "conv1"
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,69}", s) for s in safe)


@pytest.mark.parametrize(("text", "want"), [("2:4", (2, 4)), ("3", (3, 4)), (":2", (0, 2)), ("12:", (12, 15))])
def test_layer_ranges(text: str, want: tuple[int, int]) -> None:
    assert layer_range(load(embedded_path()), text) == want


@pytest.mark.parametrize("text", ["4:4", "9:2", "0:99", "a:b", "", ":"])
def test_impossible_layer_ranges(text: str) -> None:
    with pytest.raises(InputError, match="layers"):
        layer_range(load(embedded_path()), text)


def test_what_a_package_holds(embedded: Content, embedded_package: Path) -> None:
    manifest = json.loads((embedded_package / "manifest.json").read_text())
    assert manifest["arch_hash"] == f"{embedded.arch.hash():016x}" and manifest["profile"] == "tflite"
    with np.load(embedded_package / "vectors/v0/tensors.npz") as archive:
        assert set(archive.files) == set(embedded.vectors[0].tensors)
    constants = json.loads((embedded_package / "requantisation.json").read_text())
    assert [c["operator"] for c in constants] == [op.name for op in embedded.graph.ops]
    assert len(constants[0]["requant"]["multiplier"]) == 16 == len(constants[0]["bias"])
    assert "static const int8_t p0_v0_expected_fc6[10]" in (embedded_package / "c/p0.v0.h").read_text()
    for name in ("sv/esl_golden_tb.sv", "sv/esl_golden_items.svh", "reader/reader.c", "cocotb/esl_golden_replay.py"):
        assert (embedded_package / name).is_file()
    stored = {t["name"] for t in manifest["tensors"] if t["stored"]}
    assert {"conv1", "pw3", "fc6"} <= stored and "probability" not in stored


def test_formats_leave_out_what_is_not_asked_for(head: Content, tmp_path: Path) -> None:
    with PackageWriter(tmp_path / "p") as writer:
        export(head, writer, formats=["hex"])
    assert {p.name for p in (tmp_path / "p").iterdir()} == {
        "README.md", "manifest.json", "programs", "replay.txt", "requantisation.json", "vectors",
    }  # fmt: skip
