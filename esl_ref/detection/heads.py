# SPDX-License-Identifier: Apache-2.0
"""Detection heads as plain data: which output of the network they read, and how its channels are laid out.

`from_plain(to_plain(head)) == head`, so that they travel in the JSON metadata of any model file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from esl_ref.errors import ModelError

__all__ = ["TREE", "Anchors", "DetectionHead", "Head", "RegionHead", "YoloHead", "from_plain", "to_plain"]

TREE = "classes in a tree are not supported: no objects are named, the tensor itself can be had with --output"
"""What is said of a head with `tree`, before and after it runs."""

Anchors: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class YoloHead:
    """YOLOv3: per anchor 4 coordinates, objectness, and independent class scores. Anchors (width, height) in pixels
    of the network's input of `size` (height, width).

    `scale_xy` widens the range of centres; `squared` takes sizes as (2 x)^2 anchors of values that are activated
    already (`new_coords`).
    """

    tensor: str
    size: tuple[int, int]
    classes: int
    anchors: Anchors
    scale_xy: float = 1.0
    squared: bool = False

    @property
    def channels(self) -> int:
        """Channels of the map that holds them: box, objectness and classes for every anchor."""
        return len(self.anchors) * (5 + self.classes)


@dataclass(frozen=True)
class RegionHead:
    """YOLOv2: as YOLOv3, with anchors in cells, and `softmax` over classes. `tree` names a file of class groups
    (YOLO9000); `coords` above 4 are there and not read."""

    tensor: str
    size: tuple[int, int]
    classes: int
    anchors: Anchors
    coords: int = 4
    softmax: bool = False
    tree: str = ""

    @property
    def channels(self) -> int:
        """Channels of the map that holds them: coordinates, objectness and classes for every anchor."""
        return len(self.anchors) * (self.coords + 1 + self.classes)


@dataclass(frozen=True)
class DetectionHead:
    """YOLOv1: a vector of `side` x `side` cells: classes of all cells, then confidences, then boxes; `boxes` per cell.
    `root`: it holds square roots of sizes."""

    tensor: str
    size: tuple[int, int]
    classes: int
    side: int
    boxes: int
    root: bool = False
    softmax: bool = False

    @property
    def elements(self) -> int:
        """Length of the vector."""
        return self.side * self.side * (self.classes + 5 * self.boxes)


Head: TypeAlias = YoloHead | RegionHead | DetectionHead

_KINDS: Mapping[str, type[Head]] = {"yolo": YoloHead, "region": RegionHead, "detection": DetectionHead}


def to_plain(head: Head) -> dict[str, Any]:
    """The head as what JSON knows, with its kind."""
    kind = next(name for name, of in _KINDS.items() if isinstance(head, of))
    return {"kind": kind} | dataclasses.asdict(head)


def from_plain(plain: Mapping[str, Any]) -> Head:
    """The head that `to_plain` gave; ModelError for anything else."""
    kind = _KINDS.get(str(plain.get("kind")))
    if kind is None:
        raise ModelError(f"no detection head is called '{plain.get('kind')}'", hint=f"there are: {', '.join(_KINDS)}")
    fields = {item.name for item in dataclasses.fields(kind)}
    values = {key: value for key, value in plain.items() if key != "kind"}
    if unknown := sorted(set(values) - fields):
        raise ModelError(f"detection head '{plain['kind']}' has no field '{unknown[0]}'")
    try:
        if "anchors" in values:
            values["anchors"] = tuple((float(w), float(h)) for w, h in values["anchors"])
        values["size"] = (int(values["size"][0]), int(values["size"][1]))
        return kind(**values)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(f"detection head '{plain['kind']}' is incomplete ({error})") from None
