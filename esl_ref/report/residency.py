# SPDX-License-Identifier: Apache-2.0
"""Peak resident memory and time of float networks, measured in a process of its own, by two ways of allocating.

The process reads `VmHWM` of Linux, the most pages it ever had in memory, which is set back after it has loaded its
modules and read the network's graph; what it had then is subtracted. The C library gives blocks of a megabyte and more
back as soon as they are freed (`MALLOC_MMAP_THRESHOLD_`), and the matrix products run on one core.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from esl_ref.errors import ToolError
from esl_ref.floating import FloatGraph, FloatOp, Parameter
from esl_ref.floating.accounting import workspace_elements
from esl_ref.floating.executor import random_inputs, run
from esl_ref.frontends.darknet import float_graph, open_weights, read_network, without_tree

__all__ = ["MODES", "Resident", "measure"]

MODES = ("layerwise", "everything")
_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_SPAN = 1.0
"""Processor seconds of runs after which no further one is made: short ones differ by more than the two ways do."""
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Resident:
    """Most bytes above those before the run, processor seconds of a run (the least of `_SPAN` seconds of runs), and the
    sum of its outputs."""

    nbytes: int
    seconds: float
    total: float


def measure(cfg: Path, weights: Path, mode: str) -> Resident:
    """Runs of a network on a random input. `everything` loads all weights first, lets no tensor go, and has a
    workspace for the largest unfolded map; `layerwise` is what `run` does. ToolError where Linux's /proc is not."""
    if not _STATUS.exists():
        raise ToolError("resident memory is read from /proc, which this system does not have")
    done = subprocess.run([sys.executable, "-m", __name__, str(cfg), str(weights), mode], capture_output=True,
                          text=True, env={**os.environ, **_SETTINGS})  # fmt: skip
    if done.returncode:
        raise ToolError(f"the measured process failed: {done.stderr.strip()[-300:]}", where=str(cfg))
    return Resident(**json.loads(done.stdout))


def _status(key: str) -> int:
    """Bytes of a line such as `VmHWM:   1234 kB`."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024


def _held(graph: FloatGraph) -> FloatGraph:
    """The graph with all its weights in memory."""
    return dataclasses.replace(graph, ops=tuple(map(_loaded, graph.ops)))


def _loaded(op: FloatOp) -> FloatOp:
    values: dict[str, Any] = {item.name: getattr(op, item.name) for item in dataclasses.fields(op)}
    held = {key: Parameter.of(value.load()) for key, value in values.items() if isinstance(value, Parameter)}
    return type(op)(**(values | held))


def _everything(graph: FloatGraph, inputs: dict[str, Any]) -> dict[str, Any]:
    held = _held(graph)
    workspace = np.full(workspace_elements(graph), 0, np.float32)
    made = run(held, inputs, keep="all")
    del workspace  # not before
    return {name: made[name] for name in graph.outputs}


def _warm() -> None:
    """What the first product and the first exponential allocate once and for all."""
    square = np.ones((64, 64), np.float32)
    np.exp(square @ square)


def _main(cfg: str, weights: str, mode: str) -> None:
    network = without_tree(read_network(Path(cfg)))
    graph = float_graph(network, open_weights(Path(weights), network))
    inputs: dict[str, Any] = dict(random_inputs(graph, 0))
    _warm()
    _RESET.write_text("5")  # VmHWM becomes VmRSS
    before = _status("VmRSS")
    infer = run if mode == "layerwise" else _everything
    seconds, made = _timed(infer, graph, inputs)
    nbytes, total = _status("VmHWM") - before, float(sum(value.astype(np.float64).sum() for value in made.values()))
    del made
    spent = [seconds]
    while sum(spent) < _SPAN:
        spent.append(_timed(infer, graph, inputs)[0])
    print(json.dumps({"nbytes": nbytes, "seconds": min(spent), "total": total}))


def _timed(
    infer: Callable[[FloatGraph, dict[str, Any]], dict[str, Any]], graph: FloatGraph, inputs: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    """Processor seconds with reading weights and freeing everything but the outputs; the outputs."""
    started = time.process_time()
    made = infer(graph, inputs)
    return time.process_time() - started, made


if __name__ == "__main__":
    _main(*sys.argv[1:])
