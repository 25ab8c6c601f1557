# SPDX-License-Identifier: Apache-2.0
"""Of many plans, those worth choosing from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["undominated"]

T = TypeVar("T")


def undominated(items: Iterable[T], costs: Callable[[T], tuple[int, ...]]) -> list[T]:
    """Those that no other is as good as in every cost, by rising costs; of equals the first."""
    kept: list[tuple[tuple[int, ...], T]] = []
    # Whatever beats an item comes before it in the order of costs, so that nothing kept has to go again.
    for cost, item in sorted(((costs(item), item) for item in items), key=lambda pair: pair[0]):
        if not any(all(a <= b for a, b in zip(other, cost, strict=True)) for other, _ in kept):
            kept.append((cost, item))
    return [item for _, item in kept]
