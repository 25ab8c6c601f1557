# SPDX-License-Identifier: Apache-2.0
"""What verbs share: JSON reports and sizes."""

from __future__ import annotations

import dataclasses
import enum
import io
import json
from pathlib import Path

import click
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from esl_ref.cli.common import BYTES, SECONDS, SEED, show_table, to_plain, write_json
from esl_ref.errors import InputError


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    tags: tuple[str, ...]


def test_values_become_plain():
    value = {Colour.RED: Point(np.int64(3), ("a",)), 5: np.arange(2, dtype=np.int8), "p": Path("x/y"), "c": Colour.RED}
    assert to_plain(value) == {"RED": {"x": 3, "tags": ["a"]}, "5": [0, 1], "p": "x/y", "c": "RED"}


def test_json_is_written_whole_and_readable(tmp_path):
    target = tmp_path / "report.json"
    write_json(target, {"cycles": np.int32(7)})
    assert json.loads(target.read_text()) == {"cycles": 7}
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_json_to_standard_output(capsys):
    write_json(Path("-"), [1, 2])
    assert json.loads(capsys.readouterr().out) == [1, 2]


def test_no_json_file_writes_nothing(capsys):
    write_json(None, [1])
    assert capsys.readouterr().out == ""


def test_json_to_an_absent_folder_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot write the JSON report: No such file"):
        write_json(tmp_path / "absent" / "report.json", {})


@pytest.mark.parametrize(
    "text, size", [("65536", 65536), ("64K", 65536), ("64KiB", 65536), ("1m", 1 << 20), ("2 GB", 2 << 30)]
)
def test_sizes(text, size):
    assert BYTES.convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "64X", "-1", "1.5K", "K"])
def test_other_sizes_are_refused(text):
    with pytest.raises(click.BadParameter, match="is not a size"):
        BYTES.convert(text, None, None)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_a_table_is_never_cut(width):
    """The memory bench in a terminal of 80 columns printed eight rows of the name `yolov…`."""
    names = ["yolov2-tiny-voc", "yolov2-tiny", "a network of several words"]
    table = Table("cfg", *(f"measured heading {k}" for k in range(8)))
    for name in names:
        table.add_row(name, *["1234.567"] * 8)
    console = Console(file=io.StringIO(), width=width)
    show_table(console, table)
    text = console.file.getvalue()
    assert "…" not in text
    assert all(word in text for word in " ".join(names).split())
    assert text.count("1234.567") == 8 * len(names)
    longest = max(map(len, text.splitlines()))
    assert longest <= 200 and (longest > 80 or width == 200)


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-1", "soon"])
def test_times_that_never_end_are_refused(text):
    """A search of nan seconds went on for ever: no moment is after its end."""
    with pytest.raises(click.BadParameter):
        SECONDS.convert(text, None, None)


@pytest.mark.parametrize("text", ["-1", "2147483648", "99999999999999999999"])
def test_seeds_that_cp_sat_cannot_take_are_refused(text):
    with pytest.raises(click.BadParameter, match="is not in the range"):
        SEED.convert(text, None, None)
