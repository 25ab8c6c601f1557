# SPDX-License-Identifier: Apache-2.0
"""The picture of a front: well-formed, a circle per point inside the field, larger where more is moved."""

from __future__ import annotations

from xml.etree import ElementTree

from esl_ref.planner.points import Point
from esl_ref.report.front import front_svg

_NAME = "{http://www.w3.org/2000/svg}"


def test_points_lie_where_their_costs_are() -> None:
    points = [Point(100, 40_000, 9_000, 80_000), Point(900, 50_000, 7_000, 20_000), Point(900, 60_000, 7_000, 5_000)]
    root = ElementTree.fromstring(front_svg("net <a&b>", points))
    circles = root.findall(f"{_NAME}circle")
    x, y, r = ([float(c.get(name, "")) for c in circles] for name in ("cx", "cy", "r"))
    assert x == sorted(x) and len(set(x)) == 3
    assert y[0] < y[1] == y[2]  # more cycles lie higher
    assert r == sorted(r, reverse=True)
    assert "7,000 cycles" in (circles[1][0].text or "")


def test_a_single_point_has_a_field() -> None:
    root = ElementTree.fromstring(front_svg("one", [Point(1, 2, 3, 4)]))
    assert len(root.findall(f"{_NAME}circle")) == 1
