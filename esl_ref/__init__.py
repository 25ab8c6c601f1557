# SPDX-License-Identifier: Apache-2.0
"""ESL reference model of CNN inference accelerators: integer operators, memory planner, compiler and machine."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("esl-ref")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0+unknown"
