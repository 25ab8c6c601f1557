# SPDX-License-Identifier: Apache-2.0
"""Debian's `darknet` as an oracle: its library's last layer, in a process of its own.

The library ends its process on errors and prints freely, and it brings OpenCV and Qt along; so tests run this file as
a script, with all they want to know at once.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

LIBRARY = Path("/usr/lib/darknet/libdarknet.so")


def need_darknet() -> None:
    """Skip the calling test where the oracle is not installed."""
    if not LIBRARY.is_file():
        pytest.skip("Debian's darknet is not installed (apt install darknet): no independent float oracle")


def environment() -> dict[str, str]:
    return {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


@dataclass(frozen=True)
class Job:
    """One network and one picture (height, width, channels); `shape` is the last layer's."""

    cfg: Path
    weights: Path
    image: np.ndarray
    shape: tuple[int, int, int]


def predict(jobs: Sequence[Job], folder: Path) -> list[np.ndarray]:
    """What Darknet's last layer gives for every job, as (height, width, channels)."""
    listed = []
    for k, job in enumerate(jobs):
        given = folder / f"given{k}.npy"
        np.save(given, np.ascontiguousarray(job.image.transpose(2, 0, 1), np.float32))
        listed.append([str(job.cfg), str(job.weights), str(given), str(folder / f"made{k}.npy"), *job.shape])
    (folder / "jobs.json").write_text(json.dumps(listed))
    words = [sys.executable, __file__, str(folder / "jobs.json")]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace",
                          timeout=600, env=environment(), cwd=folder)  # fmt: skip
    assert done.returncode == 0, f"darknet failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}"
    return [np.load(made).reshape(c, h, w).transpose(1, 2, 0) for _, _, _, made, h, w, c in listed]


def detect(
    cfg: Path, weights: Path, picture: Path, classes: int, threshold: float, folder: Path
) -> dict[str, np.ndarray]:
    """Darknet's `detector test` in numbers: the `picture` it read and what it made of it (`letterboxed`), both [H, W,
    C], and rows of `objects`: x, y, width, height in parts of the picture, class, probability."""
    made = folder / "made.npz"
    words = [sys.executable, __file__, str(cfg), str(weights), str(picture), str(classes), str(threshold), str(made)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace",
                          timeout=600, env=environment(), cwd=folder)  # fmt: skip
    assert done.returncode == 0, f"darknet failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}"
    return dict(np.load(made))


class _Image(ctypes.Structure):
    _fields_ = (("w", ctypes.c_int), ("h", ctypes.c_int), ("c", ctypes.c_int), ("data", ctypes.POINTER(ctypes.c_float)))

    def array(self) -> np.ndarray:
        return np.ctypeslib.as_array(self.data, (self.c, self.h, self.w)).transpose(1, 2, 0).copy()


class _Detection(ctypes.Structure):
    _fields_ = (("box", ctypes.c_float * 4), ("classes", ctypes.c_int), ("prob", ctypes.POINTER(ctypes.c_float)),
                ("mask", ctypes.c_void_p), ("objectness", ctypes.c_float), ("sort_class", ctypes.c_int))  # fmt: skip


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    library.load_network.restype = library.network_predict.restype = ctypes.c_void_p
    library.load_image_color.restype = library.letterbox_image.restype = _Image
    library.letterbox_image.argtypes = (_Image, ctypes.c_int, ctypes.c_int)
    library.get_network_boxes.restype = ctypes.POINTER(_Detection)
    library.get_network_boxes.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_float, ctypes.c_float,
                                          ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int))  # fmt: skip
    library.do_nms_sort.argtypes = (ctypes.POINTER(_Detection), ctypes.c_int, ctypes.c_int, ctypes.c_float)
    return library


def _predict_all(path: str) -> None:
    library = _library()
    for cfg, weights, given, made, *shape in json.loads(Path(path).read_text()):
        network = ctypes.c_void_p(library.load_network(cfg.encode(), weights.encode(), 0))
        library.set_batch_network(network, 1)
        image = np.load(given)
        result = library.network_predict(network, image.ctypes.data_as(ctypes.c_void_p))
        values = np.ctypeslib.as_array(ctypes.cast(result, ctypes.POINTER(ctypes.c_float)), (int(np.prod(shape)),))
        np.save(made, values.copy())
        library.free_network(network)


def _detect(cfg: str, weights: str, picture: str, classes: str, threshold: str, made: str) -> None:
    library = _library()
    network = ctypes.c_void_p(library.load_network(cfg.encode(), weights.encode(), 0))
    library.set_batch_network(network, 1)
    image = library.load_image_color(picture.encode(), 0, 0)
    boxed = library.letterbox_image(image, library.network_width(network), library.network_height(network))
    library.network_predict(network, boxed.data)
    count = ctypes.c_int(0)
    least, kinds = float(threshold), int(classes)
    found = library.get_network_boxes(network, image.w, image.h, least, 0.5, None, 1, ctypes.byref(count))
    library.do_nms_sort(found, count.value, kinds, 0.45)
    rows = [(*each.box, k, each.prob[k]) for each in found[: count.value] for k in range(kinds)
            if each.prob[k] > least]  # fmt: skip
    np.savez(made, picture=image.array(), letterboxed=boxed.array(), objects=np.array(rows).reshape(-1, 6))


if __name__ == "__main__":
    _predict_all(*sys.argv[1:]) if len(sys.argv) == 2 else _detect(*sys.argv[1:])
