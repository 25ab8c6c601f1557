# SPDX-License-Identifier: Apache-2.0
"""A co-simulation's outcome as tables for people and as a record for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from esl_ref.registers import COUNTERS
from sim.cosim import Outcome
from sim.layers import Layer, Tail

__all__ = ["as_record", "console_report", "percent_off"]

_CAUSES = tuple(name for name, _ in COUNTERS[1:11])
_NAME_CHARACTERS = 24


def percent_off(predicted: int, measured: int) -> float:
    """Prediction error in per cent of what was measured."""
    return 100 * (predicted - measured) / measured if measured else 0.0


def as_record(outcome: Outcome, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON report. `extra`: what the caller knows (model, seed, files, the command that repeats the run)."""
    return {
        **extra,
        "arch": outcome.arch.to_dict(),
        "arch_hash": f"{outcome.arch.hash():016x}",
        "bit_exact": outcome.bit_exact,
        "executors": sorted({run.backend for run in outcome.runs}),
        "cycles": outcome.cycles,
        "predicted_cycles": outcome.predicted_cycles,
        "prediction_error_percent": percent_off(outcome.predicted_cycles, outcome.cycles),
        "counters": dict(outcome.counters),
        "predicted_counters": dict(outcome.predicted_counters),
        "macs": outcome.macs,
        "utilisation": outcome.utilisation,
        "bounds": vars(outcome.bound) | {"cycles": outcome.bound.cycles},
        "sram_bytes": outcome.sram.four(),
        "arena_bytes": outcome.sram.with_input,
        "liveness_bound_bytes": outcome.sram.bound,
        "liveness_peak": list(outcome.sram.peak),
        "layers": [_layer_record(layer) for layer in outcome.layers],
        "after_last_layer": [{"cycles": tail.cycles, "causes": dict(tail.causes)} for tail in outcome.tails],
        "tensors_compared": list(outcome.compared),
        "runs": [vars(run) for run in outcome.runs],
        "divergence": _divergence_record(outcome),
        "sim_cycles_per_second": round(outcome.sim_cycles_per_second),
        "build_seconds": outcome.built.seconds if outcome.built else None,
        "build_cached": outcome.built.cached if outcome.built else None,
    }


def _layer_record(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name, "kind": layer.kind, "tensor": layer.tensor, "shape": list(layer.shape),
        "runs_on": layer.runs_on, "bit_exact": layer.bit_exact, "seen_in": list(layer.seen_in),
        "cycles": layer.cycles, "predicted_cycles": layer.predicted_cycles,
        "prediction_error_percent": percent_off(layer.predicted_cycles, layer.cycles),
        "counters": dict(layer.causes), "macs": layer.macs, "utilisation": layer.utilisation,
        "bounds": vars(layer.bound) | {"cycles": layer.bound.cycles},
    }  # fmt: skip


def _divergence_record(outcome: Outcome) -> dict[str, Any] | None:
    found = outcome.divergence
    if found is None:
        return None
    mismatch = None if found.mismatch is None else vars(found.mismatch)
    return {**vars(found), "mismatch": mismatch, "text": found.sentences()}


def console_report(console: Console, outcome: Outcome, title: str, files: Mapping[str, Path | str]) -> None:
    """Print what a hardware designer wants to see, the verdict last."""
    console.print(f"[bold]{escape(title)}[/]\n", soft_wrap=True)
    for lines in (_layer_lines(outcome), _totals(outcome), _sram_lines(outcome)):
        for line in lines:
            console.print(line, soft_wrap=True)
    for name, place in files.items():
        console.print(f"{name + ':':<11}{escape(str(place))}", soft_wrap=True)
    console.print(verdict(outcome), soft_wrap=True)


def verdict(outcome: Outcome) -> str:
    """One sentence, and the divergence if there is one."""
    executors = " = ".join(["golden", *dict.fromkeys(run.backend for run in outcome.runs)])
    if outcome.divergence is None:
        runs = len(outcome.runs)
        return f"[bold green]bit exact[/]: {executors}, {len(outcome.compared)} tensors, {runs} runs"
    lines = [escape(line) for line in outcome.divergence.sentences()]
    return "\n".join(["[bold red]MISMATCH[/]", *(f"  {line}" for line in lines)])


def _short(name: str) -> str:
    """The telling end of a TensorFlow scope name."""
    last = name.split(";")[0].rstrip("/")
    return last if len(last) <= _NAME_CHARACTERS else "…" + last[1 - _NAME_CHARACTERS :]


