# SPDX-License-Identifier: Apache-2.0
"""Every float kernel against its equation, written as loops or in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.errors import ModelError
from esl_ref.floating import graph as f
from esl_ref.floating import kernels_window
from esl_ref.floating.activation import Activation, Function
from esl_ref.floating.graph import Parameter
from esl_ref.floating.kernels import apply
from esl_ref.ir import Padding

LEAKY = Activation(Function.LEAKY, 0.1)


def _size(size, before, after, window, stride, dilation=1):
    return (before + size + after - (window - 1) * dilation - 1) // stride + 1


def _inside(op_stride, op_dilation, padding, y, x, ky, kx, shape):
    iy, ix = y * op_stride[0] + ky * op_dilation[0] - padding.top, x * op_stride[1] + kx * op_dilation[1] - padding.left
    return (iy, ix) if 0 <= iy < shape[1] and 0 <= ix < shape[2] else None


def _conv_loops(op, x):
    units, kh, kw, depth = op.weight.shape
    p = op.padding
    oh = _size(x.shape[1], p.top, p.bottom, kh, op.stride[0], op.dilation[0])
    ow = _size(x.shape[2], p.left, p.right, kw, op.stride[1], op.dilation[1])
    weight, bias = op.weight.load().astype(float), op.bias.load()
    out = np.empty((1, oh, ow, units))
    for y, z, o in np.ndindex(oh, ow, units):
        first = o // (units // op.groups) * depth
        total = float(bias[o])
        for ky, kx in np.ndindex(kh, kw):
            at = _inside(op.stride, op.dilation, p, y, z, ky, kx, x.shape)
            if at:
                total += float(x[0, at[0], at[1], first : first + depth].astype(float) @ weight[o, ky, kx])
        out[0, y, z, o] = total
    return op.activation(out)


pads = st.builds(Padding, *[st.integers(0, 2)] * 4)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    st.tuples(st.integers(5, 9), st.integers(5, 9)), pairs, pairs, st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads, st.sampled_from([(1, 3, 2), (2, 2, 3), (4, 1, 1), (3, 1, 2)]), st.sampled_from([1, 64, 1 << 20]),
)  # fmt: skip
def test_conv_is_its_equation(size, kernel, stride, dilation, padding, grouping, workspace):
    groups, depth, units = grouping
    rng = np.random.default_rng(sum(size))
    op = f.Conv(
        "c", ("x",), "y", Parameter.of(rng.normal(size=(groups * units, *kernel, depth))),
        Parameter.of(rng.normal(size=groups * units)), stride, dilation, padding, groups, LEAKY,
    )  # fmt: skip
    x = rng.normal(size=(1, *size, groups * depth)).astype(np.float32)
    want = _conv_loops(op, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels_window, "WORKSPACE", workspace)
        got = apply(op, [x], want.shape)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_blocks_of_rows_do_not_change_a_convolution(monkeypatch):
    rng = np.random.default_rng(0)
    op = f.Conv("c", ("x",), "y", Parameter.of(rng.normal(size=(4, 3, 3, 2))), Parameter.of(np.zeros(4)),
                padding=Padding(1, 1, 1, 1))  # fmt: skip
    x = rng.normal(size=(1, 11, 7, 2)).astype(np.float32)
    whole = apply(op, [x], (1, 11, 7, 4))
    monkeypatch.setattr(kernels_window, "WORKSPACE", 3 * 7 * 9 * 2)
    np.testing.assert_array_equal(apply(op, [x], (1, 11, 7, 4)), whole)


@given(st.tuples(st.integers(4, 8), st.integers(4, 8)), pairs, pairs, st.booleans(), st.data())
def test_pools_are_their_equations(size, window, stride, count_padding, data):
    edge = [data.draw(st.integers(0, w - 1)) for w in (window[0], window[0], window[1], window[1])]
    padding = Padding(*edge)
    rng = np.random.default_rng(size[0])
    x = rng.normal(size=(1, *size, 3)).astype(np.float32)
    oh = _size(size[0], padding.top, padding.bottom, window[0], stride[0])
    ow = _size(size[1], padding.left, padding.right, window[1], stride[1])
    largest, mean = np.empty((1, oh, ow, 3)), np.empty((1, oh, ow, 3))
    for y, z in np.ndindex(oh, ow):
        places = [_inside(stride, (1, 1), padding, y, z, *tap, x.shape) for tap in np.ndindex(*window)]
        seen = np.array([x[0, at[0], at[1]] for at in places if at])
        if not len(seen):
            return
        largest[0, y, z] = seen.max(axis=0)
        mean[0, y, z] = seen.astype(float).sum(axis=0) / (math.prod(window) if count_padding else len(seen))
    np.testing.assert_array_equal(apply(f.MaxPool("p", ("x",), "y", window, stride, padding), [x], largest.shape),
                                  largest.astype(np.float32))  # fmt: skip
    average = f.AveragePool("p", ("x",), "y", window, stride, padding, count_padding)
    np.testing.assert_allclose(apply(average, [x], mean.shape), mean, rtol=1e-5, atol=1e-6)


def test_local_uses_the_weights_of_each_place():
    rng = np.random.default_rng(3)
    weight, bias = rng.normal(size=(3, 4, 2, 3, 3, 5)), rng.normal(size=(3, 4, 2))
    x = rng.normal(size=(1, 6, 8, 5)).astype(np.float32)
    op = f.Local("l", ("x",), "y", Parameter.of(weight), Parameter.of(bias), (2, 2), Padding(1, 0, 1, 0), LEAKY)
    want = np.empty((1, 3, 4, 2), np.float32)
    for y, z in np.ndindex(3, 4):
        one = f.Conv("c", ("x",), "y", Parameter.of(weight[y, z]), Parameter.of(bias[y, z]), (2, 2),
                     padding=Padding(1, 0, 1, 0), activation=LEAKY)  # fmt: skip
        want[0, y, z] = _conv_loops(one, x)[0, y, z]
    np.testing.assert_allclose(apply(op, [x], want.shape), want, rtol=1e-4, atol=1e-5)


def test_dense_flattens_in_the_inputs_own_order():
    rng = np.random.default_rng(4)
    weight, bias = rng.normal(size=(5, 24)), rng.normal(size=5)
    x = rng.normal(size=(1, 2, 3, 4)).astype(np.float32)
    got = apply(f.Dense("d", ("x",), "y", Parameter.of(weight), Parameter.of(bias)), [x], (1, 5))
    np.testing.assert_allclose(got[0], weight @ x.reshape(-1) + bias, rtol=1e-4)


def test_softmax_does_not_overflow():
    x = np.array([[1000.0, 1001.0, -1000.0]], np.float32)
    got = apply(f.Softmax("s", ("x",), "y"), [x], (1, 3))
    np.testing.assert_allclose(got, [[1 / (1 + math.e), math.e / (1 + math.e), 0]], rtol=1e-6)


_X = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("op", "inputs", "want"),
    [
        (f.Add("o", ("x", "x"), "y", Activation(Function.RELU6)), [_X, -2 * _X + 3], np.clip(3 - _X, 0, 6)),
        (f.Sub("o", ("x", "x"), "y"), [_X, _X * _X], _X - _X * _X),
        (f.Mul("o", ("x", "x"), "y"), [_X, _X[..., :1]], _X * _X[..., :1]),
        (f.Concat("o", ("x", "x"), "y", 3), [_X, _X], np.concatenate([_X, _X], 3)),
        (f.Slice("o", ("x",), "y", (0, 0, 0, 1), (1, 2, 3, 4), (1, 1, 2, 2)), [_X], _X[:, :, ::2, 1::2]),
        (f.Pad("o", ("x",), "y", ((0, 0), (1, 0), (0, 2), (0, 0)), 7), [_X],
         np.pad(_X, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=7)),
        (f.Reshape("o", ("x",), "y"), [_X], _X.reshape(1, 24)),
        (f.Transpose("o", ("x",), "y", (0, 3, 1, 2)), [_X], _X.transpose(0, 3, 1, 2)),
        (f.ResizeNearest("o", ("x",), "y", (0, 0, 1, 1), (0, 1, 1, 2)), [_X],
         np.repeat(_X, 2, axis=1)[:, :, [0, 1, 1, 2]]),
        (f.Mean("o", ("x",), "y", (1, 2), True), [_X], _X.mean((1, 2), keepdims=True)),
        (f.Activate("o", ("x",), "y", Activation(Function.TANH)), [_X], np.tanh(_X)),
    ],
)  # fmt: skip
def test_plain_operators(op, inputs, want):
    got = apply(op, inputs, want.shape)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_weights_that_do_not_fit_are_named():
    op = f.Conv("c7", ("x",), "y", Parameter.of(np.zeros((2, 1, 1, 3))), Parameter.of(np.zeros(2)))
    with pytest.raises(ModelError, match="layer 'c7'"):
        apply(op, [_X], (1, 2, 3, 2))


def test_activations_in_place_of_maps_of_any_order() -> None:
    values = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)
    want = np.where(values > 0, values, np.float32(0.1) * values)
    for made in (values.copy(), np.asfortranarray(values)):
        assert kernels_window.activated(LEAKY, made) is made
        np.testing.assert_array_equal(made, want)


def test_pooling_in_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    ifm = np.random.default_rng(0).normal(size=(1, 13, 7, 3)).astype(np.float32)
    for op in (f.MaxPool("p", ("x",), "y", (3, 2), (2, 1), Padding(1, 1, 0, 1)),
               f.AveragePool("p", ("x",), "y", (4, 3), (1, 2), Padding(2, 1, 1, 1))):  # fmt: skip
        shape = (1, 7, 7, 3) if isinstance(op, f.MaxPool) else (1, 13, 4, 3)
        whole = apply(op, [ifm], shape)
        with monkeypatch.context() as patch:
            patch.setattr("esl_ref.floating.kernels_window.WORKSPACE", 1)
            np.testing.assert_array_equal(apply(op, [ifm], shape), whole)
