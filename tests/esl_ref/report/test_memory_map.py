# SPDX-License-Identifier: Apache-2.0
"""The picture of a plan: every buffer where the plan puts it, nothing outside its field, names made harmless."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from esl_ref.cli.verb_plan import command
from esl_ref.cycle_bounds import Bound
from esl_ref.errors import InputError
from esl_ref.models import embedded_path
from esl_ref.report.memory_map import HEIGHT, LEFT, TOP, WIDTH, memory_map_svg
from esl_ref.report.plan import BufferRow, PlanReport, SegmentReport

SVG = "{http://www.w3.org/2000/svg}"


def a_plan(*buffers: BufferRow, height: int = 100, steps: int = 4, fields: int = 1) -> PlanReport:
    segment = SegmentReport("net.0", (), steps, 9, buffers, height, height, 50, {"CYCLES": 50}, 0, 0, 0, height, "b")
    bounds = Bound(1, 2, 3)
    return PlanReport("net <1>", {"name": "base"}, "0" * 16, (segment,) * fields, (), 50, bounds, {})


def blocks(picture: str) -> list[ET.Element]:
    """Rectangles that have a tooltip: the buffers."""
    return [r for r in ET.fromstring(picture).iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None]


def box(block: ET.Element) -> tuple[float, ...]:
    return tuple(float(block.attrib[k]) for k in ("x", "y", "width", "height"))


def test_a_block_lies_at_its_address_over_its_lifetime():
    lower, upper = BufferRow("a", 0, 25, 0, 2, False), BufferRow("b", 50, 50, 1, 4, True)
    first, second = map(box, blocks(memory_map_svg(a_plan(lower, upper))))
    floor = TOP + HEIGHT
    assert first == pytest.approx((LEFT, floor - HEIGHT / 4, WIDTH / 2, HEIGHT / 4))
    assert second == pytest.approx((LEFT + WIDTH / 4, TOP, 3 * WIDTH / 4, HEIGHT / 2))


def test_only_buffers_at_the_peak_have_thick_edges():
    found = blocks(memory_map_svg(a_plan(BufferRow("a", 0, 25, 0, 2, False), BufferRow("b", 50, 50, 1, 4, True))))
    assert [b.attrib["stroke-width"] for b in found] == ["1", "2"]


def test_names_from_the_model_file_are_escaped():
    picture = memory_map_svg(a_plan(BufferRow("<script>&", 0, 100, 0, 4, False)))
    assert "<script>" not in picture
    assert "<script>&: bytes 0 to 99, steps 0 to 3" in [t.text for t in ET.fromstring(picture).iter(f"{SVG}title")]


def test_labels_only_where_they_fit():
    wide, narrow = BufferRow("wide", 0, 50, 0, 4, False), BufferRow("narrow" * 30, 50, 50, 0, 1, False)
    texts = {t.text for t in ET.fromstring(memory_map_svg(a_plan(wide, narrow))).iter(f"{SVG}text")}
    assert "wide  50" in texts and not any(t.startswith("narrow") for t in texts if t)


def test_a_field_for_every_segment_and_none_for_no_buffers():
    one, two = (ET.fromstring(memory_map_svg(a_plan(fields=n))) for n in (1, 2))
    assert float(two.attrib["height"]) == 2 * float(one.attrib["height"])
    assert blocks(memory_map_svg(a_plan(height=0))) == []


def test_plan_writes_the_picture(tmp_path):
    picture = tmp_path / "sram.svg"
    done = CliRunner().invoke(command, [str(embedded_path()), "--map", str(picture)], catch_exceptions=False)
    assert done.exit_code == 0
    assert {"conv1", "fc6"} <= {b.find(f"{SVG}title").text.split(":")[0] for b in blocks(picture.read_text())}


def test_a_folder_that_does_not_exist_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="cannot write the memory map"):
        CliRunner().invoke(
            command, [str(embedded_path()), "--map", str(tmp_path / "no" / "m.svg")], catch_exceptions=False
        )
