# SPDX-License-Identifier: Apache-2.0
"""Configurations that are wrong are told where, and what is ignored is told too."""

from __future__ import annotations

from pathlib import Path

import pytest

from esl_ref.errors import EslError, ModelError, UnsupportedError
from esl_ref.frontends.darknet import read_network
from esl_ref.frontends.darknet.layers import Convolutional, MaxPool, Route
from esl_ref.frontends.darknet.sections import MOST_BYTES, sections
from tests.esl_ref.frontends.darknet.nets import CASES, net

SMALL = net(8, 8, 4, "convolutional filters=4 size=3 pad=1; maxpool size=2 stride=2; convolutional filters=3")


def read(tmp_path: Path, text: str):
    path = tmp_path / "net.cfg"
    path.write_text(text)
    return read_network(path)


def layer(body: str) -> str:
    """A configuration with one more layer after three."""
    return SMALL + "\n" + net(1, 1, 1, body).split("\n\n", 1)[1]


MALFORMED = {
    "": "does not begin with",
    "height=3\n": "is no option",
    "[net]\nheight\n": "line 2: 'height' is no option",
    "[convolutional]\n": "does not begin with",
    "[net]\nheight=8\nwidth=8\nchannels=3\n": "has no layers",
    "[net]\nheight=8\nwidth=8\nchannels=x\n": "line 4: option channels = 'x' is not an integer",
    "[net]\nheight=0\nwidth=8\nchannels=3\n": "height = 0 must be at least 1",
    "[net]\nheight=8\nwidth=8\nchannels=3\ninputs=7\n": "inputs = 7",
    "[net]\nhieght=8\n": "unknown key 'hieght'; did you mean 'height'",
    layer("route layers=-9"): r"\[route\] at line 18, line 19: refers to layer -9, which is not before it \(this is",
    layer("route layers=3"): "refers to layer 3",
    layer("shortcut from=4"): "refers to layer 4",
    layer("route"): "names no layers",
    layer("route layers=a"): "'a' is not an integer",
    layer("route layers=-1,b"): "'-1,b' is not a list of integers",
    layer("route layers=0,1"): "joins maps of different sizes",
    layer("route layers=0 groups=3"): "3 groups do not divide 4 channels",
    layer("route layers=0 groups=2 group_id=2"): "group_id = 2 must be from 0 to 1",
    layer("shortcut from=0 alpha=nan"): "is not a number",
    layer("convolutional padding=-1"): "padding = -1 must be at least 0",
    layer("convolutional stride=0"): "stride = 0 must be at least 1",
    layer("convolutional size=9"): "a window of 9 does not fit into 4 with padding 0",
    layer("convolutional groups=2"): "2 groups do not divide 3 channels",
    layer("convolutional paddding=1"): "unknown key 'paddding'; did you mean 'padding'",
    layer("crop crop_height=9"): "crops 9x1 out of 4x4",
    layer("softmax groups=5"): "5 groups do not divide 48",
    layer("softmax temperature=0"): "temperature 0.0 must be positive",
    layer("yolo classes=2 num=3"): "needs 21 channels, the layer before it has 3",
    layer("yolo num=3 mask=3"): "mask names anchors beyond num = 3",
    layer("yolo num=3 anchors=1,2,3"): "3 numbers are too few for 3 anchors",
    layer("region classes=2"): "needs 7 channels",
    layer("detection classes=2 coords=4"): "needs 343 values, the layer before it has 48",
    layer("scale_channels from=0"): "multiplies maps",
}
UNSUPPORTED = {
    "[net]\nbatch=1\n": "no height",
    "[net]\nheight=8\nwidth=8\nchannels=1000000000\n[maxpool]\n": "an input of 64,000,000,000 elements is too large",
    layer("rnn"): "recurrent",
    layer("frobnicate"): "layer 'frobnicate' is unknown; supported are",
    layer("deconvolutional"): "layer 'deconvolutional' is not supported",
    layer("convolutional activation=sine"): "unknown activation 'sine'; there are",
    layer("convolutional activation=clip"): "unknown activation 'clip'",
    layer("convolutional xnor=1"): "xnor = 1 is not supported",
    layer("convolutional size=3 dilation=2"): "use pad=1",
    layer("convolutional filters=1000000000"): "an output of 16,000,000,000 elements is too large; at most",
    layer("avgpool; connected output=200000000"): "600,000,000 weights|weights are too many",
    layer("upsample stride=100000"): "is too large",
    layer("upsample stride=-2"): "stride -2 is not supported",
    layer("maxpool size=2 padding=4"): "windows of 2 that lie outside",
    layer("local size=5 pad=1"): "use size=3",
    layer("reorg stride=3"): "stride 3 does not divide",
    layer("reorg flatten=1"): "only flatten = 0 is",
    layer("shortcut from=-1,-2"): "adds 2 layers",
    layer("detection"): "1 coordinates per box",
    layer("region classes=1 num=1 coords=4 background=1"): "a background class",
    net(1, 1, 6, "yolo classes=1; avgpool"): "reads layer 0, which is a detection head",
    net(1, 1, 6, "yolo classes=1; route layers=0"): "reads layer 0, which is a detection head",
}


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed(text: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=MALFORMED[text]) as caught:
        read(tmp_path, text)
    assert "net.cfg" in str(caught.value)


