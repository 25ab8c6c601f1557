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
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, env=environment(), cwd=folder)
    assert done.returncode == 0, f"darknet failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}"
    return [np.load(made).reshape(c, h, w).transpose(1, 2, 0) for _, _, _, made, h, w, c in listed]


def _main(path: str) -> None:
    library = ctypes.CDLL(str(LIBRARY))
    library.load_network.restype = ctypes.c_void_p
    library.network_predict.restype = ctypes.POINTER(ctypes.c_float)
    for cfg, weights, given, made, *shape in json.loads(Path(path).read_text()):
        network = ctypes.c_void_p(library.load_network(cfg.encode(), weights.encode(), 0))
        library.set_batch_network(network, 1)
        image = np.load(given)
        result = library.network_predict(network, image.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
        np.save(made, np.ctypeslib.as_array(result, (int(np.prod(shape)),)).copy())
        library.free_network(network)


if __name__ == "__main__":
    _main(*sys.argv[1:])
