# SPDX-License-Identifier: Apache-2.0
"""Pictures from files, as pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from esl_ref.errors import InputError

__all__ = ["MODES", "read_pixels"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's name for pictures of so many channels."""

_MOST_PIXELS = 1 << 26


def read_pixels(path: Path, channels: int = 3) -> npt.NDArray[np.uint8]:
    """[height, width, channels] of a picture, turned as its EXIF data says; InputError if it cannot be decoded."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    where = str(path)
    if channels not in MODES:
        raise InputError(f"a picture does not fit an input of {channels} channels", where=where,
                         hint="1, 3 or 4 channels are needed; give an .npy or .npz file")  # fmt: skip
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise InputError(f"{picture.width} x {picture.height} pixels are too many", where=where)
            upright = ImageOps.exif_transpose(picture).convert(MODES[channels])
    except FileNotFoundError as error:
        raise InputError("no such file", where=where) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"is not a picture that can be read ({error})", where=where) from error
    return np.asarray(upright, np.uint8).reshape(upright.height, upright.width, channels)
