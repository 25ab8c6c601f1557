# SPDX-License-Identifier: Apache-2.0
"""Requantisation constants per layer, as the operators carry them (before packing for the lanes)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from esl_ref.ir import Op
from esl_ref.numerics import Requant
from golden.content import Content
from golden.writer import PackageWriter

__all__ = ["constants_of", "write_requantisation"]


def _requant(value: Requant) -> dict[str, Any]:
    record: dict[str, Any] = {
        "profile": value.profile.value, "multiplier": np.ravel(value.multiplier).tolist(),
        "shift": np.ravel(value.shift).tolist(),
    }  # fmt: skip
    return record if value.add is None else {**record, "add": np.ravel(value.add).tolist()}


def constants_of(op: Op) -> dict[str, Any]:
    """Multipliers, shifts, biases, zero points and clamp of an operator; only what it has."""
    record: dict[str, Any] = {"operator": op.name, "kind": op.kind, "output": op.outputs[0]}
    for name in ("requant", "requant_in", "bias", "zero_in", "zero", "weight_zero", "left_shift", "act"):
        value = getattr(op, name, None)
        if isinstance(value, Requant):
            record[name] = _requant(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Requant):
            record[name] = [_requant(v) for v in value]
        elif isinstance(value, np.ndarray):
            record[name] = value.tolist()
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            record[name] = dataclasses.asdict(value)
        elif value is not None:
            record[name] = value
    return record


def write_requantisation(writer: PackageWriter, content: Content) -> None:
    """`requantisation.json`: a list in the order of the operators, one layer per line."""

    def lines() -> Iterator[str]:
        for op in content.graph.ops:
            yield json.dumps(constants_of(op), separators=(",", ":"))

    writer.write("requantisation.json", "[\n" + ",\n".join(lines()) + "\n]\n")
