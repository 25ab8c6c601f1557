# SPDX-License-Identifier: Apache-2.0
"""Architecture descriptions: what is refused, and that the refusal names the rule and the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref.arch import PRESETS, Arch, load
from esl_ref.errors import ArchError
from esl_ref.numerics import Profile


@pytest.mark.parametrize("name", PRESETS)
def test_presets_load_and_differ(name: str) -> None:
    machine = load(name)
    assert machine.name == name
    assert [other for other in PRESETS if load(other).hash() == machine.hash()] == [name]


def test_the_name_is_not_in_the_hash_and_all_else_is() -> None:
    machine = load("base")
    assert machine.with_depths(name="other").hash() == machine.hash()  # type: ignore[arg-type]
    assert machine.with_depths(act_bytes=machine.act_bytes * 2).hash() != machine.hash()


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("lanes", 4, "power of two from 8 to 64, not 4"),
        ("lanes", 24, "power of two from 8 to 64, not 24"),
        ("post_lanes", 5, "post_lanes must divide lanes, not 5"),
        ("post_lanes", 0, "post_lanes must divide lanes, not 0"),
        ("axi_bytes", 4, "axi_bytes must be 8 or 16, not 4"),
        ("act_bytes", 1000, "multiple of 32 up to 16 MiB, not 1000"),
        ("act_bytes", 1 << 25, "multiple of 32 up to 16 MiB, not 33554432"),
        ("weight_words", 1, "weight_words must be 2 to 65536, not 1"),
        ("line_depth", 1, "line_depth must be 2 to 16384, not 1"),
        ("window_rows", 17, "window_rows must be 2 to 9, not 17"),
        ("window_cols", 17, "window_cols must be 2 to 16, not 17"),
        ("burst_beats", 257, "burst_beats must be 1 to 256, not 257"),
        ("outstanding", 0, "outstanding must be 1 to 32, not 0"),
        ("queue_depth", 0, "queue_depth must be 1 to 64, not 0"),
        ("tables", 2, "tables must be 0 or 1, not 2"),
        ("acc_words", 129, "acc_words must be 2 to 128, not 129"),
    ],
)
def test_values_out_of_range(field: str, value: int, rule: str) -> None:
    with pytest.raises(ArchError, match=rule):
        Arch(**{field: value})  # type: ignore[arg-type]


def test_a_beat_wider_than_a_vector() -> None:
    with pytest.raises(ArchError, match="axi_bytes must not exceed lanes = 8, .* not 16"):
        load("tiny").with_depths(axi_bytes=16)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lanes = ", "not valid TOML"),
        ("lanse = 16", "unknown keys lanse"),
        ("lanes = 16.0", "lanes must be an integer, not 16.0"),
        ("lanes = true", "lanes must be an integer, not True"),
        ("lanes = 24", "bad.toml: lanes must be a power of two from 8 to 64, not 24"),
        ("name = 3", "bad.toml: name must be text, not 3"),
        ('profile = "nearest"', "'nearest' is not a valid Profile; profiles are tflite, single, mul_add_shift, pow2"),
    ],
)
def test_files_that_are_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ArchError, match=complaint) as error:
        load(str(path))
    assert str(path) in str(error.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ArchError, match=f"^{path}: not valid TOML .*0xff"):
        load(str(path))


def test_a_change_out_of_range_names_what_was_given() -> None:
    with pytest.raises(ArchError, match="^tiny,act_bytes=7: act_bytes must be a multiple of 16"):
        load("tiny,act_bytes=7")


def test_no_such_preset() -> None:
    with pytest.raises(ArchError, match="no architecture 'huge'; presets are tiny, base, wide, or give a TOML file"):
        load("huge")


def test_changes_behind_commas() -> None:
    base, changed = load("base"), load("base,weight_words=0x100, profile=single")
    assert changed.weight_words == 256 and changed.profile is Profile.SINGLE
    assert changed.hash() == base.with_depths(weight_words=256, profile=Profile.SINGLE).hash() != base.hash()  # type: ignore[arg-type]
    assert changed.name == "base,weight_words=0x100, profile=single"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("base,weight_words", "'weight_words' changes nothing; write e.g. base,weight_words=256"),
        ("base,=3", "'=3' changes nothing"),
        ("base,", "'' changes nothing"),
        ("base,lanse=16", "unknown keys lanse; there are name, lanes,"),
        ("base,lanes=many", "lanes must be an integer, not 'many'"),
        ("base,lanes=12", "lanes"),
        ("huge,lanes=8", "no architecture 'huge'"),
    ],
)
def test_changes_that_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ArchError, match=complaint):
        load(text)
