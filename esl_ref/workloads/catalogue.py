# SPDX-License-Identifier: Apache-2.0
"""Built-in workloads by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from esl_ref.errors import InputError
from esl_ref.workloads import classic, inception, mobile, tiny, yolo
from esl_ref.workloads.graph import ShapeGraph

__all__ = ["NAMES", "named", "workload"]

_BUILDERS: dict[str, Callable[[], ShapeGraph]] = {
    "alexnet": classic.alexnet,
    "cif": tiny.cif,
    "googlenet": inception.googlenet,
    "inception_v3": inception.inception_v3,
    "kws": tiny.kws,
    "mobilenet_v1": mobile.mobilenet_v1,
    "mobilenet_v2": mobile.mobilenet_v2,
    "mobilenet_v2_035_144": partial(mobile.mobilenet_v2, 0.35, 144, name="mobilenet_v2_035_144"),
    "mw": tiny.mw,
    "resnet18": classic.resnet18,
    "resnet50": classic.resnet50,
    "resnet8": tiny.resnet8,
    "squeezenet11": classic.squeezenet11,
    "ssd_mobilenet_v1_075": mobile.ssd_mobilenet_v1,
    "tiny_yolo_v2": yolo.tiny_yolo_v2,
    "tiny_yolo_v3": yolo.tiny_yolo_v3,
    "txt": tiny.txt,
    "vgg16": classic.vgg16,
    "vww": tiny.vww,
    "yolo_v2": yolo.yolo_v2,
}

NAMES = tuple(_BUILDERS)
_OTHER_NAMES = {"squeezenet": "squeezenet11", "ssdmobilenet": "ssd_mobilenet_v1_075", "ssd": "ssd_mobilenet_v1_075",
                "yolov2tiny": "tiny_yolo_v2", "yolov3tiny": "tiny_yolo_v3"}  # fmt: skip
_SPELLINGS = _OTHER_NAMES | {name.replace("_", ""): name for name in NAMES}


def named(name: str) -> str | None:
    """The built-in workload that `name` means, however it is written (YOLOv2, yolo-v2, SqueezeNet1.1), or None."""
    return _SPELLINGS.get("".join(c for c in name.lower() if c.isalnum()))


@cache
def workload(name: str) -> ShapeGraph:
    """The built-in workload `name`; InputError lists the names there are."""
    key = named(name)
    if key is None:
        raise InputError(f"no built-in workload '{name}'", hint=f"there are: {', '.join(NAMES)}")
    return _BUILDERS[key]()
