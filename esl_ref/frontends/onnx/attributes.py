# SPDX-License-Identifier: Apache-2.0
"""A node's attributes, each with its type, default and range checked."""

from __future__ import annotations

import math
from typing import Any

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.onnx.schema import FileNode, Source

__all__ = ["Attributes"]

_LARGE = 1 << 31


class Attributes:
    """Access to attributes; the errors name the node."""

    def bad(self, node: FileNode, what: str) -> ModelError:
        """The error of a malformed node."""
        raise NotImplementedError

    def unsupported(self, node: FileNode, what: str, hint: str = "") -> UnsupportedError:
        """The error of a well-formed node that asks for what is not supported."""
        raise NotImplementedError

    def _typed(self, node: FileNode, name: str, kind: type, what: str) -> Any:
        value = node.attributes[name]
        if not isinstance(value, kind):
            raise self.bad(node, f"attribute '{name}' must be {what}")
        return value

    def integer(self, node: FileNode, name: str, default: int) -> int:
        """An integer."""
        if name not in node.attributes:
            return default
        value: int = self._typed(node, name, int, "an integer")
        return value

    def real(self, node: FileNode, name: str, default: float) -> float:
        """A finite number."""
        if name not in node.attributes:
            return default
        value: float = self._typed(node, name, float, "a number")
        if not math.isfinite(value):
            raise self.bad(node, f"attribute '{name}' is {value!r}")
        return value

    def text(self, node: FileNode, name: str, default: str) -> str:
        """A word."""
        if name not in node.attributes:
            return default
        value: bytes = self._typed(node, name, bytes, "a string")
        return value.decode("utf-8", "replace")

    def ints(self, node: FileNode, name: str, default: list[int] | None, count: int | None = None) -> list[int]:
        """A list of integers, of `count` entries if that is given."""
        if name not in node.attributes:
            if default is None:
                raise self.bad(node, f"attribute '{name}' is missing")
            return default
        value: list[int] = self._typed(node, name, list, "a list of integers")
        if any(not isinstance(v, int) for v in value) or (count is not None and len(value) != count):
            raise self.bad(node, f"attribute '{name}' must hold {count or 'some'} integers, not {value[:16]}")
        if any(abs(v) >= _LARGE for v in value):
            raise self.bad(node, f"attribute '{name}' holds {max(value, key=abs)}")
        return value

    def number_in_tensor(self, node: FileNode, name: str, default: float | None) -> float:
        """One finite number, as a number or as a tensor with one element (Deeploy writes these)."""
        value = node.attributes.get(name, default)
        if isinstance(value, Source) and value.elements == 1:
            value = float(value.read().reshape(-1)[0])
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise self.bad(node, f"attribute '{name}' must be one number")
        return float(value)
