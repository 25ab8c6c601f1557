# SPDX-License-Identifier: Apache-2.0
"""The small packages in golden/packages: regenerated and compared byte for byte by CI."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from esl_ref.arch import load as load_arch
from esl_ref.frontends import load
from esl_ref.models import embedded_path
from golden.check import compare_packages
from golden.content import from_graph
from golden.export import export
from golden.package import Problem, opened
from golden.units import export_unit
from golden.writer import PackageWriter

__all__ = ["FOLDER", "PACKAGES", "differences", "regenerate", "write_package"]

FOLDER = Path(__file__).parent / "packages"

# name -> (architecture, operators of the embedded model, level, formats). All but the whole model are single layers;
# those of one architecture run on the RTL made for the whole model.
PACKAGES: dict[str, tuple[str, tuple[int, int] | None, str, tuple[str, ...]]] = {
    "embedded": ("base", None, "tensor", ("hex",)),
    "conv": ("base", (0, 1), "tensor", ("hex",)),
    "max_pool": ("base", (1, 2), "tensor", ("hex",)),
    "pointwise": ("base", (3, 4), "tensor", ("hex",)),
    "add": ("base", (4, 5), "tensor", ("hex",)),
    "depthwise": ("base", (5, 6), "bus", ("hex",)),
    "average_pool": ("base", (11, 12), "command", ("hex", "npz", "c", "sv")),
    "fully_connected": ("base", (13, 14), "tensor", ("hex",)),
}
UNITS = ("requantise", "window", "array")
Progress = Callable[[str], None]


def write_package(name: str, out: Path) -> None:
    """Export one of them to `out`."""
    arch_name, layers, level, formats = PACKAGES[name]
    graph, arch = load(embedded_path()), load_arch(arch_name)
    sized = None if layers is None else from_graph(graph, arch, kinds=["plain"]).arch
    kinds = ("plain", "traced") if layers is None else ("plain",)
    content = from_graph(graph, arch, layers=layers, sized=sized, kinds=kinds, model=embedded_path())
    with PackageWriter(out) as writer:
        export(content, writer, level=level, formats=formats)


def regenerate(progress: Progress = lambda what: None, folder: Path = FOLDER) -> None:
    """Write all of them, and the unit packages."""
    for name in PACKAGES:
        progress(name)
        write_package(name, folder / name)
    for name in UNITS:
        progress(name)
        export_unit(name, load_arch("tiny"), folder / f"unit_{name}")


def differences(progress: Progress = lambda what: None) -> list[Problem]:
    """What a fresh export has other than the committed packages."""
    problems = []
    with tempfile.TemporaryDirectory(prefix="esl-golden-") as scratch:
        regenerate(progress, Path(scratch))
        for fresh in sorted(Path(scratch).iterdir()):
            with opened(fresh) as new, opened(FOLDER / fresh.name) as old:
                problems += [Problem(f"{fresh.name}/{p.file}", p.what, p.place) for p in compare_packages(old, new)]
                problems += [Problem(f"{fresh.name}/{n}", "is not what was committed") for n in old.damaged()]
    return problems
