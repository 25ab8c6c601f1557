# SPDX-License-Identifier: Apache-2.0
"""Plans in files: read back as they were, and refused wherever they do not belong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esl_ref import arch
from esl_ref.compiler.model import Choice, prepare
from esl_ref.compiler.schedule import Group
from esl_ref.errors import EslError, InputError
from esl_ref.frontends import load
from esl_ref.ir import Graph
from esl_ref.models import embedded_path
from esl_ref.pipeline import compile_model, plan_model
from esl_ref.planner import saved


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load(embedded_path())


@pytest.fixture()
def plan(graph: Graph) -> list[dict[str, Any]]:
    lows = list(prepare(graph, arch.load("base"))[3].values())
    count = len(lows[0].tasks)
    groups = (Group(0, 3, 2, 1), *(Group(i, i + 1) for i in range(3, count)))
    return saved.as_record(lows, [Choice(groups, 4, frozenset(), 40)])


def _read(graph: Graph, folder: Path, content: Any, suffix: str = "") -> tuple[Choice, ...]:
    path = folder / "plan.json"
    path.write_text(json.dumps(content))
    return saved.read(f"{path}{suffix}", graph, arch.load("base"))


def test_round_trip(graph: Graph, plan: list[dict[str, Any]], tmp_path: Path) -> None:
    (choice,) = _read(graph, tmp_path, {"plan": plan})
    assert choice.groups[0] == Group(0, 3, 2, 1)
    assert (choice.fineness, choice.weight_words) == (4, 40)
    assert _read(graph, tmp_path, {"points": [{"plan": []}, {"plan": plan}]}, ":2") == (choice,)


def test_a_rewriting_goes_along(tmp_path: Path) -> None:
    graph, base = load(embedded_path()), arch.load("base")
    planned = plan_model(graph, base, "restructure")
    steps = planned.compiled.programs
    assert steps[0].choice.rewriting
    record = saved.as_record([s.lowered for s in steps], [s.choice for s in steps])
    choices = _read(graph, tmp_path, {"plan": record})
    assert choices == tuple(s.choice for s in steps)
    again = compile_model(graph, base, choices=choices)
    assert again.programs[0].program == steps[0].program
    record[0]["rewriting"][0]["ops"] = ["none"]
    with pytest.raises(InputError, match="another network: has no operator 'none'"):
        _read(graph, tmp_path, {"plan": record})
    del record[0]["rewriting"][0]["high"]
    with pytest.raises(InputError, match="damaged rewriting"):
        _read(graph, tmp_path, {"plan": record})


@pytest.mark.parametrize("point", ["", ":0", ":2"])
def test_points_are_counted_from_one(graph: Graph, plan: list[dict[str, Any]], tmp_path: Path, point: str) -> None:
    with pytest.raises(InputError, match="holds 1 points"):
        _read(graph, tmp_path, {"points": [{"plan": plan}]}, point)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": ["other"]}, "another network"),
        ({"groups": [[0, 3, 1, 0]]}, "do not cover"),
        ({"groups": [[0, 3, 1]]}, "damaged|do not cover"),
        ({"groups": "all"}, "damaged"),
        ({"parts": 0}, "below 1"),
        ({"weight_words": 0}, "below 1"),
        ({"weight_words": "many"}, "damaged: 'weight_words' is \"many\", not a whole number or null"),
        ({"tasks": 3}, "another network; its tasks are no list"),
        ({"rewriting": 7}, "damaged rewriting: no list of steps"),
        ({"room": 0}, r"damaged: 'room' is 0, not a list of \[name, rows\]"),
        ({"room": [["image", -100]]}, "damaged: 'room'"),
        ({"parked": "conv1"}, "damaged: 'parked' is \"conv1\", not a list of names"),
        ({"parts": True}, "damaged: 'parts' is true"),
    ],
)
def test_foreign_and_damaged_plans(
    graph: Graph, plan: list[dict[str, Any]], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _read(graph, tmp_path, {"plan": [plan[0] | change]})


@pytest.mark.parametrize("content", [[], {}, {"plan": 3}, {"plan": ["x"]}])
def test_files_without_a_plan(graph: Graph, tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match="no plan that runs"):
        _read(graph, tmp_path, content)


def test_files_that_cannot_be_read(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        saved.read(str(tmp_path / "none.json"), graph, arch.load("base"))
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        saved.read(str(tmp_path / "text.json"), graph, arch.load("base"))


def test_number_of_segments(graph: Graph, plan: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 segments, the model has 1"):
        _read(graph, tmp_path, {"plan": plan * 2})


OTHERS = (None, True, 0, -1, 3, 1 << 40, 1.5, "x", "", [], {}, [0], ["x"], [[]], [["x", 0]], [[0, 1]], {"step": "tile"})
GONE = "gone"
REWRITINGS = (
    [{"step": "plain", "ops": ["pw3"]}],
    [{"step": "tile", "ops": ["conv1", "pool1"], "high": 2, "wide": 1}],
    [{"step": "split", "ops": ["pw3", "dw4"], "parts": 2, "sums": False}],
    [{"step": "upright", "ops": ["fc6"]}],
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value inside another, as the keys that lead there."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*at, key)
        yield from _places(value[key], (*at, key))


def _damaged(record: Any, place: tuple[Any, ...], value: Any) -> Any:
    record = inside = copy.deepcopy(record)
    for key in place[:-1]:
        inside = inside[key]
    if value is GONE:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return record


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_damaged_value_anywhere(
    graph: Graph, plan: list[dict[str, Any]], tmp_path: Path, data: st.DataObject
) -> None:
    """Is a typed error, or another plan that compiles."""
    record = {"plan": [plan[0] | {"room": [["pool1", 1]], "parked": ["add2"]}]}
    record["plan"][0]["rewriting"] = data.draw(st.sampled_from(REWRITINGS))
    places = [place for place in _places(record) if len(place) < 4 or place[2] != "tasks"]
    damaged = _damaged(record, data.draw(st.sampled_from(places)), data.draw(st.sampled_from((*OTHERS, GONE))))
    try:
        compile_model(graph, arch.load("base"), choices=_read(graph, tmp_path, damaged))
    except EslError:
        pass


def test_the_sram_asked_for_goes_along(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"plan": [], "sram": 33333}))
    assert saved.budget(str(path), None) == 33333
    assert saved.budget(str(path), 20000) == 20000, "what is asked for now counts"
    assert saved.budget(None, None) is None
    path.write_text(json.dumps({"points": [{"plan": []}]}))
    assert saved.budget(f"{path}:1", None) is None
    path.write_text(json.dumps({"plan": [], "sram": "much"}))
    with pytest.raises(InputError, match="is damaged: 'sram' is \"much\", no bytes"):
        saved.budget(str(path), None)


def test_a_point_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "front.json"
    path.write_text(json.dumps({"points": [{"plan": []}]}))
    with pytest.raises(InputError, match="holds 1 points, and no point 7"):
        saved.budget(f"{path}:7", None)
