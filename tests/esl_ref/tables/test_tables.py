# SPDX-License-Identifier: Apache-2.0
"""The quick tables from end to end through the command line; the figures themselves are tested with their methods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from esl_ref import arch, executor
from esl_ref.cli import main
from esl_ref.compiler import Choice
from esl_ref.compiler.schedule import Group
from esl_ref.frontends import load
from esl_ref.machine import execute
from esl_ref.macs import total_macs
from esl_ref.models import embedded_path
from esl_ref.pipeline import Planned, compile_model, plan_model
from esl_ref.tables import TABLES, executed, joint, limits, programs, utilisation
from esl_ref.tables.figures import figures
from esl_ref.tables.table import Settings, Table, percent
from esl_ref.workloads import workload
from esl_ref.workloads.seeded import seeded


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "planner", *args])
    return int(leaving.value.code or 0)


def test_arenas_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "r.json"
    assert run("--table", "arenas", "--time", "10", "--json", str(target)) == 0
    table = json.loads(target.read_text())["arenas"]
    assert [row["network"] for row in table["rows"]] == ["kws", "resnet8", "vww", "mobilenet_v2_035_144"]
    assert all(row["rows"] < row["TinyTS"] and row["faults"] == 0 for row in table["rows"])
    assert "Smallest arenas" in capsys.readouterr().out


def test_what_is_done_survives_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(settings: Settings, say: object) -> Table:
        settings.rows().append((2, "b"))
        raise KeyboardInterrupt

    monkeypatch.setitem(TABLES, "quick", lambda settings, say: Table("quick", "Q", ("a",), ((1,),)))
    monkeypatch.setitem(TABLES, "long", interrupted)
    target = tmp_path / "r.json"
    run("--table", "quick", "--table", "long", "--json", str(target))
    report = json.loads(target.read_text())
    assert report["quick"]["rows"] == [{"a": 1}] and report["long"] == {"unfinished": [[2, "b"]]}


def test_tables_in_two_processes(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    assert run("--table", "arenas", "--table", "mafat", "--time", "5", "--jobs", "2", "--json", str(target)) == 0
    tables = json.loads(target.read_text())
    assert set(tables) == {"arenas", "mafat"} and all(table["rows"] for table in tables.values())


def test_mafat_table() -> None:
    table = TABLES["mafat"](Settings(Path("."), 10.0), lambda what: None)
    by_config = {row["configuration"]: row for row in table.records()}
    assert by_config["5x5/8/2x2"]["MACs x"] == 1.137
    assert all(row["predicted MiB"] == row["executed MiB"] for row in table.records())
    assert table.summary["rows, MiB"] <= 6.5


@pytest.mark.slow
def test_allocation_table(data_dir: Path) -> None:
    table = TABLES["allocation"](Settings(data_dir), lambda what: None)
    assert len(table.rows) == 9
    assert all(row["legal"] and row["gap %"] <= 1 for row in table.records())


def test_unknown_table_and_absent_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--table", "none") == 2
    assert "there are: allocation, arenas" in capsys.readouterr().err
    assert run("--table", "mdfi", "--data", str(tmp_path)) == 2
    assert "ESL_REF_DATA" in capsys.readouterr().err


def test_records_name_every_value() -> None:
    table = Table("t", "T", ("a", "b"), ((1, 2),))
    assert table.records() == [{"a": 1, "b": 2}]
    assert percent(1, 4) == 75.0


def test_predicted_bytes_are_those_of_the_program_that_runs() -> None:
    """YOLOv2's layers on small maps: arena, highest byte ever written, and every byte of the result."""
    graph = limits.first_layers(64, "conv7")
    predicted, planned = limits.configuration(graph, "4x4/4/3x2")
    assert predicted == planned.height
    inputs = executor.random_inputs(graph, 1)
    result = execute(planned.compiled.programs[0].program, inputs)
    assert result.sram_peak == predicted
    golden = executor.run(graph, inputs)
    assert all(np.array_equal(result.outputs[name], golden[name]) for name in graph.outputs)


