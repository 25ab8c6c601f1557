# SPDX-License-Identifier: Apache-2.0
"""GoogLeNet (224 x 224) and Inception v3 (299 x 299), as torchvision builds them for inference (no auxiliary heads)."""

from __future__ import annotations

from collections.abc import Sequence

from esl_ref.workloads.builder import Builder, Pad, Pair
from esl_ref.workloads.graph import Kind, ShapeGraph

__all__ = ["googlenet", "inception_v3"]

_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def googlenet() -> ShapeGraph:
    """Szegedy et al., "Going deeper with convolutions" (CVPR 2015), with torchvision's 3x3 in the third branch."""
    b = Builder("googlenet", (224, 224, 3))
    b.conv(64, 7, 2, 3, norm=True)
    b.max_pool(3, 2, ceil=True)
    b.conv(64, norm=True)
    b.conv(192, 3, norm=True)
    b.max_pool(3, 2, ceil=True)
    for name, (one, reduce3, three, reduce5, five, pool) in _MODULES.items():
        if name == "4a":
            b.max_pool(3, 2, ceil=True)
        if name == "5a":
            b.max_pool(2, 2, ceil=True)
        x = b.last
        branches = [b.conv(one, source=x, norm=True)]
        b.conv(reduce3, source=x, norm=True)
        branches.append(b.conv(three, 3, norm=True))
        b.conv(reduce5, source=x, norm=True)
        branches.append(b.conv(five, 3, norm=True))
        b.max_pool(3, 1, "same", source=x)
        branches.append(b.conv(pool, norm=True))
        b.concat(*branches, name=f"inception_{name}")
    b.mean()
    b.dense(1000)
    return b.build()


Step = tuple[int, Pair, Pair, Pad]
"""Channels, kernel, stride, padding of one convolution of a branch."""


class _V3:
    """Inception v3's blocks over one builder."""

    def __init__(self) -> None:
        self.b = Builder("inception_v3", (299, 299, 3))

    def chain(self, source: str, *steps: Step) -> str:
        for channels, kernel, stride, pad in steps:
            source = self.b.conv(channels, kernel, stride, pad, source=source, norm=True)
        return source

    def pooled(self, source: str, channels: int) -> str:
        self.b.pool(Kind.AVG_POOL, 3, 1, "same", source=source)
        return self.b.conv(channels, norm=True)

    def block(self, name: str, branches: Sequence[str]) -> None:
        self.b.concat(*branches, name=name)


def _one(channels: int) -> Step:
    return (channels, 1, 1, "same")


def _same(channels: int, kernel: Pair) -> Step:
    return (channels, kernel, 1, "same")


def inception_v3() -> ShapeGraph:
    """Szegedy et al., "Rethinking the Inception architecture for computer vision" (CVPR 2016)."""
    v = _V3()
    v.chain("input", (32, 3, 2, "valid"), (32, 3, 1, "valid"), _same(64, 3))
    v.b.max_pool(3, 2)
    v.chain(v.b.last, _one(80), (192, 3, 1, "valid"))
    v.b.max_pool(3, 2)
    for name, pool in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        _a(v, name, pool)
    x = v.b.last
    v.block("Mixed_6a", [
        v.chain(x, (384, 3, 2, "valid")),
        v.chain(x, _one(64), _same(96, 3), (96, 3, 2, "valid")),
        v.b.max_pool(3, 2, source=x),
    ])  # fmt: skip
    for name, inner in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        _c(v, name, inner)
    x = v.b.last
    v.block("Mixed_7a", [
        v.chain(x, _one(192), (320, 3, 2, "valid")),
        v.chain(x, _one(192), _same(192, (1, 7)), _same(192, (7, 1)), (192, 3, 2, "valid")),
        v.b.max_pool(3, 2, source=x),
    ])  # fmt: skip
    for name in ("Mixed_7b", "Mixed_7c"):
        _e(v, name)
    v.b.mean()
    v.b.dense(1000)
    return v.b.build()


def _a(v: _V3, name: str, pool: int) -> None:
    x = v.b.last
    v.block(name, [
        v.chain(x, _one(64)),
        v.chain(x, _one(48), _same(64, 5)),
        v.chain(x, _one(64), _same(96, 3), _same(96, 3)),
        v.pooled(x, pool),
    ])  # fmt: skip


def _c(v: _V3, name: str, inner: int) -> None:
    x, row, column = v.b.last, (1, 7), (7, 1)
    v.block(name, [
        v.chain(x, _one(192)),
        v.chain(x, _one(inner), _same(inner, row), _same(192, column)),
        v.chain(x, _one(inner), _same(inner, column), _same(inner, row), _same(inner, column), _same(192, row)),
        v.pooled(x, 192),
    ])  # fmt: skip


def _e(v: _V3, name: str) -> None:
    x = v.b.last
    split = v.chain(x, _one(384))
    double = v.chain(x, _one(448), _same(384, 3))
    v.block(name, [
        v.chain(x, _one(320)),
        v.chain(split, _same(384, (1, 3))), v.chain(split, _same(384, (3, 1))),
        v.chain(double, _same(384, (1, 3))), v.chain(double, _same(384, (3, 1))),
        v.pooled(x, 192),
    ])  # fmt: skip
