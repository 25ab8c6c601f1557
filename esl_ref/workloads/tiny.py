# SPDX-License-Identifier: Apache-2.0
"""Small networks of the TinyML literature: those FDT was evaluated on, and the MLPerf Tiny trio.

TXT, MW and CIF follow the TensorFlow Lite examples' models (text classification by averaged embeddings, magic wand,
CIFAR-10); KWS, ResNet8 and VWW follow MLPerf Tiny (Banbury et al., NeurIPS datasets and benchmarks 2021).
"""

from __future__ import annotations

from esl_ref.workloads.builder import Builder
from esl_ref.workloads.graph import Kind, ShapeGraph
from esl_ref.workloads.mobile import mobilenet_v1

__all__ = ["cif", "kws", "mw", "resnet8", "txt", "vww"]


def txt(tokens: int = 256, vocabulary: int = 10_000) -> ShapeGraph:
    """Sentiment of a text: int32 tokens, embedding of 16, mean over the tokens, two dense layers."""
    b = Builder("txt", (tokens, 1, 1), itemsize=4)
    b.embed(16, vocabulary)
    b.mean()
    b.dense(16)
    b.dense(2)
    b.table(kind=Kind.SOFTMAX)
    return b.build()


def mw() -> ShapeGraph:
    """Magic wand: gestures from 128 samples of three accelerations."""
    b = Builder("mw", (128, 3, 1))
    b.depthwise((4, 3), multiplier=8)
    b.max_pool(3)
    b.conv(16, (4, 1))
    b.max_pool((3, 1), pad="same")
    b.dense(16)
    b.dense(4)
    b.table(kind=Kind.SOFTMAX)
    return b.build()


def cif() -> ShapeGraph:
    """CIFAR-10 classifier of the Keras tutorial."""
    b = Builder("cif", (32, 32, 3))
    b.conv(32, 3, pad="valid")
    b.max_pool(2)
    b.conv(64, 3, pad="valid")
    b.max_pool(2)
    b.conv(64, 3, pad="valid")
    b.dense(64)
    b.dense(10)
    return b.build()


def kws() -> ShapeGraph:
    """DS-CNN keyword spotting on 49 x 10 cepstral coefficients."""
    b = Builder("kws", (49, 10, 1))
    b.conv(64, (10, 4), 2)
    for _ in range(4):
        b.depthwise(3)
        b.conv(64)
    b.mean()
    b.dense(12)
    b.table(kind=Kind.SOFTMAX)
    return b.build()


def resnet8() -> ShapeGraph:
    """CIFAR-10 classification."""
    b = Builder("resnet8", (32, 32, 3))
    b.conv(16, 3)
    for channels in (16, 32, 64):
        source, stride = b.last, 1 if channels == 16 else 2
        b.conv(channels, 3, stride)
        main = b.conv(channels, 3)
        b.add(main, b.conv(channels, 1, stride, source=source) if stride > 1 else source)
    b.mean()
    b.dense(10)
    b.table(kind=Kind.SOFTMAX)
    return b.build()


def vww() -> ShapeGraph:
    """Visual wake words: MobileNetV1 of width 0.25 on 96 x 96."""
    return mobilenet_v1(0.25, 96, 2, "vww")
