# SPDX-License-Identifier: Apache-2.0
"""The smallest network with commands of every kind: what broken Programs are made from, as it runs in few cycles."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from esl_ref.arch import Arch
from esl_ref.executor import random_inputs
from esl_ref.ir import Graph, Tensor
from sim.jobs import Job
from sim.random_layers import LayerSpec, build
from sim.runner import BusMemory
from sim.workload import TRACED, prepare

__all__ = ["chain", "chain_job"]

_SIZE = 6
_LAYERS = (("conv", "input", "c"), ("depthwise", "c", "d"), ("max", "d", "m"))


def _kernel(kind: str, arch: Arch) -> tuple[int, int]:
    """As large as the window where it is used: every row and column of it counts."""
    return (arch.window_rows, min(arch.window_cols, _SIZE)) if kind == "depthwise" else (3, 3)


def _spec(kind: str, seed: int, arch: Arch) -> LayerSpec:
    channels, (rows, columns) = arch.lanes + 1, _kernel(kind, arch)
    spec = LayerSpec(kind, seed, _SIZE, _SIZE, channels, channels)
    if kind == "add":
        return spec
    padding = ((rows - 1) // 2, (columns - 1) // 2, rows // 2, columns // 2)
    return dataclasses.replace(spec, kernel=(rows, columns), padding=padding)


def chain(arch: Arch, seed: int) -> Graph:
    """Convolution, depthwise convolution, pooling, and the sum with the convolution's result; one group of lanes and a
    bit of channels."""
    channels = arch.lanes + 1
    ops = []
    for kind, source, target in _LAYERS:
        (op,) = build(_spec(kind, seed, arch)).ops
        ops.append(dataclasses.replace(op, name=kind, inputs=(source,), outputs=(target,)))
    (add,) = build(_spec("add", seed, arch)).ops
    ops.append(dataclasses.replace(add, name="add", inputs=("m", "c"), outputs=("output",)))
    names = ("input", "c", "d", "m", "output")
    tensors = {name: Tensor(name, (1, _SIZE, _SIZE, channels), np.dtype(np.int8)) for name in names}
    return Graph("chain", tensors, tuple(ops), ("input",), ("output",))


def chain_job(arch: Arch, seed: int) -> tuple[Job, Mapping[str, Any]]:
    """The chain compiled for just this machine with every tensor stored, and golden's values of all of them."""
    graph = chain(arch, seed)
    workload = prepare(graph, random_inputs(graph, seed), arch, sized=arch)
    return workload.job(0, TRACED, BusMemory()), workload.golden
