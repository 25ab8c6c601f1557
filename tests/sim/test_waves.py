# SPDX-License-Identifier: Apache-2.0
"""FST waves: the bundled compressors against independent decoders, and a whole file against a reader of the field."""

from __future__ import annotations

import dataclasses
import random
import shlex
import subprocess
import zlib
from pathlib import Path

import pytest

from sim.bench import run_bench
from sim.build import BuildSpec, build_model
from sim.toolchain import find_toolchain
from sim.waves import wave_args
from tests.sim.mac import PORTS, mac_verilog

pytestmark = pytest.mark.cosim

CODEC = Path(wave_args.__globals__["_CODEC"])
DRIVER = r"""
#include <lz4.h>
#include <zlib.h>
#include <cstdio>
#include <iterator>
#include <vector>
int main(int argc, char** argv) {
    std::vector<unsigned char> in;
    for (int c; (c = std::getchar()) != EOF;) in.push_back(c);
    std::vector<unsigned char> out(LZ4_compressBound(in.size()) + compressBound(in.size()));
    uLongf size = out.size();
    if (argc > 1) size = LZ4_compress_default((const char*)in.data(), (char*)out.data(), in.size(), out.size());
    else if (compress2(out.data(), &size, in.data(), in.size(), 4) != Z_OK) return 1;
    std::fwrite(out.data(), 1, size, stdout);
}
"""


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    """The two compressors as a filter program: zlib without, LZ4 with an argument."""
    folder = tmp_path_factory.mktemp("codec")
    (folder / "driver.cpp").write_text(DRIVER)
    compiler = shlex.split(find_toolchain().compiler)
    subprocess.run(
        [*compiler, "-std=gnu++20", "-O1", f"-I{CODEC}", "driver.cpp", "-o", "driver"], cwd=folder, check=True
    )

    def run(data: bytes, *args: str) -> bytes:
        return subprocess.run([folder / "driver", *args], input=data, capture_output=True, check=True).stdout

    return run


def lz4_decode(block: bytes) -> bytes:
    """Decoder written from the LZ4 block format description, independent of the encoder."""
    out, at = bytearray(), 0

    def length(nibble: int) -> int:
        nonlocal at
        total = nibble
        while nibble == 15:
            total += block[at]
            at += 1
            if block[at - 1] != 255:
                break
        return total

    while at < len(block):
        token = block[at]
        at += 1
        count = length(token >> 4)
        out += block[at : at + count]
        at += count
        if at == len(block):
            break
        offset = int.from_bytes(block[at : at + 2], "little")
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-offset])
    return bytes(out)


def samples() -> list[bytes]:
    rng = random.Random(7)
    noise = rng.randbytes(70_000)
    return [b"", b"a", b"abcdabcdabcd", bytes(300), bytes(100_000), noise, noise[:30_000] * 5, b"01z" * 40_000]


@pytest.mark.parametrize("index", range(len(samples())))
def test_lz4_and_zlib_decode_to_the_input(codec, index):
    data = samples()[index]
    assert lz4_decode(codec(data, "lz4")) == data
    assert zlib.decompress(codec(data)) == data


def test_lz4_compresses_what_repeats(codec):
    assert len(codec(bytes(100_000), "lz4")) < 1000


def read_changes(path: Path, name: str) -> list[int]:
    """Values that signal `name` took, in order, read by an independent FST library."""
    pylibfst = pytest.importorskip("pylibfst", reason="pylibfst has no wheel for this Python")

    reader = pylibfst.lib.fstReaderOpen(str(path).encode())
    assert reader != pylibfst.ffi.NULL, f"{path} is not an FST file"
    _, signals = pylibfst.get_scopes_signals2(reader)
    handle = next(s.handle for full, s in signals.by_name.items() if full.split(".")[-1].split(" ")[0] == name)
    changes: list[int] = []

    def note(data, time, facility, value) -> None:
        if facility == handle:
            changes.append(int(pylibfst.string(value), 2))

    pylibfst.lib.fstReaderSetFacProcessMaskAll(reader)
    pylibfst.fstReaderIterBlocks(reader, note)
    pylibfst.lib.fstReaderClose(reader)
    return changes


def test_waves_hold_what_the_simulation_computed(tmp_path):
    spec = BuildSpec("mac", PORTS, texts={"mac.v": mac_verilog(2)})
    build = build_model(dataclasses.replace(spec, waves=True))
    result = run_bench(build, "tests.sim.benches.mac_bench", tmp_path, testcase="accumulates", waves=True).check()
    total, totals = 0, [0]
    for step in range(20):
        total += (step * 11 % 128 - 64) * (step * 37 % 256 - 128)
        totals.append(total & 0xFFFF_FFFF)
    seen = read_changes(result.waves, "acc")
    assert [value for i, value in enumerate(seen) if i == 0 or value != seen[i - 1]] == totals
