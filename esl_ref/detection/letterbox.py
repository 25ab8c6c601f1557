# SPDX-License-Identifier: Apache-2.0
"""Pictures brought to a network's input exactly as Darknet does it, and boxes brought back.

Darknet's bilinear resize puts the corners' centres onto each other, first along rows and then along columns, in
float32. Letterboxing keeps the proportions and fills the rest with 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Fit", "letterbox", "resize", "stretch"]

FloatArray = npt.NDArray[np.float32]
_GREY = 0.5


@dataclass(frozen=True)
class Fit:
    """How a picture lies in a network's input; all sizes are (height, width), `inner` is the picture's part."""

    picture: tuple[int, int]
    network: tuple[int, int]
    inner: tuple[int, int]

    @classmethod
    def boxed(cls, picture: tuple[int, int], network: tuple[int, int]) -> Fit:
        """As large as proportions allow."""
        (h, w), (net_h, net_w) = picture, network
        if np.float32(net_w) / np.float32(w) < np.float32(net_h) / np.float32(h):
            return cls(picture, network, (max(1, h * net_w // w), net_w))
        return cls(picture, network, (net_h, max(1, w * net_h // h)))

    @classmethod
    def stretched(cls, picture: tuple[int, int], network: tuple[int, int]) -> Fit:
        """The picture fills the network's input, whatever its proportions."""
        return cls(picture, network, network)

    def to_picture(self, boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Boxes (x, y, width, height) in parts of the network's input, in parts of the picture."""
        (h, w), (inner_h, inner_w) = self.network, self.inner
        x, y, wide, high = np.asarray(boxes, np.float64).reshape(-1, 4).T
        return np.stack([
            (x - (w - inner_w) / 2 / w) / (inner_w / w), (y - (h - inner_h) / 2 / h) / (inner_h / h),
            wide * w / inner_w, high * h / inner_h,
        ], axis=1)  # fmt: skip


def _taps(size: int, out: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """(first source index, weight of the second) of every output index but the last, which has rules of its own."""
    scale = np.float32(size - 1) / np.float32(max(out - 1, 1))
    places = np.arange(out, dtype=np.float32) * scale
    first = np.minimum(places.astype(np.int64), size - 1)
    return first, places - first.astype(np.float32)


def resize(picture: FloatArray, size: tuple[int, int]) -> FloatArray:
    """A picture [H, W, C] at another size (height, width).

    As in Darknet the last column is the picture's last. The last row only takes its upper neighbour's part, so that
    where rounding puts it just above the picture's last row, it is nearly black.
    """
    h, w, _ = picture.shape
    (high, wide), one = size, np.float32(1)
    first, weight = _taps(w, wide)
    second, by = np.minimum(first + 1, w - 1), weight[None, :, None]
    part = (one - by) * picture[:, first] + by * picture[:, second]
    part[:, -1] = picture[:, -1]
    if w == 1:
        part[:] = picture
    first, weight = _taps(h, high)
    by = weight[:, None, None]
    result = (one - by) * part[first]
    if h > 1:
        result[:-1] += by[:-1] * part[np.minimum(first[:-1] + 1, h - 1)]
    return np.asarray(result, np.float32)


def letterbox(picture: FloatArray, network: tuple[int, int]) -> tuple[FloatArray, Fit]:
    """[H, W, C] of the network's size, the picture in its middle, and how it lies there."""
    fit = Fit.boxed((picture.shape[0], picture.shape[1]), network)
    result = np.full((*network, picture.shape[2]), _GREY, np.float32)
    top, left = ((a - b) // 2 for a, b in zip(network, fit.inner, strict=True))
    result[top : top + fit.inner[0], left : left + fit.inner[1]] = resize(picture, fit.inner)
    return result, fit


def stretch(picture: FloatArray, network: tuple[int, int]) -> tuple[FloatArray, Fit]:
    """[H, W, C] of the network's size, whatever the proportions."""
    return resize(picture, network), Fit.stretched((picture.shape[0], picture.shape[1]), network)
