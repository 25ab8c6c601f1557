# SPDX-License-Identifier: Apache-2.0
"""Runs programs on the Verilated accelerator: memory image in, registers written, interrupt, registers and image out.

`accelerator_build` Verilates the accelerator inside its harness once; `run_programs` then carries out any number of
runs in one simulation, without reset between them. `sim/benches/program.py` is the part inside the simulator.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from esl_ref.errors import CheckFailed, InputError, ToolError
from esl_ref.files import refusals
from sim.bench import run_bench
from sim.build import Build, BuildSpec, build_model
from sim.image import read_image, write_image
from sim.protocol import describe_breach

__all__ = [
    "Accelerator",
    "Fault",
    "BusMemory",
    "Run",
    "RunResult",
    "accelerator_build",
    "run_program",
    "run_programs",
]

HARNESS = Path(__file__).parent / "harness"
DEFAULT_BYTES_LOG2 = 24
OKAY, SLVERR, DECERR = 0, 2, 3
_STALL_STEPS = 1 << 16


@dataclass(frozen=True)
class Fault:
    """An error response to inject: for read or write burst number `index` of the run, or for all bursts that start in
    `addresses` (half-open byte range)."""

    kind: str
    index: int = 0
    addresses: tuple[int, int] = (0, 0)
    response: int = SLVERR

    def __post_init__(self) -> None:
        if self.kind not in ("read", "write", "range"):
            raise InputError(f"a fault's kind must be read, write or range, not {self.kind!r}")
        if self.response not in (SLVERR, DECERR):
            raise InputError(f"a fault's response must be 2 (SLVERR) or 3 (DECERR), not {self.response}")


@dataclass(frozen=True)
class BusMemory:
    """The external memory. `latency` in cycles from address to first beat (at least 2), one beat per `1 + gap` cycles,
    `stall` the probability per cycle and channel of a withheld handshake, drawn from `seed`."""

    latency: int = 32
    gap: int = 0
    stall: float = 0.0
    seed: int = 1
    fault: Fault | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.stall < 1:
            raise InputError(f"the stall probability must be in [0, 1), not {self.stall}")
        if not 2 <= self.latency < 1 << 16 or not 0 <= self.gap < 1 << 16:
            raise InputError(f"latency must be 2 to 65535 and gap 0 to 65535, not {self.latency} and {self.gap}")

    def ports(self) -> dict[str, int]:
        """Values of the harness's `cfg_*` inputs."""
        fault = self.fault or Fault("read")
        active = self.fault.kind if self.fault else ""
        return {
            "latency": self.latency, "gap": self.gap, "seed": self.seed & 0xFFFF_FFFF,
            "stall": min(_STALL_STEPS - 1, round(self.stall * _STALL_STEPS)),
            "read_fault": int(active == "read"), "write_fault": int(active == "write"),
            "range_fault": int(active == "range"), "fault_index": fault.index,
            "fault_lo": fault.addresses[0], "fault_hi": fault.addresses[1], "fault_resp": fault.response,
        }  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run. Addresses of `writes`, `reads` and `acknowledge` are register byte addresses; the last of `writes` is
    the doorbell. `image` None leaves the memory as the run before left it; `dump` is the byte range read back
    (None: as far as the image reaches). `during` are accesses while the engine is busy: (wait cycles, address, value
    or None to read)."""

    writes: Sequence[tuple[int, int]]
    timeout_cycles: int
    image: np.ndarray | None = None
    reads: Sequence[int] = ()
    acknowledge: Sequence[tuple[int, int]] = ()
    during: Sequence[tuple[int, int, int | None]] = ()
    dump: tuple[int, int] | None = None
    memory: BusMemory = field(default_factory=BusMemory)


@dataclass(frozen=True)
class RunResult:
    """What one run left behind. `cycles` from the doorbell's write to the rise of the interrupt, `memory` the dumped
    bytes, starting at `memory_base`, `during` (value, response) of each access while busy."""

    cycles: int
    registers: Mapping[int, int]
    memory: np.ndarray
    memory_base: int
    timed_out: bool
    breach: str
    irq_after: bool
    seconds: float
    traffic: Mapping[str, int]
    write_responses: tuple[int, ...]
    during: tuple[tuple[int, int], ...]

    def check(self) -> RunResult:
        """Return self, or raise `CheckFailed` if no interrupt came or the bus protocol was broken."""
        if self.breach:
            raise CheckFailed(f"AXI4 protocol: {self.breach}")
        if self.timed_out:
            raise CheckFailed(f"no interrupt within {self.cycles} cycles of the doorbell")
        return self


@dataclass(frozen=True)
class Accelerator:
    """A built accelerator in its harness: `word_bytes` of the memory bus, `memory_bytes` of the memory beside it."""

    build: Build
    word_bytes: int
    memory_bytes: int


def accelerator_build(
    verilog: str,
    *,
    data_width: int = 64,
    id_width: int = 1,
    address_width: int = 32,
    register_address_width: int = 12,
    bytes_log2: int = DEFAULT_BYTES_LOG2,
    waves: bool = False,
    public: Mapping[str, Sequence[str]] | None = None,
    args: Sequence[str] = (),
) -> Accelerator:
    """Verilate `verilog` (text that defines module `esl_accel`) in its harness; cached by content. `public` names
    signals inside that the bench may see: module -> signals."""
    parameters = {
        "DATA_WIDTH": data_width, "ADDR_WIDTH": address_width, "ID_WIDTH": id_width,
        "LITE_WIDTH": register_address_width, "BYTES_LOG2": bytes_log2,
    }  # fmt: skip
    spec = BuildSpec(
        top="tb_top", ports=harness_ports(), sources=tuple(HARNESS / name for name in HARNESS_FILES),
        texts={"esl_accel.v": verilog}, parameters=parameters, waves=waves,
        public=public or {}, args=tuple(args),
    )  # fmt: skip
    return Accelerator(build_model(spec), data_width // 8, 1 << bytes_log2)


HARNESS_FILES = ("axi_memory.sv", "axi_checker.sv", "tb_top.sv")


@lru_cache(maxsize=1)
def harness_ports() -> tuple[str, ...]:
    """Port names of `tb_top`."""
    return source_ports(HARNESS / "tb_top.sv")


def source_ports(source: Path) -> tuple[str, ...]:
    """Port names of the one module in `source`, so that its text is the only list of them."""
    text = source.read_text()
    return tuple(re.findall(r"^\s+(?:input|output)\s+(?:wire|reg)\s*(?:\[[^\]]*\])?\s*(\w+)", text, re.MULTILINE))


def run_program(
    accelerator: Accelerator,
    image: np.ndarray,
    writes: Sequence[tuple[int, int]],
    timeout_cycles: int,
    *,
    reads: Sequence[int] = (),
    memory: BusMemory | None = None,
    folder: Path | None = None,
) -> RunResult:
    """One run from reset; see `Run` for the arguments."""
    run = Run(writes, timeout_cycles, image, reads, memory=memory or BusMemory())
    return run_programs(accelerator, [run], folder=folder)[0]


def run_programs(
    accelerator: Accelerator,
    runs: Sequence[Run],
    *,
    folder: Path | None = None,
    waves: bool = False,
    timeout_seconds: int = 3600,
) -> list[RunResult]:
    """Carry out `runs` one after another in one simulation with a single reset at its start.

    The list is shorter than `runs` if one of them timed out. Files stay in `folder` if it is given (waves in
    `waves.fst`). Raises `InputError` for an image larger than the memory and `ToolError` if the simulator dies.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="esl-ref-sim-") as scratch:
            return run_programs(accelerator, runs, folder=Path(scratch), waves=waves, timeout_seconds=timeout_seconds)
    folder = folder.resolve()
    ranges = dump_ranges(accelerator, runs)
    job_file, result_file = folder / "job.json", folder / "result.json"
    with refusals(folder, "simulation's files"):
        folder.mkdir(parents=True, exist_ok=True)
        _write_job(accelerator, runs, ranges, job_file)
        result_file.unlink(missing_ok=True)
    bench = run_bench(
        accelerator.build, "sim.benches.program", folder, waves=waves, timeout_seconds=timeout_seconds,
        env={"ESL_SIM_JOB": str(job_file), "ESL_SIM_RESULT": str(result_file)},
        plusargs=[f"+memory={folder / 'memory'}"],
    )  # fmt: skip
    if bench.failures:
        raise ToolError(f"the simulation broke off: {'; '.join(bench.failures.values())}", where=str(bench.log))
    records = json.loads(result_file.read_text())
    done = enumerate(zip(records, ranges, strict=False))
    return [run_result(accelerator, folder, index, record, span) for index, (record, span) in done]


