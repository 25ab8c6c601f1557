# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from esl_ref.arch import load as load_arch
from esl_ref.errors import ArchError, InputError
from golden.check import check, compare_packages
from golden.content import Content
from golden.package import Problem, opened, refuse_other_arch
from golden.surfaces import placed
from golden.writer import manifest_text

Copy = Callable[[Path], Path]
FLIPS = 60


def _problems(folder: Path) -> list[Problem]:
    with opened(folder) as package:
        return check(package)


def _flip(path: Path, bit: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(raw))


def test_fresh_packages_are_sound(head_package: Path, embedded_package: Path) -> None:
    assert _problems(head_package) == []
    assert _problems(embedded_package) == []


def test_any_flipped_bit_is_reported_at_its_file_and_place(head_package: Path, copied: Copy) -> None:
    folder, rng = copied(head_package), random.Random(20)
    with opened(folder) as package:
        names = sorted(package.files)
    for _ in range(FLIPS):
        name = rng.choice(names)
        path = folder / name
        good = path.read_bytes()
        bit = rng.randrange(8 * len(good))
        _flip(path, bit)
        found = _problems(folder)
        path.write_bytes(good)
        assert name in [p.file for p in found], f"{name} bit {bit}"
        assert all(p.file == name for p in found), f"{name} bit {bit}: {found}"
        if name.endswith((".hex", ".txt", ".eslp")):
            assert found[0].place, f"{name} bit {bit}"


def test_a_flipped_byte_of_a_tensor_is_named_by_coordinates(
    embedded: Content, embedded_package: Path, copied: Copy
) -> None:
    folder = copied(embedded_package)
    conv = next(p for p in placed(embedded.entries[1].program, "trace") if p.surface.name == "pw3")
    path = folder / "vectors/v0/t0/expected.pw3.hex"
    y, x, c = 3, 5, 17
    offset = (y * 7 + x) * 24 + c
    line, byte = divmod(offset, 8)
    raw = bytearray(path.read_bytes())
    at = 10 + line * 17 + 2 * (7 - byte) + 1
    value = int(embedded.vectors[0].tensors["pw3"][0, y, x, c])
    wrong = int(np.int8(value ^ 4))
    raw[at] = b"0123456789abcdef"[int(chr(raw[at]), 16) ^ 4]
    path.write_bytes(bytes(raw))
    (problem,) = _problems(folder)
    assert problem.place == f"tensor=pw3 y={y} x={x} channel={c} expected={value} actual={wrong}"
    assert conv.place(offset) == f"tensor=pw3 y={y} x={x} channel={c}"


def test_a_flipped_command_bit_is_named_by_command_and_field(head_package: Path, copied: Copy) -> None:
    folder = copied(head_package)
    path = folder / "programs/p0/commands.hex"
    raw = bytearray(path.read_bytes())
    word = 96 // 8 * 2 + 3  # command 2, word 3
    at = 10 + word * 17 + 15
    raw[at] = b"0123456789abcdef"[int(chr(raw[at]), 16) ^ 1]
    path.write_bytes(bytes(raw))
    (problem,) = _problems(folder)
    assert problem.file.endswith("commands.hex")
    assert re.fullmatch(r"command 2 byte 24 expected=2 actual=3 \(\w+: \w+\)", problem.place)


@pytest.mark.parametrize("name", ["replay.txt", "vectors/v0/p0/expected.fc6.hex", "programs/p0/program.eslp"])
def test_missing_and_truncated_files(head_package: Path, copied: Copy, name: str) -> None:
    folder = copied(head_package)
    path = folder / name
    path.write_bytes(path.read_bytes()[:-7])
    assert [p.file for p in _problems(folder)] == [name]
    path.unlink()
    (problem,) = _problems(folder)
    assert (problem.file, problem.what) == (name, "is missing")


def test_a_file_too_many(head_package: Path, copied: Copy) -> None:
    folder = copied(head_package)
    (folder / "vectors/extra.hex").write_text("@0\n")
    assert [str(p) for p in _problems(folder)] == ["vectors/extra.hex: is not part of the package"]


def test_vectors_wrong_but_hashed_right_are_found_by_the_machine(head_package: Path, copied: Copy) -> None:
    """Whoever changes a vector and its hash still meets the ESL machine."""
    import hashlib

    folder = copied(head_package)
    path = folder / "vectors/v0/p0/expected.fc6.hex"
    raw = bytearray(path.read_bytes())
    raw[25] = b"0123456789abcdef"[int(chr(raw[25]), 16) ^ 1]
    path.write_bytes(bytes(raw))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["vectors/v0/p0/expected.fc6.hex"]["sha256"] = hashlib.sha256(raw).hexdigest()
    (folder / "manifest.json").write_text(manifest_text(manifest))
    (problem,) = _problems(folder)
    assert problem.what == "is not what its Program and inputs give" and "channel=0" in problem.place


def test_manifest_truncated_changed_or_of_another_schema(head_package: Path, copied: Copy) -> None:
    folder = copied(head_package)
    path = folder / "manifest.json"
    good = path.read_text()
    for text, message in (
        (good[:-9], "no JSON"), (good.replace('"seed": 1', '"seed": 2'), "own checksum"),
        (good.replace("esl-ref golden 1", "esl-ref golden 9"), "schema 'esl-ref golden 9', this version reads"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(InputError, match=message), opened(folder):
            pass
    path.unlink()
    with pytest.raises(InputError, match="holds no manifest"), opened(folder):
        pass


def test_another_architecture_is_refused_with_both_hashes(head_package: Path) -> None:
    base = f"{load_arch('base').hash():016x}"
    with opened(head_package) as package:
        with pytest.raises(ArchError, match=f"{package.manifest['arch_hash']}.*{base}"):
            refuse_other_arch(package, base, "this design")


def test_comparison_of_two_packages(head_package: Path, copied: Copy) -> None:
    folder = copied(head_package)
    with opened(head_package) as one, opened(folder) as two:
        assert compare_packages(one, two) == []
        _flip(folder / "replay.txt", 100)
        (problem,) = compare_packages(one, two)
    assert problem.file == "replay.txt" and "line 2" in problem.place or "line" in problem.place
