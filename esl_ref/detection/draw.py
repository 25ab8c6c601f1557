# SPDX-License-Identifier: Apache-2.0
"""Objects drawn into their picture."""

from __future__ import annotations

import colorsys
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from esl_ref.detection.objects import Found
from esl_ref.errors import InputError
from esl_ref.picture import read_pixels

__all__ = ["draw"]

_GOLDEN = 0.618034
"""Steps of the golden ratio around the colour circle keep the colours of neighbouring classes apart."""


def _colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, 0.9, 1.0)
    return int(255 * red), int(255 * green), int(255 * blue)


def draw(picture: Path, objects: Sequence[Found], target: Path) -> None:
    """Write the picture with boxes, names and probabilities to `target`, in the format of its ending.

    InputError if it cannot be written there or the format is unknown.
    """
    from PIL import Image, ImageDraw

    pixels = read_pixels(picture)
    image = Image.fromarray(pixels)
    canvas = ImageDraw.Draw(image)
    size = (image.height, image.width)
    line = max(2, min(size) // 160)
    for each in reversed(objects):  # the most probable on top
        left, top, right, bottom = each.corners(size)
        if right < left or bottom < top:
            continue
        canvas.rectangle((left, top, right, bottom), outline=_colour(each.number), width=line)
        text = f"{each.name} {100 * each.probability:.0f} %"
        label = canvas.textbbox((left, max(0, top - 12)), text)
        canvas.rectangle(label, fill=_colour(each.number))
        canvas.text(label[:2], text, fill=(0, 0, 0), anchor="lt")
    _write(image, target)


def _write(image: object, target: Path) -> None:
    """Whole or not at all."""
    suffix = target.suffix.lower()
    try:
        handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}.", suffix=suffix)
        os.close(handle)
        try:
            image.save(scratch)  # type: ignore[attr-defined]
            os.chmod(scratch, 0o644)  # mkstemp makes private files
            os.replace(scratch, target)
        except BaseException:
            os.unlink(scratch)
            raise
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be written as a picture ({error})", where=str(target),
                         hint="use an ending such as .png or .jpg") from error  # fmt: skip
