# SPDX-License-Identifier: Apache-2.0
"""SRAM layout: offsets for buffers with known lifetimes, their judge, and MiniMalloc's file format."""

from esl_ref.layout.instance import read_csv, write_csv
from esl_ref.layout.problem import Buffer, Layout, Problem
from esl_ref.layout.solver import solve
from esl_ref.layout.validate import Reason, Violation, validate

__all__ = ["Buffer", "Layout", "Problem", "Reason", "Violation", "read_csv", "solve", "validate", "write_csv"]
