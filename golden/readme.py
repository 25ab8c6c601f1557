# SPDX-License-Identifier: Apache-2.0
"""The receiver's README, written from the manifest alone."""

from __future__ import annotations

from typing import Any

__all__ = ["readme"]

_TEXT = """# Golden vectors of {model}

Layers {first} to {last} for architecture `{arch}` (hash `{hash}`), rounding profile `{profile}`, {level} level.
Everything here can be used without the project that made it, and without Python.

| file | holds |
|---|---|
| `manifest.json` | what everything is, and the SHA-256 of every file |
| `programs/<p>/*.hex` | command stream and constants, `$readmemh`, {bus} bytes per line, last byte first |
| `vectors/<v>/<p>/input.*.hex`, `expected.*.hex` | surfaces before, and tensors after the run, in external memory |
| `vectors/<v>/tensors.npz` | every tensor of the network, also those that are never whole in memory |
| `requantisation.json` | multipliers, shifts, biases, zero points and clamps per layer |
| `replay.txt` | the script of the bench: what to load, write, start and compare |
| `sv/` | the self-checking bench, its memory and bus monitor; `esl_golden_items.svh` for UVM users |
| `c/`, `reader/`, `cocotb/` | C headers, an example reader in C, a replay class for cocotb |
| `commands/`, `bus/` | (command and bus level) SRAM changes per command; AXI4 and AXI4-Lite accesses in order |

Programs: `p<n>` is segment n as deployed, `t<n>` the same with every tensor stored that is ever whole on chip.

## Replay
The design under test is a module `esl_accel` with the ports that `sv/esl_golden_tb.sv` connects.

    verilator --binary --timing -O3 -Wno-fatal -Wno-lint -Wno-style --top-module esl_golden_tb \\
        -GDATA_WIDTH={width} -GBYTES_LOG2={log2} -o bench RTL/esl_accel.v sv/*.sv && obj_dir/bench +package=.

    iverilog -g2005 -s esl_golden_tb -Pesl_golden_tb.DATA_WIDTH={width} -Pesl_golden_tb.BYTES_LOG2={log2} \\
        -o bench.vvp RTL/esl_accel.v sv/*.sv && vvp -n bench.vvp +package=.

The last word is `PASS` with exit status 0, or `FAIL` with another. Before it, `FIRST DIVERGENCE` names tensor, row,
column, channel, both values and the cycle; `DAMAGED FILE` names a file whose contents are not those that were exported.

## Runs
| run | tensors compared | memory bytes |
|---|---|---|
{runs}
"""


def readme(manifest: dict[str, Any]) -> str:
    """The package's README."""
    axi = manifest["arch"]["axi_bytes"]
    rows = [f"| `{r['name']}` | {len(r['expected'])} | {r['memory_bytes']} |" for r in manifest["runs"]]
    first, end = manifest["layers"]
    return _TEXT.format(
        model=manifest["model"], first=first, last=end - 1, arch=manifest["arch"]["name"], hash=manifest["arch_hash"],
        profile=manifest["profile"], level=manifest["level"], bus=axi, width=8 * axi,
        log2=max(20, (manifest["memory_bytes"] - 1).bit_length()), runs="\n".join(rows),
    )  # fmt: skip
