# SPDX-License-Identifier: Apache-2.0
"""`esl-ref run` on Darknet's files, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from esl_ref.cli import main
from tests.esl_ref.frontends.darknet.nets import made, net

DETECTOR = net(
    32, 32, 3, "convolutional filters=8 size=3 stride=4 pad=1 activation=leaky;"
    "convolutional filters=18 activation=linear; region classes=4 num=2 softmax=1 anchors=1,2,3.5,2.5")  # fmt: skip


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as stop:
        main(["run", *args])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def detector(tmp_path: Path) -> list[str]:
    """Arguments for a small network with a detection head, and a picture of noise."""
    _, cfg, weights, _ = made(tmp_path, DETECTOR, seed=5)
    picture = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)).save(picture)
    return [str(cfg), "--weights", str(weights), "--input", str(picture), "--threshold", "0.08"]


def test_objects_are_printed_and_drawn(detector: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "few.names").write_text("cat\ndog\n")
    names = ["--names", str(tmp_path / "few.names")]
    report, drawn = tmp_path / "r.json", tmp_path / "found.png"
    code, text, _ = call(capsys, *detector, *names, "--json", str(report), "--picture", str(drawn))
    objects = json.loads(report.read_text())["objects"]
    assert code == 0 and f"{len(objects)} objects" in text and objects
    for each in objects:
        assert each["name"] == {0: "cat", 1: "dog"}.get(each["number"], f"class {each['number']}")
        assert each["name"] in text and 0.08 < each["probability"] <= 1
    before, after = (np.asarray(Image.open(path)) for path in (detector[4], drawn))
    left, top, right, bottom = objects[0]["corners"]
    assert before.shape == after.shape
    assert (before[bottom, left:right] != after[bottom, left:right]).any(axis=1).all()


def test_fewer_objects_with_a_higher_threshold(detector: list[str], capsys: pytest.CaptureFixture) -> None:
    code, text, _ = call(capsys, *detector[:-1], "1")
    assert code == 0 and "0 objects" in text


def test_arrays_go_in_and_come_out(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    _, cfg, weights, _ = made(tmp_path, net(4, 4, 3, "convolutional filters=2; softmax"))
    np.save(tmp_path / "x.npy", np.zeros((1, 4, 4, 3)))
    out = tmp_path / "out.npz"
    code, text, _ = call(capsys, str(cfg), "--weights", str(weights), "--input", str(tmp_path / "x.npy"),
                         "--output", str(out), "--all-tensors")  # fmt: skip
    values = np.load(out)
    assert code == 0 and "operators on the float executor" in text
    assert set(values.files) > {"input", "convolutional0"}
    np.testing.assert_allclose(values["softmax1"].sum(), 1, rtol=1e-6)


def test_what_is_asked_for_in_vain(detector: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    cfg, weights = detector[0], detector[2]
    for arguments, message in (
        ([cfg], "give the .weights file with --weights"),
        ([cfg, "--weights", str(tmp_path / "none.weights")], "cannot be read"),
        ([cfg, "--weights", weights, "--input", str(tmp_path / "broken.jpg")], "is not a picture that can be read"),
        ([cfg, "--weights", weights, "--input", str(tmp_path / "none.jpg")], "no such file"),
        ([cfg, "--weights", weights, "--picture", "x.png"], "there is no picture with objects to draw"),
        ([*detector, "--picture", str(tmp_path / "x.unknown")], "cannot be written as a picture"),
        ([*detector, "--names", str(tmp_path / "none.names")], "cannot be read"),
        (["net.tflite", "--weights", weights], ""),
    ):
        code, _, said = call(capsys, *arguments)
        assert code == 2 and message in said, said
    assert not list(tmp_path.glob(".x*"))


def test_a_tree_of_classes_gives_the_tensor_but_names_no_objects(
    detector: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    cfg, out = Path(detector[0]), tmp_path / "out.npz"
    cfg.write_text(cfg.read_text().replace("softmax=1", "softmax=1\ntree=9k.tree"))
    code, text, said = call(capsys, *detector, "--output", str(out))
    assert code == 0 and "objects" not in text
    assert "classes in a tree are not supported" in said and np.load(out).files == ["convolutional1"]


def test_a_softmax_over_a_tree_has_a_shape_but_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    _, cfg, weights, _ = made(tmp_path, net(4, 4, 3, "convolutional filters=2; softmax"))
    cfg.write_text(cfg.read_text() + "tree=9k.tree\n")
    code, _, said = call(capsys, str(cfg), "--weights", str(weights))
    assert code == 2 and "'9k.tree'" in said and "take the section out" in said
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(cfg)])
    shown = capsys.readouterr().out
    assert not stop.value.code and "counts here as one over all classes" in shown