def _exact(layer: Layer) -> str:
    if layer.runs_on == "host":
        return "host"
    if layer.bit_exact is None:
        return "not seen"
    return ("yes" if layer.bit_exact else "NO") + ("" if layer.seen_in == (layer.tensor,) else " *")


def _largest_stalls(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{name.removeprefix('STALL_').lower()} {value}" for name, value in list(causes.items())[:2])


_TITLES = (
    "layer", "operator", "output", "exact", "cycles", "predicted", "off %", "MACs", "util %", "lanes", "weights",
    "stalls",
)  # fmt: skip
_LEFT = frozenset({"layer", "operator", "output", "exact", "stalls"})


def _layer_lines(outcome: Outcome) -> Iterator[str]:
    """One line per layer, never folded: the last column may run on."""
    rows = [_TITLES, *(_layer_cells(layer) for layer in outcome.layers)]
    for tail in outcome.tails:
        rows.append(("after the last layer", "", "", "", str(tail.cycles), *[""] * 6, _tail_stalls(tail)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if title in _LEFT else cell.rjust(width)
            for title, cell, width in zip(_TITLES, row, widths, strict=True)
        ]
        line = escape("  ".join(cells).rstrip())
        failed = 0 < number <= len(outcome.layers) and outcome.layers[number - 1].bit_exact is False
        yield f"[bold]{line}[/]" if number == 0 else f"[red]{line}[/]" if failed else line
    if any(layer.seen_in not in ((), (layer.tensor,)) for layer in outcome.layers):
        yield "* has no tensor of its own in memory: seen through the tensors made from it"
    yield "lanes, weights: bounds on cycles, by the array at one pixel after the other and by the weights' traffic"


def _layer_cells(layer: Layer) -> tuple[str, ...]:
    shape = "x".join(str(n) for n in layer.shape[1:])
    cells = (_short(layer.name), layer.kind, shape, _exact(layer))
    if not layer.cycles:
        return (*cells, *[""] * 8)
    util = f"{100 * layer.utilisation:.1f}" if layer.macs else ""
    off = f"{percent_off(layer.predicted_cycles, layer.cycles):+.1f}" if layer.predicted_cycles else ""
    bounds = tuple(str(n) if n else "" for n in (layer.bound.lanes, layer.bound.weights))
    numbers = (str(layer.cycles), str(layer.predicted_cycles), off, f"{layer.macs:,}" if layer.macs else "", util)
    return (*cells, *numbers, *bounds, _largest_stalls(layer.stalls))


def _tail_stalls(tail: Tail) -> str:
    causes = {n: v for n, v in tail.causes.items() if n in _CAUSES and v}
    return _largest_stalls(dict(sorted(causes.items(), key=lambda item: -item[1])))


def _totals(outcome: Outcome) -> Iterator[str]:
    off = percent_off(outcome.predicted_cycles, outcome.cycles)
    bound = outcome.bound
    yield ""
    yield (
        f"[bold]{outcome.cycles}[/] cycles from doorbell to done, predicted {outcome.predicted_cycles} ({off:+.2f} %), "
        f"{outcome.macs:,} MACs, utilisation {100 * outcome.utilisation:.1f} %"
    )
    yield (
        f"bounds: lane-quantised {bound.lanes}, weight traffic {bound.weights}, all multipliers {bound.ideal} cycles; "
        f"{bound.beside(outcome.cycles, 'the first two')}"
    )
    shares = sorted(((outcome.counters.get(n, 0), n) for n in _CAUSES), reverse=True)
    parts = [f"{n.lower()} {v} ({100 * v / max(outcome.cycles, 1):.1f} %)" for v, n in shares if v]
    yield "every cycle's cause: " + ", ".join(parts)
    if outcome.built is not None:
        how = "taken from an earlier build" if outcome.built.cached else "built now"
        yield (
            f"simulated at {outcome.sim_cycles_per_second:,.0f} cycles/s; "
            f"model {how} ({outcome.built.seconds:.0f} s to generate and build)"
        )
    yield ""


def _sram_lines(outcome: Outcome) -> Iterator[str]:
    sram = outcome.sram
    gap = percent_off(sram.with_input, sram.bound)
    yield "SRAM in bytes:"
    rows = (
        (sram.tensors, "tensors, with the network's input elsewhere"),
        (sram.with_input, f"with the network's input: the arena; liveness bound {sram.bound:,} ({gap:+.1f} %)"),
        (sram.with_scratch, "with weights, line buffers, tables and command queues: all the plan asks for"),
        (sram.rtl_memories, "in the memories of the generated Verilog" if outcome.built else "by the architecture"),
    )
    for size, what in rows:
        yield f"{size:>12,}  {what}"
    yield ""
