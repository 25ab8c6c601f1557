# SPDX-License-Identifier: Apache-2.0
"""A small language for topologies: each method appends one node and returns its name.

Padding is "same" (TensorFlow's: output ceil(size / stride), the odd row or column at the end), "valid", an int on all
sides, or (top, bottom, left, right). Normalised layers (`norm=True`) have no bias of their own; folding gives them one.
"""

from __future__ import annotations

from typing import TypeAlias

from esl_ref.errors import ModelError
from esl_ref.workloads.graph import Kind, Node, Shape, ShapeGraph

__all__ = ["Builder", "Pad", "Pair"]

Pair: TypeAlias = int | tuple[int, int]
Pad: TypeAlias = str | int | tuple[int, int] | tuple[int, int, int, int]


class Builder:
    """Collects nodes; `last` is the newest name and the default input of every method."""

    def __init__(self, name: str, shape: Shape, itemsize: int = 1) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.last = ""
        self._add(Node("input", Kind.INPUT, (), shape, itemsize=itemsize))

    def shape(self, name: str | None = None) -> Shape:
        """Shape of a node, by default the newest."""
        return self.nodes[name or self.last].shape

    def conv(self, channels: int, kernel: Pair = 1, stride: Pair = 1, pad: Pad = "same", *, source: str | None = None,
             groups: int = 1, dilation: Pair = 1, bias: bool = True, norm: bool = False,
             name: str | None = None) -> str:  # fmt: skip
        """Convolution with clamp-like activation; `norm` or `bias` gives one folded bias per channel."""
        inputs, (h, w, c) = self._source(source)
        kh, kw = _pair(kernel)
        shape, window = self._window((h, w, channels), (kh, kw), _pair(stride), pad, _pair(dilation))
        weights = kh * kw * (c // groups) * channels
        biases = channels if bias or norm else 0
        return self._add(Node(
            name or self._fresh("conv"), Kind.CONV, inputs, shape,
            (kh, kw), _pair(stride), window, _pair(dilation), groups,
            weights=weights, biases=biases, norm=norm, macs=weights * shape[0] * shape[1],
        ))  # fmt: skip

    def depthwise(self, kernel: Pair = 3, stride: Pair = 1, pad: Pad = "same", *, multiplier: int = 1,
                  source: str | None = None, norm: bool = False, name: str | None = None) -> str:  # fmt: skip
        """Depthwise convolution: `multiplier` output channels for each channel."""
        inputs, (h, w, c) = self._source(source)
        kh, kw = _pair(kernel)
        shape, window = self._window((h, w, c * multiplier), (kh, kw), _pair(stride), pad, (1, 1))
        weights = kh * kw * shape[2]
        return self._add(Node(
            name or self._fresh("depthwise"), Kind.DEPTHWISE, inputs, shape, (kh, kw), _pair(stride), window, groups=c,
            weights=weights, biases=shape[2], norm=norm, macs=weights * shape[0] * shape[1],
        ))  # fmt: skip

    def pool(self, kind: Kind, kernel: Pair, stride: Pair | None = None, pad: Pad = "valid", *, ceil: bool = False,
             source: str | None = None, name: str | None = None) -> str:  # fmt: skip
        """Pooling; `ceil` rounds the output size up, the surplus being padding below and to the right."""
        inputs, shape = self._source(source)
        steps = _pair(kernel if stride is None else stride)
        result, window = self._window(shape, _pair(kernel), steps, pad, (1, 1), ceil)
        return self._add(Node(name or self._fresh(kind.value), kind, inputs, result, _pair(kernel), steps, window))

    def max_pool(self, kernel: Pair, stride: Pair | None = None, pad: Pad = "valid", *, ceil: bool = False,
                 source: str | None = None) -> str:  # fmt: skip
        """`pool` by the largest element."""
        return self.pool(Kind.MAX_POOL, kernel, stride, pad, ceil=ceil, source=source)

    def mean(self, source: str | None = None) -> str:
        """Global average over the whole map."""
        inputs, shape = self._source(source)
        return self._add(Node(self._fresh("mean"), Kind.MEAN, inputs, (1, 1, shape[2])))

    def dense(self, channels: int, *, source: str | None = None, bias: bool = True, name: str | None = None) -> str:
        """Fully connected over the flattened input."""
        inputs, shape = self._source(source)
        weights = shape[0] * shape[1] * shape[2] * channels
        return self._add(Node(name or self._fresh("dense"), Kind.DENSE, inputs, (1, 1, channels), weights=weights,
                              biases=channels if bias else 0, macs=weights))  # fmt: skip

    def embed(self, channels: int, vocabulary: int, source: str | None = None) -> str:
        """Table lookup of every token: (tokens, 1, 1) -> (tokens, 1, channels)."""
        inputs, (h, w, _) = self._source(source)
        return self._add(
            Node(self._fresh("embed"), Kind.EMBED, inputs, (h, w, channels), weights=vocabulary * channels)
        )

    def add(self, *sources: str) -> str:
        """Elementwise sum of maps of one shape."""
        shape = self.shape(sources[0])
        if any(self.shape(s) != shape for s in sources):
            raise ModelError(f"adds unequal shapes {[self.shape(s) for s in sources]}", where=f"graph '{self.name}'")
        return self._add(Node(self._fresh("add"), Kind.ADD, sources, shape))

    def concat(self, *sources: str, name: str | None = None) -> str:
        """Side by side along channels."""
        h, w, _ = self.shape(sources[0])
        if any(self.shape(s)[:2] != (h, w) for s in sources):
            raise ModelError(f"concatenates maps {[self.shape(s) for s in sources]}", where=f"graph '{self.name}'")
        channels = sum(self.shape(s)[2] for s in sources)
        return self._add(Node(name or self._fresh("concat"), Kind.CONCAT, sources, (h, w, channels)))

    def upsample(self, scale: int, source: str | None = None) -> str:
        """Nearest neighbour by a whole factor."""
        inputs, (h, w, c) = self._source(source)
        return self._add(Node(self._fresh("upsample"), Kind.UPSAMPLE, inputs, (h * scale, w * scale, c), scale=scale))

    def reorg(self, scale: int, source: str | None = None) -> str:
        """Darknet's reorg, [h, w, c] to [h / s, w / s, c s^2]. It is not space to depth: it takes the elements, channel
        by channel, as those of a map of s^2 fewer channels, so that every output row reads rows from all over the
        input."""
        inputs, (h, w, c) = self._source(source)
        shape = (h // scale, w // scale, c * scale * scale)
        return self._add(Node(self._fresh("reorg"), Kind.TRANSPOSE, inputs, shape))

    def table(self, source: str | None = None, kind: Kind = Kind.TABLE) -> str:
        """Any unary function of single elements (leaky ReLU, logistic), or softmax with `kind`."""
        inputs, shape = self._source(source)
        return self._add(Node(self._fresh(kind.value), kind, inputs, shape))

    def reshape(self, shape: Shape, source: str | None = None) -> str:
        """The same bytes as another shape."""
        inputs, _ = self._source(source)
        return self._add(Node(self._fresh("reshape"), Kind.RESHAPE, inputs, shape))

    def build(self, *outputs: str) -> ShapeGraph:
        """The graph, with the newest node as its output if none is named."""
        return ShapeGraph(self.name, tuple(self.nodes.values()), outputs or (self.last,))

    def _source(self, source: str | None) -> tuple[tuple[str, ...], Shape]:
        name = source or self.last
        return (name,), self.nodes[name].shape

    def _fresh(self, stem: str) -> str:
        return f"{stem}{sum(n.rstrip('0123456789') == stem for n in self.nodes) + 1}"

    def _add(self, node: Node) -> str:
        self.nodes[node.name] = node
        self.last = node.name
        return node.name

    def _window(self, shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], pad: Pad,
                dilation: tuple[int, int], ceil: bool = False) -> tuple[Shape, tuple[int, int, int, int]]:  # fmt: skip
        """Output shape for an input (h, w) with `shape[2]` output channels, and explicit padding on four sides."""
        out, pads = [], []
        sides = _sides(pad)
        for axis in range(2):
            reach = (kernel[axis] - 1) * dilation[axis] + 1
            size, before, after = shape[axis], sides[2 * axis], sides[2 * axis + 1]
            if pad == "same":
                count = -(-size // stride[axis])
                total = max(0, (count - 1) * stride[axis] + reach - size)
                before, after = total // 2, total - total // 2
            else:
                room = size + before + after - reach
                count = (-(-room // stride[axis]) if ceil else room // stride[axis]) + 1
                if ceil and (count - 1) * stride[axis] >= size + before:
                    count -= 1  # a window must not start in the padding
                after = max(after, (count - 1) * stride[axis] + reach - size - before) if ceil else after
            out.append(count)
            pads += [before, after]
        return (out[0], out[1], shape[2]), (pads[0], pads[1], pads[2], pads[3])


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _sides(pad: Pad) -> tuple[int, int, int, int]:
    if isinstance(pad, str):
        return (0, 0, 0, 0)
    if isinstance(pad, int):
        return (pad, pad, pad, pad)
    return pad if len(pad) == 4 else (pad[0], pad[0], pad[1], pad[1])