def _write_job(
    accelerator: Accelerator, runs: Sequence[Run], ranges: Sequence[tuple[int, int]], job_file: Path
) -> None:
    """The job, and the memory images that it loads beside it."""
    job = {"runs": [job_entry(accelerator, run, span) for run, span in zip(runs, ranges, strict=True)]}
    for index, run in enumerate(runs):
        if run.image is not None:
            write_image(job_file.parent / f"memory.load.{index}.hex", run.image, accelerator.word_bytes)
    job_file.write_text(json.dumps(job))


def dump_ranges(accelerator: Accelerator, runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Byte range to read back per run, widened to whole words; the image's extent carries over to later runs."""
    word, extent, ranges = accelerator.word_bytes, 0, []
    for run in runs:
        if run.image is not None:
            extent = run.image.size
        low, high = run.dump if run.dump is not None else (0, extent)
        if max(extent, high) > accelerator.memory_bytes:
            raise InputError(
                f"a memory image of {max(extent, high)} bytes does not fit the harness's {accelerator.memory_bytes}",
                hint="build the accelerator with a larger bytes_log2",
            )
        ranges.append((low // word * word, -(-high // word) * word))
    return ranges


def job_entry(accelerator: Accelerator, run: Run, span: tuple[int, int]) -> dict[str, Any]:
    """A run as the bench reads it, which dumps the bytes `span`."""
    word = accelerator.word_bytes
    return {
        "config": run.memory.ports(),
        "load": run.image is not None,
        "writes": [list(item) for item in run.writes],
        "reads": list(run.reads),
        "acknowledge": [list(item) for item in run.acknowledge],
        "during": [list(item) for item in run.during],
        "timeout_cycles": run.timeout_cycles,
        "dump": [span[0] // word, span[1] // word - 1] if span[1] > span[0] else None,
    }


def run_result(
    accelerator: Accelerator, folder: Path, index: int, record: dict[str, Any], span: tuple[int, int]
) -> RunResult:
    """What the bench wrote of a run whose memory it dumped as file number `index`."""
    dump = folder / f"memory.dump.{index}.hex"
    memory = read_image(dump, accelerator.word_bytes) if span[1] > span[0] else np.zeros(0, np.uint8)
    breach = describe_breach(record["breach"], record["breach_cycle"])
    if not breach and record["busy_at_irq"] and not record["timed_out"]:
        breach = "the interrupt rose while a burst was outstanding"
    return RunResult(
        cycles=record["cycles"], registers={address: value for address, value in record["registers"]},
        memory=memory, memory_base=span[0], timed_out=record["timed_out"], breach=breach,
        irq_after=bool(record["irq_after"]), seconds=record["seconds"],
        traffic={name: record[name] for name in ("read_bursts", "read_beats", "write_bursts", "write_beats")},
        write_responses=tuple(record["write_responses"]), during=tuple((v, r) for v, r in record["during"]),
    )  # fmt: skip
