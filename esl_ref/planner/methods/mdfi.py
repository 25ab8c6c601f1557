# SPDX-License-Identifier: Apache-2.0
"""MDFI, Micro Darknet for Inference (ISOCC 2019): allocate layer by layer and free at the last use.

Beside it the two baselines it is measured against, both in Darknet's float32: everything Darknet allocates (weights and
outputs with their gradients, normalisation's copies, pooling's indices, one im2col workspace), and Darknet with the
training buffers taken out but everything else allocated at once.

With weights streamed layer by layer there are three accountings, which differ in the workspace of a convolution.
`executed` is what this project's float executor takes: it unfolds as many output rows as fit a workspace of 1 MiB, and
reads the weights of fully connected layers in parts, since each is used once. `streamed` has the whole im2col matrix of
the running layer, as Darknet forms it. `direct` has none: an accelerator forms windows on the fly.
"""

from __future__ import annotations

from dataclasses import dataclass

from esl_ref.floating.accounting import layerwise_bytes
from esl_ref.frontends.darknet import Cfg, float_graph, without_tree
from esl_ref.frontends.darknet.layers import Layer, Network
from esl_ref.frontends.darknet.shapes import shape_cfg
from esl_ref.planner.methods.storage import layerwise
from esl_ref.workloads.graph import Kind, Node, ShapeGraph

__all__ = ["Comparison", "compare", "darknet_full", "darknet_inference", "mdfi_resident", "mdfi_streamed", "workspace"]

FLOAT = 4
"""Darknet computes in float32; all figures here are bytes of that."""

# Copies of its output that a layer allocates: value and gradient, and for max-pooling the indices.
_OUTPUTS = {"maxpool": 3, "crop": 1, "dropout": 0, "cost": 2}
_NORMALISED = 4


@dataclass(frozen=True)
class Comparison:
    """Bytes of one configuration by each way of allocating."""

    name: str
    full: int
    inference: int
    resident: int
    executed: int
    streamed: int
    direct: int


def workspace(node: Node, graph: ShapeGraph) -> int:
    """Bytes of the im2col matrix of one convolution: kernel volume of a group by output positions."""
    if node.kind is not Kind.CONV:
        return 0
    channels = graph[node.inputs[0]].shape[2] // node.groups
    return node.shape[0] * node.shape[1] * node.kernel[0] * node.kernel[1] * channels * FLOAT


def _values(node: Node) -> int:
    return node.shape[0] * node.shape[1] * node.shape[2]


def _weights(node: Node) -> int:
    return node.weights + node.biases


def _shared_workspace(graph: ShapeGraph) -> int:
    return max((workspace(node, graph) for node in graph.nodes), default=0)


def _layer_full(layer: Layer, node: Node) -> int:
    """Floats that Darknet allocates for one layer, the workspace aside."""
    copies = _NORMALISED if node.norm else _OUTPUTS.get(layer.kind, 2)
    return copies * _values(node) + 2 * _weights(node)


def darknet_full(cfg: Cfg) -> int:
    """Everything Darknet allocates to run a network, training buffers included."""
    floats = sum(_layer_full(layer, cfg.graph[name]) for layer, name in cfg.layers)
    return (floats + _values(cfg.graph.nodes[0])) * FLOAT + _shared_workspace(cfg.graph)


def darknet_inference(cfg: Cfg) -> int:
    """Weights once, every output once, one workspace: nothing is freed before the end."""
    floats = sum(
        _weights(cfg.graph[name]) + (_values(cfg.graph[name]) if layer.kind not in ("dropout", "cost") else 0)
        for layer, name in cfg.layers
    )
    return (floats + _values(cfg.graph.nodes[0])) * FLOAT + _shared_workspace(cfg.graph)


def _live(graph: ShapeGraph, copies: bool) -> list[int]:
    """Bytes of tensors alive at every node, in float32; a route copies, as Darknet's does, if `copies`."""
    problem = layerwise(graph.with_itemsize(FLOAT), copies=copies)
    return [sum(b.size for b in problem.buffers if b.lower <= k < b.upper) for k in range(len(graph.nodes))]


def mdfi_resident(cfg: Cfg) -> int:
    """Outputs freed at their last use, workspace of the running layer only; all weights stay loaded."""
    graph = cfg.graph
    live = zip(_live(graph, copies=True), graph.nodes, strict=True)
    weights = sum(map(_weights, graph.nodes)) * FLOAT
    return weights + max(alive + workspace(node, graph) for alive, node in live)


def mdfi_streamed(cfg: Cfg, im2col: bool = True) -> int:
    """As `mdfi_resident`, with only the running layer's weights loaded; without `im2col` nor its workspace."""
    graph = cfg.graph
    live = _live(graph, copies=im2col)
    return max(
        alive + im2col * workspace(node, graph) + _weights(node) * FLOAT
        for alive, node in zip(live, graph.nodes, strict=True)
    )


def compare(network: Network) -> Comparison:
    """All ways side by side."""
    cfg, executor = shape_cfg(network), layerwise_bytes(float_graph(without_tree(network), None))
    return Comparison(
        network.name, darknet_full(cfg), darknet_inference(cfg), mdfi_resident(cfg), executor, mdfi_streamed(cfg),
        mdfi_streamed(cfg, im2col=False),
    )  # fmt: skip
