# SPDX-License-Identifier: Apache-2.0
"""How verbs get their network: any model file, float ones quantised on the way in where integers are needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from esl_ref.cli.common import progress_console
from esl_ref.errors import InputError
from esl_ref.floating import FloatGraph
from esl_ref.ir import Graph

__all__ = [
    "RANDOM",
    "NetworkOptions",
    "integer_graph",
    "is_workload",
    "load_network",
    "network_options",
    "progress_bar",
]

RANDOM = "random"


@dataclass(frozen=True)
class NetworkOptions:
    """`weights`: a Darknet weights file, or RANDOM. `calibrate`: pictures or arrays that scales are taken from."""

    weights: str | None = None
    calibrate: Path | None = None

    def words(self) -> list[str]:
        """The options as they are typed."""
        given = {"--weights": self.weights, "--calibrate": self.calibrate}
        return [str(word) for option, value in given.items() if value is not None for word in (option, value)]


def network_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--weights` and `--calibrate` as one parameter `network`."""

    @click.option("--weights", metavar="FILE", help="Weights of a Darknet .cfg; `random` for seeded ones of any model.")
    @click.option("--calibrate", type=click.Path(path_type=Path), metavar="DATA",
                  help="Quantise a float model with this folder of pictures, picture, .npy or .npz.")  # fmt: skip
    @functools.wraps(function)
    def wrapper(*args: Any, weights: str | None, calibrate: Path | None, **kwargs: Any) -> Any:
        return function(*args, network=NetworkOptions(weights, calibrate), **kwargs)

    return wrapper


def load_network(model: str | Path, options: NetworkOptions) -> Graph | FloatGraph:
    """The graph of a model file, as it is in the file, or of a built-in topology with seeded weights."""
    from esl_ref.floating.seeded import with_random_weights
    from esl_ref.frontends import load_model

    random = options.weights == RANDOM
    if is_workload(model):
        return _seeded(str(model), random)
    _check_exists(Path(model))
    graph = load_model(model, None if random else options.weights)
    return with_random_weights(graph, 0) if random and isinstance(graph, FloatGraph) else graph


def is_workload(model: str | Path) -> bool:
    """Whether `model` names a built-in topology, and no file."""
    from esl_ref.workloads import named

    return named(str(model)) is not None and not Path(model).exists()


def _check_exists(model: Path) -> None:
    """InputError with the names there are, for what is no file and looks like a name."""
    from esl_ref.workloads import NAMES

    if not model.suffix[1:].isalpha() and model.parent == Path() and not model.exists():
        raise InputError("is no file and no built-in workload", where=str(model),
                         hint=f"built in are: {', '.join(NAMES)}")  # fmt: skip


def _seeded(name: str, random: bool) -> Graph:
    """A built-in topology with seeded int8 weights."""
    from esl_ref.workloads import workload
    from esl_ref.workloads.seeded import seeded

    if not random:
        raise InputError("is a built-in topology, which has no weights", where=name, hint="add --weights random")
    return seeded(workload(name))


def integer_graph(model: str | Path, options: NetworkOptions) -> Graph:
    """The integer graph of a model file. A float one is quantised; without calibration data noise has to do, and a
    remark says that results then mean nothing."""
    graph = load_network(model, options)
    if isinstance(graph, Graph):
        if options.calibrate is not None:
            progress_console().print("note: the model is quantised already; --calibrate is not used")
        return graph
    from esl_ref.quantiser import Method, Options, quantise
    from esl_ref.quantiser.data import from_path, from_seed

    if options.calibrate is None:
        progress_console().print(
            f"note: {escape(Path(model).name)} is a float model, quantised here on one random input: bytes and cycles "
            "are meant, accuracy is not (--calibrate DATA, or `esl-ref quantise`)",
            soft_wrap=True,
        )
        data, how = from_seed(graph, 0), Options(Method.MINMAX, compensate=False, equalise=False)
    else:
        data, how = from_path(graph, options.calibrate), Options()
    with progress_bar("quantising", len(data) * how.passes) as advance:
        return quantise(graph, data, how, advance).graph


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error; call what it gives once per step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = progress_console()
    # Where nothing can be drawn, rich would still end with an empty line.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        job = bar.add_task(what, total=total)
        yield lambda: bar.advance(job)