@pytest.mark.slow
def test_mafat_at_full_size_runs_as_predicted() -> None:
    graph = limits.first_layers()
    predicted, planned = limits.configuration(graph, "5x5/8/2x2")
    assert predicted == planned.height == 2_632_320  # 10.04 MiB in float32
    inputs = executor.random_inputs(graph, 1)
    result = execute(planned.compiled.programs[0].program, inputs)
    assert result.sram_peak == predicted
    golden = executor.run(graph, inputs)
    assert all(np.array_equal(result.outputs[name], golden[name]) for name in graph.outputs)


def test_programs_table_finds_no_method_better_than_the_joint_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "models", lambda settings: iter([("mw", seeded(workload("mw")))]))
    monkeypatch.setattr(programs, "METHODS", ("joint", "layerwise", "mafat", "restructure"))
    table = programs.make(Settings(Path("."), 5.0), lambda what: None)
    assert table.summary["joint worse than a single method"] == 0
    arenas = {row["method"]: row["with input"] for row in table.records()}
    assert arenas["restructure"] < arenas["mafat"] < arenas["layerwise"]


def test_what_shapes_claim_holds_as_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executed, "NETWORKS", ("mw", "resnet8"))
    table = executed.make(Settings(Path("."), 5.0), lambda what: None)
    assert table.summary["Programs above the bytes claimed"] == 0
    for row in table.records():
        assert row["tensors"] <= row["with input"] <= row["claimed"] < row["layerwise"]
        assert row["with scratch"] == row["RTL"] and row["gap %"] >= 0 and row["cycles x"] >= 1
        assert row["weights x"] >= 1 == row["MACs x"]


def test_figures_of_a_plan_that_computes_and_reads_weights_twice() -> None:
    graph = seeded(workload("resnet8"))
    base = arch.load("base")
    whole, sliced = (figures(plan_model(graph, base, method), graph) for method in ("layerwise", "restructure"))
    assert (whole.macs, whole.weights, whole.gap) == (1.0, 1.0, 0.0)
    assert sliced.macs > 1 and sliced.with_input < whole.with_input and sliced.cycles > whole.cycles


def test_weights_that_do_not_stay_are_counted_as_often_as_they_are_read() -> None:
    graph, base = load(embedded_path()), arch.load("base")
    tasks = compile_model(graph, base).programs[0].lowered.tasks
    choice = Choice((Group(0, len(tasks) - 1, 1), Group(len(tasks) - 1, len(tasks))), weight_words=48)
    streamed = Planned(compile_model(graph, base, choices=[choice]), "by hand")
    found, blob = figures(streamed, graph), len(streamed.compiled.programs[0].program.constants)
    assert found.weights > 2 and found.external > blob * (found.weights - 0.1)


def test_limits_table_on_small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    small = limits.first_layers(64, "conv3")
    monkeypatch.setattr(limits, "first_layers", lambda: small)
    monkeypatch.setattr(limits, "_LIMITS", (256, 48))
    monkeypatch.setattr(limits, "_STREAMED", (48,))
    table = limits.limits(Settings(Path("."), 1.0), lambda what: None)
    roomy, tight = table.records()
    assert roomy["unfused"] == roomy["MAFAT"] <= tight["unfused"]
    assert tight["unfused, external"] > roomy["unfused, external"]
    assert tight["joint x"] >= max(1.0, tight["MAFAT x"] or 0.0)
    assert table.summary["most joint x, slow"] >= 1


def test_joint_table_finds_nothing_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "NAMES", ("mw", "txt"))
    table = joint.make(Settings(Path("."), 3.0), lambda what: None)
    assert table.summary["joint worse than a single method"] == 0
    assert [row["mafat"] is None for row in table.records()] == [False, True]


def test_utilisation_table_is_what_the_programs_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utilisation, "NETWORKS", ("resnet8", "kws"))
    table = utilisation.make(Settings(Path("."), 1.0), lambda what: None)
    for row in table.records():
        macs = total_macs(seeded(workload(str(row["network"]))))
        assert row["million MACs"] == pytest.approx(macs / 1e6, abs=0.06)
        assert row["peak %"] == pytest.approx(100 * macs / 256 / row["cycles"], abs=0.06)
        assert row["cycles"] > max(row["weights"], row["million MACs"] * 1e6 / 256)
    assert table.records()[0]["peak %"] > 85