@pytest.mark.parametrize("text", UNSUPPORTED)
def test_unsupported(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=UNSUPPORTED[text]) as caught:
        read(tmp_path, text)
    assert "net.cfg" in str(caught.value)


def test_files_that_are_no_configurations(tmp_path: Path) -> None:
    for name, data, match in (("a", b"\0\0\0\0", "is no text"), ("b", b"x" * (MOST_BYTES + 1), "is larger than")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=match):
            read_network(tmp_path / name)
    with pytest.raises(ModelError, match="cannot be read"):
        read_network(tmp_path / "none.cfg")
    with pytest.raises(UnsupportedError, match="has 5,000 layers"):
        read(tmp_path, net(1, 1, 1, ";".join(["dropout"] * 5000)))


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    text = "[net]\nheight=8\nwidth=8\nchannels=3\nbatch=64\nsubdivisions=8\n[conv]\nfilters=2\nfilters=3\ndontsave=1\n"
    network = read(tmp_path, text)
    assert network.layers[0].shape == (8, 8, 2)
    assert network.notes == ("[conv] at line 7: 'filters' is given again, the first counts",
                             "[net]: not read in inference: batch, subdivisions",
                             "[conv]: not read in inference: dontsave")  # fmt: skip


def test_what_versions_of_darknet_compute_differently(tmp_path: Path) -> None:
    """The first Darknet multiplies by the input as it lies where the kernel is 1 x 1, whatever stride and padding."""
    network = read(tmp_path, net(9, 9, 3, "convolutional stride=2; convolutional pad=1; convolutional padding=1"))
    (note,) = network.notes
    assert "stride or padding in layers 0, 2: computed as such" in note
    assert [layer.shape[0] for layer in network.layers] == [5, 5, 7]


def test_comments_blanks_and_aliases() -> None:
    (block,), notes = sections(" [net]  # a\n ; b\nheight = 3 \n")
    assert (block.kind, block.number("height"), block.line, notes) == ("net", 3, 1, [])


def test_files_from_other_systems(tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert [layer.shape for layer in read_network(tmp_path / "net.cfg").layers] == [(8, 8, 4), (4, 4, 4), (4, 4, 3)]


def test_defaults(tmp_path: Path) -> None:
    """Darknet's: one logistic filter; pooling as wide as its stride, padded by one less."""
    conv, pool = read(tmp_path, net(9, 9, 3, "convolutional; maxpool stride=3")).layers
    assert isinstance(conv, Convolutional) and isinstance(pool, MaxPool)
    assert (conv.shape, conv.size, conv.pad, conv.activation.function.value) == ((9, 9, 1), 1, 0, "logistic")
    assert (pool.size, pool.shape[:2], pool.padding.top, pool.padding.bottom) == (3, (3, 3), 1, 0)


def test_strides_per_axis_dilation_and_parts_of_routes(tmp_path: Path) -> None:
    """What Darknet's forks add."""
    conv, dilated, route = read(tmp_path, net(
        12, 9, 3, "convolutional filters=4 size=3 pad=1 stride_x=3 stride_y=2;"
        "convolutional filters=4 size=3 pad=1 dilation=2; route layers=-1,-2 groups=2 group_id=1")).layers  # fmt: skip
    assert conv.shape == (6, 3, 4)
    assert isinstance(dilated, Convolutional) and (dilated.shape, dilated.pad, dilated.dilation) == ((6, 3, 4), 2, 2)
    assert isinstance(route, Route) and (route.shape, route.parts) == ((6, 3, 4), ((2, 4), (2, 4)))


@pytest.mark.parametrize("case", CASES)
def test_cut_off_files_are_read_or_refused(case: str, tmp_path: Path) -> None:
    """Any other exception than ours would fail here; what is read has no more layers than the whole file."""
    text = CASES[case]
    layers = len(read(tmp_path, text).layers)
    for end in range(0, len(text), 7):
        try:
            assert len(read(tmp_path, text[:end]).layers) <= layers
        except EslError:
            continue
