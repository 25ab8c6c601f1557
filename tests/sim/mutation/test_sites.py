# SPDX-License-Identifier: Apache-2.0
"""What can be mutated, what is left out because nothing reads it, and how mutants are drawn."""

from __future__ import annotations

from sim.mutation.rtlil import Cell, Module
from sim.mutation.sites import draw, sites, unit_name, unit_of
from sim.mutation.usage import Usage
from tests.sim.mutation.unit import UNIT, modules


def test_every_operator_is_found() -> None:
    found = {operator for site in sites(modules()) for operator in site.operators}
    assert found == {
        "operator", "off by one", "constant off by one", "branches swapped", "write dropped", "assignment dropped",
        "condition bit inverted", "reset value, bit inverted", "bit inverted", "bit stuck at 0", "bit stuck at 1",
    }  # fmt: skip


def test_drawing_is_seeded_and_takes_each_place_once_before_one_twice() -> None:
    found = [site for site in sites(modules()) if site.module == UNIT]
    places = {site.place for site in found}
    mutants = draw(found, len(places), 3)
    assert [m.number for m in mutants] == list(range(1, len(places) + 1))
    assert {m.site.place for m in mutants} == places
    assert draw(found, len(places), 3) == mutants != draw(found, len(places), 4)


def test_all_mutants_differ_and_there_is_an_end() -> None:
    found = [site for site in sites(modules()) if site.module == UNIT]
    everything = draw(found, 100_000, 1)
    assert 100 < len(everything) == len({(m.site, m.operator, m.bit) for m in everything}) < 400


def test_bits_that_nothing_reads_are_left_out() -> None:
    """The sum of two 4-bit numbers has 5 bits, of which the unit's output takes 4."""
    (add,) = (s for s in sites(modules()) if s.module == UNIT and s.what == "$add")
    assert (add.width, add.bits) == (5, (0, 1, 2, 3))


def test_usage_follows_slices_and_wholes() -> None:
    reader = Cell("", "$not", "$1", {}, {"\\A": "{ \\x [6:5] \\x [1] }", "\\Y": "\\y"})
    usage = Usage(Module("\\m", [], ["wire width 4 output 3 \\z", reader, "connect \\z \\w"]))
    assert usage.of("\\x", 8) == (1, 5, 6)
    assert usage.of("\\x [7:4]", 4) == (1, 2)
    assert usage.of("\\y", 2) == ()
    assert usage.of("\\z", 4) == usage.of("\\w", 4) == (0, 1, 2, 3)


def test_copies_share_a_name() -> None:
    walks = [unit_of(f"\\esl_accel.engine.issuer.walk_{n}") for n in (0, 2)]
    assert walks == ["engine.issuer.walk"] * 2
    assert unit_of("\\esl_accel") == "esl_accel"
    assert unit_name("rtl/walk.py:93", "\\esl_accel.engine.issuer.walk_0") == "rtl/walk.py"
    assert unit_name("lib/amaranth/lib/memory.py:241", "\\esl_accel.engine.act_sram") == "engine.act_sram"


def test_phrases() -> None:
    mutants = draw([s for s in sites(modules()) if s.module == UNIT], 100_000, 1)
    said = {m.says() for m in mutants}
    assert {"lt became le", "constant off by one of eq", "assignment dropped", "bit 2 stuck at 1 of dff"} <= said
    assert "reset value, bit 1 inverted" in said and "condition bit 0 inverted" in said
