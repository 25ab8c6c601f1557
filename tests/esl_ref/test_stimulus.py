# SPDX-License-Identifier: Apache-2.0
"""Inputs from files in every form, and results to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from esl_ref.errors import InputError
from esl_ref.ir import Graph, Quant, Quantize, Tensor
from esl_ref.stimulus import as_in_file, fit, read_inputs, write_npz

INT8 = np.dtype(np.int8)


def tensor(shape: tuple[int, ...] = (1, 2, 3, 1), offset: int = 0, name: str = "x") -> Tensor:
    return Tensor(name, shape, INT8, Quant((0.5,), (-10,)), file_offset=offset)


def graph(*tensors: Tensor) -> Graph:
    """A graph that hands its inputs through."""
    return Graph("g", {t.name: t for t in tensors}, (), tuple(t.name for t in tensors), tuple(t.name for t in tensors))


@pytest.mark.parametrize(
    "value, offset, expected, said",
    [
        (np.full((1, 2, 3, 1), 5, np.int8), 0, 5, "as it is"),
        (np.full((2, 3, 1), 5, np.int8), 0, 5, "as it is"),
        (np.full(6, 5, np.int8), 0, 5, "as it is"),
        (np.full((1, 2, 3, 1), -128, np.int64), 0, -128, "converted from int64"),
        (np.full((1, 2, 3, 1), 100, np.uint8), 0, 100, "converted from uint8"),
        (np.full((1, 2, 3, 1), 200, np.uint8), 128, 72, "re-biased by -128"),
        (np.full((1, 2, 3, 1), 20.25), 0, 31, "real numbers"),
        (np.full((1, 2, 3, 1), 1e9, np.float32), 0, 127, "real numbers"),
        (np.full((1, 2, 3, 1), -1e9, np.float32), 0, -128, "real numbers"),
    ],
)
def test_arrays_that_fit(value: np.ndarray, offset: int, expected: int, said: str) -> None:
    result, how = fit(value, tensor(offset=offset), "x.npy")
    assert result.dtype == np.int8 and result.shape == (1, 2, 3, 1)
    assert (result == expected).all() and said in how


@pytest.mark.parametrize(
    "value, complaint",
    [
        (np.zeros((1, 3, 2, 1), np.int8), r"has shape \[1, 3, 2, 1\]; \[1, 2, 3, 1\] is needed"),
        (np.zeros((5, 2, 3, 1), np.int8), "has shape"),
        (np.full((1, 2, 3, 1), 128, np.int64), r"values 128..128 do not fit int8"),
        (np.full((1, 2, 3, 1), 200, np.uint8), "do not fit int8"),
        (np.full((1, 2, 3, 1), np.nan), "NaN"),
        (np.full((1, 2, 3, 1), True), "has type bool"),
        (np.full((1, 2, 3, 1), 1j), "has type complex128"),
    ],
)
def test_arrays_that_do_not(value: np.ndarray, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        fit(value, tensor(), "x.npy")


def test_npy_and_npz(tmp_path: Path) -> None:
    one, two = graph(tensor()), graph(tensor(), tensor(name="z"))
    a, b = np.full((1, 2, 3, 1), 3, np.int8), np.full((1, 2, 3, 1), 4, np.int8)
    np.save(tmp_path / "a.npy", a)
    np.savez(tmp_path / "named.npz", z=b, x=a, other=b)
    np.savez(tmp_path / "ordered.npz", a, b)
    assert (read_inputs(one, tmp_path / "a.npy")[0]["x"] == 3).all()
    for file in ("named.npz", "ordered.npz"):
        values, said = read_inputs(two, tmp_path / file)
        assert (values["x"] == 3).all() and (values["z"] == 4).all() and len(said) == 2
    with pytest.raises(InputError, match=r"the inputs are \['x', 'z'\]"):
        read_inputs(two, tmp_path / "a.npy")


def test_a_picture_is_stretched_and_biased(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(np.full((10, 30, 3), (0, 128, 255), np.uint8)).save(path)
    values, said = read_inputs(graph(tensor((1, 4, 5, 3))), path)
    assert values["x"].shape == (1, 4, 5, 3)
    assert values["x"][0, 2, 2].tolist() == [-128, 0, 127]
    assert "stretched to 5 x 4 (bilinear), quantised input = pixel - 128" in said[0]
    grey, _ = read_inputs(graph(tensor((1, 4, 5, 1))), path)
    assert grey["x"].shape == (1, 4, 5, 1)


def test_a_picture_for_a_float_input_quantises_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * 17).save(path)
    real = Tensor("x", (1, 4, 4, 1), np.dtype(np.float32))
    g = Graph("g", {"x": real, "q": tensor((1, 4, 4, 1), name="q")}, (Quantize("q", ("x",), ("q",), 0.5, -10),),
              ("x",), ("q",))  # fmt: skip
    from esl_ref.executor import run

    values, said = read_inputs(g, path)
    assert values["x"].dtype == np.float32 and "quantises to pixel - 128" in said[0]
    assert (run(g, values)["q"].reshape(-1).astype(int) + 128).tolist() == [17 * i for i in range(16)]


def _text(path: Path) -> Any:
    return path.write_text("not a picture")


@pytest.mark.parametrize("name, make, complaint", [
    ("a.npy", _text, "cannot be read as numpy data"),
    ("a.npz", _text, "cannot be read as numpy data"),
    ("a.npy", lambda p: np.save(p, np.array([object()]), allow_pickle=True), "cannot be read as numpy data"),
    ("a.png", _text, "is not a picture"),
    ("a.png", lambda p: None, "no such file"),
])  # fmt: skip
def test_files_that_are_not_inputs(name: str, make: Any, complaint: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(InputError, match=complaint):
        read_inputs(graph(tensor()), tmp_path / name)


def test_pictures_need_a_map_and_one_input(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("L", (4, 4)).save(path)
    with pytest.raises(InputError, match="does not fit an input of shape"):
        read_inputs(graph(tensor((1, 16))), path)
    with pytest.raises(InputError, match="models with one input"):
        read_inputs(graph(tensor(), tensor(name="z")), path)


def test_results_return_to_the_files_numbers_and_are_written_reproducibly(tmp_path: Path) -> None:
    g = graph(tensor(offset=128), tensor(name="file"))
    values = {n: np.array([-128, 0, 127], np.int8) for n in ("x", "file")}
    shown = as_in_file(g, values)
    assert shown["x"].dtype == np.uint8 and shown["x"].tolist() == [0, 128, 255]
    assert shown["file"].dtype == np.int8
    write_npz(tmp_path / "a.npz", shown)  # a tensor named "file" would break numpy's own savez
    write_npz(tmp_path / "b.npz", shown)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = np.load(tmp_path / "a.npz")
    assert set(loaded.files) == {"x", "file"} and loaded["x"].tolist() == [0, 128, 255]
    with pytest.raises(InputError, match="cannot write the results"):
        write_npz(tmp_path / "absent" / "a.npz", shown)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_the_files_own_axis_order_and_back(kind: Any) -> None:
    """A file of NCHW uint8: any array of such numbers arrives as NHWC int8, and results leave as they came."""
    quant = Quant((1.0,), (-128,))
    nhwc = Tensor("x", (1, 4, 5, 3), np.dtype(np.int8), quant, file_offset=128, file_axes=(0, 2, 3, 1))
    nchw = np.random.default_rng(1).integers(0, 256, (1, 3, 4, 5)).astype(kind)
    value, _ = fit(nchw, nhwc, "x")
    assert value.shape == (1, 4, 5, 3) and value.dtype == np.int8
    assert np.array_equal(value.astype(int) + 128, nchw.transpose(0, 2, 3, 1))
    back = as_in_file(graph(nhwc), {"x": value})["x"]
    assert back.dtype == np.uint8 and np.array_equal(back, nchw)
    with pytest.raises(InputError, match=r"\[1, 3, 4, 5\] is needed"):
        fit(nchw.transpose(0, 2, 3, 1), nhwc, "x")
