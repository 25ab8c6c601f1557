# SPDX-License-Identifier: Apache-2.0
"""The speed that the co-simulation promises, and the verb that reports it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from esl_ref.arch import load as load_arch
from esl_ref.errors import CheckFailed
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from sim import bench_cli
from sim.speed import SimulationSpeed, measure_simulation_speed


@pytest.mark.slow  # a ratio of two speeds: only an idle machine tells
@pytest.mark.cosim
@pytest.mark.xdist_group("base")
def test_cocotb_and_replays_against_the_bare_loop():
    """Whole network on `base`, the three ways in turn; fixed memories share the build of the other cases."""
    speed = measure_simulation_speed(load(embedded_path()), load_arch("base"), repeats=25, fixed=True)
    print(f"{speed.cocotb:.0f} cycles/s through cocotb, {speed.fraction:.2f} of the bare loop")
    print(f"{speed.replay:.0f} cycles/s as a replay, {speed.replay_fraction:.2f} of the bare loop")
    assert speed.fraction >= bench_cli.SIMULATION_AT_LEAST
    assert speed.replay_fraction >= bench_cli.REPLAY_AT_LEAST


@pytest.mark.parametrize(
    "golden, cocotb, replay, message",
    [
        (0.5, 80.0, 90.0, ""), (0.2, 80.0, 90.0, "golden runs at 0.20"), (0.5, 40.0, 90.0, "simulation runs at 0.40"),
        (0.5, 80.0, 70.0, "replay runs at 0.70"),
    ],
)  # fmt: skip
def test_verb_reports_and_judges(monkeypatch, tmp_path, golden, cocotb, replay, message):
    speed = SimulationSpeed("net", "base", 1000, cocotb, 100.0, replay, 2.0)
    rate = {"macs_per_second": 5e9, "gemm_macs_per_second": 5e9 / golden, "fraction": golden}
    monkeypatch.setattr(bench_cli, "_golden", lambda repeats: rate)
    monkeypatch.setattr(bench_cli, "_networks", lambda *args: [])
    monkeypatch.setattr("sim.speed.measure_simulation_speed", lambda *args, **kwargs: speed)
    report = tmp_path / "bench.json"
    result = CliRunner().invoke(bench_cli.command, ["--json", str(report)])
    found = json.loads(report.read_text())
    assert found["simulation"]["fraction"] == pytest.approx(cocotb / 100) and found["golden"] == rate
    for words in ("of float32 GEMM", "of a bare C++ loop", "as a package without Python"):
        assert words in result.output
    if message:
        assert isinstance(result.exception, CheckFailed) and message in str(result.exception)
    else:
        assert result.exit_code == 0
