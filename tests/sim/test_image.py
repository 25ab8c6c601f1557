# SPDX-License-Identifier: Apache-2.0
"""Image files: byte order, padding and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from esl_ref.errors import InputError
from sim.image import read_image, write_image


@pytest.mark.parametrize("word_bytes", [8, 16])
def test_round_trip_pads_to_whole_words(tmp_path, word_bytes):
    image = np.random.default_rng(3).integers(0, 256, 1003, dtype=np.uint8)
    write_image(tmp_path / "x.hex", image, word_bytes)
    back = read_image(tmp_path / "x.hex", word_bytes)
    assert back.size % word_bytes == 0 and back.size - image.size < word_bytes
    assert (back[: image.size] == image).all() and not back[image.size :].any()


def test_a_word_is_little_endian(tmp_path):
    write_image(tmp_path / "x.hex", np.arange(1, 11, dtype=np.uint8), 8)
    assert (tmp_path / "x.hex").read_text() == "0807060504030201\n0000000000000a09\n"


def test_empty_image(tmp_path):
    write_image(tmp_path / "x.hex", np.zeros(0, np.uint8), 8)
    assert read_image(tmp_path / "x.hex", 8).size == 0


def test_comments_and_addresses_of_the_simulator_are_skipped(tmp_path):
    (tmp_path / "x.hex").write_text("// dumped\n@0\n0000000000000102\n")
    assert list(read_image(tmp_path / "x.hex", 8)[:2]) == [2, 1]


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.uint8), np.zeros(4, np.int8)])
def test_other_arrays_are_refused(tmp_path, image):
    with pytest.raises(InputError, match="vector of uint8"):
        write_image(tmp_path / "x.hex", image, 8)


def test_a_torn_file_is_refused(tmp_path):
    (tmp_path / "x.hex").write_text("010203\n")
    with pytest.raises(InputError, match="3 bytes are not whole words of 8"):
        read_image(tmp_path / "x.hex", 8)
