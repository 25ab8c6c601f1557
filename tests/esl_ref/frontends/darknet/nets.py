# SPDX-License-Identifier: Apache-2.0
"""Small configurations, one or more for every section and option that means something in inference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from esl_ref.floating import FloatGraph
from esl_ref.frontends.darknet import load_file, read_network
from esl_ref.frontends.darknet.layers import Network
from esl_ref.frontends.darknet.weights import write_weights

__all__ = ["CASES", "image", "made", "net"]


def net(height: int, width: int, channels: int, body: str) -> str:
    """A configuration whose layers are separated by `;` and whose options by blanks."""
    layers = (f"[{kind}]\n" + "\n".join(options) for kind, *options in (part.split() for part in body.split(";")))
    return f"[net]\nheight={height}\nwidth={width}\nchannels={channels}\n\n" + "\n\n".join(layers) + "\n"


def made(folder: Path, text: str, seed: int = 1) -> tuple[Network, Path, Path, FloatGraph]:
    """A configuration written out with seeded weights: (network, cfg, weights, float graph)."""
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    cfg.write_text(text)
    network = read_network(cfg)
    write_weights(weights, network, seed)
    return network, cfg, weights, load_file(cfg, weights)


def image(network: Network, seed: int = 3) -> np.ndarray:
    """Reals of both signs: activations show both sides."""
    return np.random.default_rng(seed).normal(size=network.shape).astype(np.float32) * 2


_POOLS = ((2, 2, None, 9), (2, 1, None, 9), (3, 2, None, 10), (3, 2, None, 9), (5, 1, None, 8), (4, 2, None, 10),
          (4, 2, None, 7), (2, 2, 0, 9), (3, 3, 1, 11), (4, 3, 3, 9), (3, 1, 0, 7), (13, 1, None, 5))  # fmt: skip
_TWO = "convolutional filters=4 size=3 pad=1; convolutional"
_DOWN = f"{_TWO} filters=7 size=3 stride=2 pad=1 activation=linear"

CASES = {
    "strided": net(9, 11, 3, "convolutional filters=6 size=3 stride=2 pad=1 batch_normalize=1 activation=leaky"),
    "groups": net(9, 11, 4, "convolutional filters=6 size=3 padding=2 groups=2"),
    "flipped": net(9, 11, 4, "convolutional filters=6 size=3 pad=1 flipped=1 activation=linear"),
    "even": net(9, 11, 4, "convolutional filters=6 size=4 stride=3 pad=1 activation=elu"),
    "connected": net(5, 4, 3, "connected output=7 batch_normalize=1 activation=plse; connected output=3"),
    "local": net(6, 7, 3, "convolutional filters=3 size=5 pad=1; local filters=4 size=3 pad=1 activation=leaky"),
    "local_strided": net(8, 8, 3, "convolutional filters=3 size=5 pad=1; local filters=4 size=3 stride=2 pad=1"),
    "local_even": net(7, 7, 3, "convolutional filters=3 size=5 pad=1; local filters=4 size=2 stride=2"),
    "avgpool": net(6, 7, 3, "avgpool"),
    "route": net(6, 7, 3, f"{_TWO} filters=2 activation=linear; route layers=-1,0"),
    "shortcut": net(6, 8, 3, f"{_TWO} filters=4; shortcut from=-2 alpha=.5 beta=2 activation=leaky"),
    "shortcut_smaller": net(6, 8, 3, f"{_DOWN}; shortcut from=-2"),
    "shortcut_larger": net(6, 8, 3, f"{_DOWN}; route layers=-2; shortcut from=-2"),
    "upsample": net(3, 4, 2, "upsample stride=3 scale=.5"),
    "reorg": net(4, 6, 8, "reorg stride=2"),
    "reorg_reverse": net(4, 6, 8, "reorg stride=2 reverse=1"),
    "reorg_extra": net(4, 6, 2, "reorg extra=3; softmax"),
    "crop": net(6, 7, 3, "crop crop_height=3 crop_width=4 flip=1"),
    "crop_as_it_is": net(6, 7, 3, "crop crop_height=3 crop_width=4 noadjust=1"),
    "softmax": net(2, 3, 4, "softmax groups=2 temperature=2.5"),
    "dropout": net(6, 7, 3, "convolutional filters=4; dropout probability=.9; connected output=3; softmax; cost"),
    "activation": net(6, 7, 3, "activation activation=stair; logistic"),
    **{f"maxpool_{size}_{stride}_{pad}_{n}":
       net(n, n + 1, 3, f"maxpool size={size} stride={stride}" + (f" padding={pad}" if pad is not None else ""))
       for size, stride, pad, n in _POOLS},
    **{name: net(9, 11, 3, f"convolutional filters=6 size=3 batch_normalize=1 activation={name}")
       for name in ("logistic", "loggy", "relu", "elu", "selu", "relie", "plse", "hardtan", "lhtan", "linear", "ramp",
                    "leaky", "tanh", "stair")},
}  # fmt: skip
"""What Debian's darknet, which knows nothing of its forks' extensions, computes too."""
