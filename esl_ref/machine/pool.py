# SPDX-License-Identifier: Apache-2.0
"""POOL: sum or maximum of the taps; with a 1 x 1 window it copies, rescales or applies the table."""

from __future__ import annotations

import numpy as np

from esl_ref.arch import Arch
from esl_ref.errors import ProgramError
from esl_ref.machine.geometry import Ints, kernel_rows, positions
from esl_ref.machine.operands import Operands
from esl_ref.machine.vectors import VectorReader
from esl_ref.program.commands import Command

__all__ = ["pool", "pool_sources"]


def _reader(command: Command, arch: Arch) -> VectorReader:
    ky, kx = command["ky_count"], command["kx_count"]
    if min(ky, kx) < 1 or command["chunks"] != 1:
        raise ProgramError(f"impossible kernel {ky} x {kx}, {command['chunks']} chunks")
    rows = kernel_rows(command, command["oy_count"], ky)
    return VectorReader(command, arch, rows, positions(command, command["ox_count"], command["ox_step"], kx))


def pool(command: Command, arch: Arch, data: Operands) -> Ints:
    """Accumulators [oy, ox, C]."""
    reader = _reader(command, arch)
    vectors = reader.read(data)
    # Reduce along a kernel row first: it is done once for every distinct ifm row.
    if command["pool_sum"]:
        along = vectors.sum(axis=2, dtype=np.int64)
        return np.asarray(along[reader.rows.index].sum(axis=1))
    return np.asarray(vectors.max(axis=2)[reader.rows.index].max(axis=1).astype(np.int64))


def pool_sources(command: Command, arch: Arch) -> list[Ints]:
    """For the in-place rule: the address each result's only vector comes from, [oy, ox, C]; [] for real windows."""
    if (command["ky_count"], command["kx_count"]) != (1, 1) or command["group_step"] != arch.lanes:
        return []
    reader = _reader(command, arch)
    first = reader.vector_addresses()[reader.rows.index[:, 0], :, 0]
    channels = (command["groups"] - 1) * arch.lanes + command["last_lanes"]
    return [first[..., None] + np.arange(channels, dtype=np.int64)]
