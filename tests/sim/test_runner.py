# SPDX-License-Identifier: Apache-2.0
"""Harness and runner against a small DMA engine: timing, stalls, faults, breaches, bounds, consecutive runs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from esl_ref.errors import CheckFailed, InputError
from sim.bare import bare_run
from sim.protocol import BREACHES, describe_breach
from sim.runner import (
    DECERR,
    HARNESS,
    BusMemory,
    Fault,
    Run,
    accelerator_build,
    harness_ports,
    run_program,
    run_programs,
)
from tests.sim.toy_dma import (
    ACKNOWLEDGE,
    ADD,
    BUSY,
    CONTROL,
    CROSSING,
    DEFECT,
    DONE,
    DROPPING,
    EARLY_LAST,
    FAILED,
    IMPATIENT,
    LENGTH,
    NONE,
    SILENT,
    SOURCE,
    START,
    STATUS,
    TARGET,
    toy_verilog,
)

pytestmark = pytest.mark.cosim

BYTES_LOG2 = 20
FROM, TO, BEATS = 0x0800, 0x8FF0, 700  # both ends lie off a 4 KiB boundary
IMAGE = np.random.default_rng(11).integers(0, 256, 1 << 16, dtype=np.uint8)


@pytest.fixture(scope="module")
def toy():
    return accelerator_build(toy_verilog(), bytes_log2=BYTES_LOG2)


def copy_run(image: np.ndarray | None = IMAGE, beats: int = BEATS, defect: int = NONE, **changes) -> Run:
    writes = [(SOURCE, FROM), (TARGET, TO), (LENGTH, beats), (DEFECT, defect), (CONTROL, START)]
    memory = changes.pop("memory", BusMemory())
    return Run(writes, 100_000, image, (STATUS,), [(CONTROL, ACKNOWLEDGE)], memory=memory, **changes)


def copied(beats: int = BEATS, word: int = 8) -> np.ndarray:
    expected = IMAGE.copy()
    expected[TO : TO + word * beats] = IMAGE[FROM : FROM + word * beats]
    return expected


def test_copies_bytes_and_counts_traffic(toy):
    result = run_programs(toy, [copy_run()])[0].check()
    assert (result.memory == copied()).all()
    assert result.registers == {STATUS: DONE} and not result.irq_after
    assert result.traffic["read_beats"] == result.traffic["write_beats"] == BEATS


def test_wide_bus():
    wide = accelerator_build(toy_verilog(128), data_width=128, bytes_log2=BYTES_LOG2)
    result = run_programs(wide, [copy_run()])[0].check()
    assert (result.memory == copied(word=16)).all()


def test_latency_and_gap_cost_what_they_say(toy):
    """Each burst pays the latency once for reading and once for its response, each beat `gap` cycles to be read; the
    engine writes every second cycle only, so a gap of one is hidden there."""
    timings = [BusMemory(latency=2), BusMemory(latency=102), BusMemory(latency=2, gap=1)]
    quick, late, gappy = (r.check() for r in run_programs(toy, [copy_run(memory=t) for t in timings]))
    bursts = quick.traffic["read_bursts"]
    assert late.cycles - quick.cycles == 100 * 2 * bursts
    assert gappy.cycles - quick.cycles == BEATS - bursts  # the first beat of a burst waits for no gap


@pytest.mark.parametrize("stall", [0.1, 0.9])
def test_stalls_change_time_and_nothing_else(toy, stall):
    runs = [
        copy_run(memory=BusMemory(stall=s, seed=seed)) for s, seed in ((0, 1), (stall, 1), (stall, 2), (stall, 1))
    ]
    calm, first, other, again = (r.check() for r in run_programs(toy, runs))
    for result in (calm, first, other, again):
        assert (result.memory == copied()).all()
    assert calm.cycles < first.cycles == again.cycles != other.cycles


@pytest.mark.parametrize(
    "fault",
    [
        Fault("read", 1),
        Fault("write", 1, response=DECERR),
        Fault("range", addresses=(TO + 16, TO + 4096)),
        Fault("range", addresses=(FROM, FROM + 1)),
    ],
    ids=lambda fault: f"{fault.kind}{fault.index}-{fault.response}",
)
def test_faults_are_seen_and_the_next_run_is_clean(toy, fault):
    bad, good = run_programs(toy, [copy_run(memory=BusMemory(fault=fault)), copy_run()])
    assert bad.check().registers[STATUS] == DONE | FAILED
    assert good.check().registers[STATUS] == DONE and (good.memory == copied()).all()


def test_a_faulty_write_does_not_reach_memory(toy):
    result = run_programs(toy, [copy_run(memory=BusMemory(fault=Fault("write", 0)))])[0].check()
    assert (result.memory == IMAGE).all()


def test_addresses_beyond_the_memory_are_decode_errors(toy):
    writes = [(SOURCE, 1 << BYTES_LOG2), (TARGET, 0), (LENGTH, 4), (CONTROL, START)]
    result = run_program(toy, IMAGE, writes, 10_000, reads=(STATUS,)).check()
    assert result.registers[STATUS] == DONE | FAILED


def test_memory_carries_over_without_an_image(toy):
    second = Run([(SOURCE, TO), (TARGET, 0), (LENGTH, 4), (CONTROL, START)], 10_000)
    results = run_programs(toy, [copy_run(), second])
    expected = copied()
    expected[:32] = expected[TO : TO + 32]
    assert (results[1].check().memory == expected).all()


def test_loading_clears_what_the_image_does_not_reach(toy):
    results = run_programs(toy, [copy_run(), copy_run(image=IMAGE[:0x3000], beats=1, dump=(TO, TO + 64))])
    assert results[1].check().memory_base == TO
    assert not results[1].memory[8:].any() and (results[1].memory[:8] == IMAGE[FROM : FROM + 8]).all()


def test_accesses_while_busy(toy):
    result = run_programs(toy, [copy_run(during=((50, STATUS, None), (0, ADD, 0), (10, STATUS, None)))])[0].check()
    assert [value for value, _ in result.during] == [BUSY, 0, BUSY]
    assert (result.memory == copied()).all()


def test_timeout_ends_the_list(toy):
    short = Run(copy_run().writes, 20, IMAGE, (STATUS,))
    results = run_programs(toy, [short, copy_run()])
    assert len(results) == 1 and results[0].timed_out and results[0].registers == {}
    with pytest.raises(CheckFailed, match="no interrupt within"):
        results[0].check()


def test_silent_engine_times_out(toy):
    result = run_programs(toy, [copy_run(defect=SILENT)])[0]
    assert result.timed_out and result.cycles >= 100_000


@pytest.mark.parametrize(
    "defect, breach",
    [
        (DROPPING, BREACHES[1]),
        (CROSSING, BREACHES[12]),
        (EARLY_LAST, BREACHES[17]),
        (IMPATIENT, "the interrupt rose while a burst was outstanding"),
    ],
)
def test_protocol_breaches_fail_the_run(toy, defect, breach):
    # The impatient engine gets one burst, because a second one would already trip over the first one's response.
    beats = 2 if defect == IMPATIENT else BEATS
    result = run_programs(toy, [copy_run(beats=beats, defect=defect, memory=BusMemory(stall=0.5))])[0]
    with pytest.raises(CheckFailed, match=re.escape(breach)):
        result.check()


def test_bare_loop_counts_the_same_cycles(toy, tmp_path):
    run = copy_run(memory=BusMemory(stall=0.25, seed=5))
    assert bare_run(toy, run, tmp_path).cycles == run_programs(toy, [run])[0].check().cycles


def test_bare_loop_is_bounded(toy, tmp_path):
    with pytest.raises(CheckFailed, match="no interrupt within 20"):
        bare_run(toy, Run(copy_run().writes, 20, IMAGE), tmp_path)


def test_waves_on_request(tmp_path):
    waves = accelerator_build(toy_verilog(), bytes_log2=BYTES_LOG2, waves=True)
    run_programs(waves, [copy_run()], folder=tmp_path, waves=True)[0].check()
    assert (tmp_path / "waves.fst").stat().st_size > 1000


def test_bad_requests_are_refused(toy):
    with pytest.raises(InputError, match=r"1048584 bytes does not fit the harness's 1048576"):
        run_programs(toy, [copy_run(image=np.zeros((1 << BYTES_LOG2) + 8, np.uint8))])
    with pytest.raises(InputError, match="stall probability"):
        BusMemory(stall=1.0)
    with pytest.raises(InputError, match="latency must be 2"):
        BusMemory(latency=1)
    with pytest.raises(InputError, match="kind must be"):
        Fault("other")
    with pytest.raises(InputError, match="response must be"):
        Fault("read", response=1)


def test_every_breach_code_has_a_sentence():
    rules = re.findall(
        r"assign breach\[(\d+)\]|breach\[(\d+)\],? ?(?:breach\[(\d+)\])?\)", (HARNESS / "axi_checker.sv").read_text()
    )
    codes = {int(number) + 1 for groups in rules for number in groups if number}
    assert codes | {n for n in BREACHES if n <= 10} == set(BREACHES)
    assert describe_breach(0, 5) == "" and describe_breach(17, 9) == f"{BREACHES[17]} in cycle 9"


def test_ports_of_the_harness_are_found():
    ports = harness_ports()
    assert {"clk", "rst", "irq", "s_axil_rdata", "cfg_fault_lo", "write_beats"} <= set(ports)
    assert len(ports) == len(set(ports))
