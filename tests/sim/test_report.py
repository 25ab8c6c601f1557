# SPDX-License-Identifier: Apache-2.0
"""Tables and records of an outcome, from the ESL machine alone."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from esl_ref import arch, executor
from esl_ref.cli.common import to_plain
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim.cosim import Options, Outcome, cosimulate
from sim.locate import Divergence
from sim.report import as_record, console_report, percent_off


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    graph = load(embedded_path())
    options = Options(arch.load("base"), tmp_path_factory.mktemp("out"), rtl=False)
    return cosimulate(graph, executor.random_inputs(graph, 1), options)


def shown(outcome: Outcome) -> str:
    text = io.StringIO()
    console_report(Console(file=text, width=60, highlight=False), outcome, "the title", {"report": Path("x.json")})
    return text.getvalue()


def test_record_has_what_others_rely_on(outcome: Outcome) -> None:
    record = json.loads(json.dumps(to_plain(as_record(outcome, {"model": "embedded"}))))
    for key in ("bit_exact", "cycles", "predicted_cycles", "counters", "macs", "utilisation", "sram_bytes", "layers",
                "sim_cycles_per_second", "build_seconds"):  # fmt: skip
        assert key in record
    assert record["bit_exact"] is True
    assert len(record["sram_bytes"]) == 4
    for layer in record["layers"]:
        for key in ("bit_exact", "cycles", "predicted_cycles", "counters", "macs", "utilisation"):
            assert key in layer
    assert record["counters"]["CYCLES"] == record["cycles"]
    spent = sum(layer["cycles"] for layer in record["layers"]) + record["after_last_layer"][0]["cycles"]
    assert spent >= record["cycles"]  # layers come from the run with records


def test_tables_fold_nothing_and_end_with_the_verdict(outcome: Outcome) -> None:
    lines = shown(outcome).splitlines()
    assert lines[0] == "the title"
    for layer in outcome.layers:
        (line,) = [x for x in lines if x.startswith(layer.name + " ")]
        assert layer.kind in line
    assert lines[-1].startswith("bit exact: golden = ESL machine")
    assert any("liveness bound" in x for x in lines)
    assert any("every cycle's cause" in x for x in lines)


def test_mismatches_are_told_last(outcome: Outcome) -> None:
    bad = dataclasses.replace(outcome, bit_exact=False, divergence=Divergence("RTL", "timed", "the engine stopped"))
    lines = shown(bad).splitlines()
    assert lines[-2:] == ["MISMATCH", "  RTL, run 'timed': the engine stopped"]
    assert as_record(bad, {})["divergence"]["text"] == ["RTL, run 'timed': the engine stopped"]


def test_percentages() -> None:
    assert percent_off(103, 100) == pytest.approx(3)
    assert percent_off(5, 0) == 0
