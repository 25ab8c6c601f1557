# SPDX-License-Identifier: Apache-2.0
"""MiniMalloc's files: what is read, and what is refused with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref import layout
from esl_ref.errors import BudgetError, InputError, UnsupportedError
from esl_ref.layout import Buffer

HEADER = "id,lower,upper,size\n"


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        ("", 1, "no column id, lower, upper, size"),
        ("id,lower,upper\na,0,1\n", 1, "no column size"),
        ("a,0,1,5\nb,1,2,5\n", 1, "no column id, lower, upper, size"),
        ("id,lower,upper,size,size\na,0,1,5,5\n", 1, "two columns for size"),
        ("id,lower,start,upper,size\na,0,0,1,5\n", 1, "two columns for lower"),
        (HEADER + "a,0,1\n", 2, "has 3 fields, the header 4"),
        (HEADER + "\na,0,1,2,3\n", 3, "has 5 fields, the header 4"),
        (HEADER + "a,0,1,big\n", 2, "size 'big' is not an integer"),
        (HEADER + "a,0,1,1.5\n", 2, "size '1.5' is not an integer"),
        (HEADER + "a,0,1,1_000\n", 2, "size '1_000' is not an integer"),
        (HEADER + "a,0,1,\n", 2, "size '' is not an integer"),
        (HEADER + "a,0,1,9223372036854775808\n", 2, "size 9223372036854775808 is beyond 64 bits"),
        (HEADER + "a,0,1," + 99 * "9" + "\n", 2, "is beyond 64 bits"),
        (HEADER + "a,0,1,-5\n", 2, "buffer 'a': size -5 is negative"),
        (HEADER + "a,0,1,5\r\nb,4,2,5\r\n", 3, r"buffer 'b': lifetime \[4, 2\) is empty"),
        (HEADER + "a,0,0,1\n", 2, r"lifetime \[0, 0\) is empty"),
        (HEADER + "a,0,1,5\nb,0,1,5\na,1,2,5\n", 4, "the id 'a' is that of line 2, too"),
        (HEADER + ",0,1,5\n", 2, "the id is empty"),
        ("id,lower,upper,size,alignment\na,0,1,5,0\n", 2, "alignment 0 is not positive"),
    ],
)
def test_malformed_files_are_refused_with_their_place(tmp_path: Path, text: str, line: int, match: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=match) as error:
        layout.read_csv(path)
    assert error.value.where == f"{path}:{line}"


def test_a_field_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(HEADER + 200_000 * "a" + ",0,1,5\n")
    with pytest.raises(InputError, match=r"long.csv:2: is no CSV \(field larger than field limit"):
        layout.read_csv(tmp_path / "long.csv")


def test_gaps_in_lifetimes_are_refused_and_empty_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("id,lower,upper,size,gaps\na,0,9,5,\nb,0,9,5,3-5\n")
    with pytest.raises(UnsupportedError, match=":3: a lifetime with gaps"):
        layout.read_csv(path)
    path.write_text("id,lower,upper,size,gaps\na,0,9,5,\n")
    assert layout.read_csv(path).buffers == (Buffer("a", 0, 9, 5),)


def test_a_capacity_below_the_bound_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tight.csv"
    path.write_text(HEADER + "a,0,2,5\nb,1,3,6\n")
    with pytest.raises(BudgetError, match=r"tight.csv, time 1: capacity 10 is 1 below .* bound 11.*'b' \(6\)"):
        layout.read_csv(path, 10)


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "a,0,3,5\nb,2,4,6\n",
        (HEADER + "a,0,3,5\nb,2,4,6\n").replace("\n", "\r\n"),
        "\ufeff" + HEADER + "a,0,3,5\nb,2,4,6\n",
        "ID, Lower, Upper, Size\n\na, 0, 3, 5\n\nb, 2, 4, 6",
        "size,upper,lower,buffer_id\n5,3,0,a\n6,4,2,b\n",
        "buffer,start,end,size\na,0,2,5\nb,2,3,6\n",
        "id,begin,upper,size,colour,offset\na,0,3,5,red,0\nb,2,4,6,,5\n",
    ],
)
def test_spellings_of_one_instance(tmp_path: Path, text: str) -> None:
    """Line ends, byte order marks, order and names of columns: MiniMalloc's `end` is the last moment of a life."""
    path = tmp_path / "spelt.csv"
    path.write_bytes(text.encode())
    assert layout.read_csv(path).buffers == (Buffer("a", 0, 3, 5), Buffer("b", 2, 4, 6))


def test_binary_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("binary.csv", "absent.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            layout.read_csv(tmp_path / name)


def test_csv_round_trip_keeps_string_ids(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("id, lower, upper, size, alignment\nconv/1,0,2,5,4\nfc,1,3,6,1\n")
    problem = layout.read_csv(source)
    assert problem.buffers[0] == Buffer("conv/1", 0, 2, 5, 4)
    layout.write_csv(problem, layout.solve(problem), target)
    assert target.read_text().splitlines()[0] == "id,lower,upper,size,offset"
    assert layout.read_csv(target).buffers[1] == Buffer("fc", 1, 3, 6)
