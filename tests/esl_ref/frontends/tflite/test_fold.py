# SPDX-License-Identifier: Apache-2.0
"""Folding of shape arithmetic, and the boxes of strided slices against numpy's own indexing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esl_ref.errors import ModelError, UnsupportedError
from esl_ref.frontends.tflite.fold import fold
from esl_ref.frontends.tflite.reader import read_bytes
from esl_ref.frontends.tflite.slicing import sliced, strided_box
from esl_ref.frontends.tflite_writer import TFLiteWriter

NO_MASKS = {"BeginMask": 0, "EndMask": 0, "EllipsisMask": 0, "NewAxisMask": 0, "ShrinkAxisMask": 0, "Offset": False}


def ints(w: TFLiteWriter, name: str, *values: int) -> int:
    return w.add_tensor(name, (len(values),), "int32", data=np.array(values, np.int32))


def test_a_chain_becomes_constants() -> None:
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 5, 7, 3), "int8", scale=0.5)
    shape, last, both = (w.add_tensor(n, s, "int32") for n, s in (("shape", (4,)), ("last", (2,)), ("both", (6,))))
    w.add_op("SHAPE", [x], [shape])
    w.add_op("STRIDED_SLICE", [shape, ints(w, "b", -2), ints(w, "e", 9), ints(w, "s", 1)], [last], end_mask=1)
    w.add_op("CONCATENATION", [shape, last], [both])
    values, gone = fold(read_bytes(w.finish([x], [both])))
    assert [values[i].tolist() for i in (shape, last, both)] == [[1, 5, 7, 3], [7, 3], [1, 5, 7, 3, 7, 3]]
    assert gone == {0, 1, 2}


def test_a_dense_layer_of_sequences_with_an_open_batch() -> None:
    """Keras' Dense of [-1, 5, 7] computes the rows and columns of its matrix: GATHER, REDUCE_PROD, PACK."""
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 5, 7), "int8", scale=0.5, shape_signature=(-1, 5, 7))
    shape, some = w.add_tensor("shape", (3,), "int32"), w.add_tensor("some", (2,), "int32")
    rows, target = w.add_tensor("rows", (), "int32"), w.add_tensor("target", (2,), "int32")
    w.add_op("SHAPE", [x], [shape])
    w.add_op("GATHER", [shape, ints(w, "axes", 0, 1)], [some])
    w.add_op("REDUCE_PROD", [some, ints(w, "all", 0)], [rows])
    w.add_op("PACK", [rows, w.add_tensor("k", (), "int32", data=np.array(7, np.int32))], [target], values_count=2)
    values, gone = fold(read_bytes(w.finish([x], [target])))
    assert values[target].tolist() == [5, 7] and gone == {0, 1, 2, 3}


def test_arithmetic_of_sizes() -> None:
    """An upsampling of an open batch computes its sizes: slices, products, reshapes of scalars."""
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 5, 7, 3), "int8", scale=0.5, shape_signature=(-1, 5, 7, 3))
    names = {"shape": (4,), "one": (1,), "twice": (1,), "flat": (), "up": (1,), "less": (1,)}
    t = {name: w.add_tensor(name, size, "int32") for name, size in names.items()}
    w.add_op("SHAPE", [x], [t["shape"]])
    w.add_op("SLICE", [t["shape"], ints(w, "b", 1), ints(w, "n", 1)], [t["one"]])
    w.add_op("MUL", [t["one"], ints(w, "two", 2)], [t["twice"]])
    w.add_op("RESHAPE", [t["twice"]], [t["flat"]])
    w.add_op("EXPAND_DIMS", [t["flat"], ints(w, "axis", 0)], [t["up"]])
    w.add_op("SUB", [t["up"], ints(w, "four", 4)], [t["less"]])
    values, gone = fold(read_bytes(w.finish([x], [t["less"]])))
    assert [values[t[n]].tolist() for n in names] == [[1, 5, 7, 3], [5], [10], 10, [10], [6]]
    assert len(gone) == 6


def test_the_shape_of_a_map_of_open_size_is_refused() -> None:
    w = TFLiteWriter(checked=False)
    x = w.add_tensor("x", (1, 1, 1, 3), "int8", scale=0.5, shape_signature=(-1, -1, -1, 3))
    y = w.add_tensor("y", (4,), "int32")
    w.add_op("SHAPE", [x], [y])
    with pytest.raises(UnsupportedError, match=r"#0 SHAPE: tensor 'x' leaves axes \[1, 2\] open; convert the model"):
        fold(read_bytes(w.finish([x], [y])))


def test_what_depends_on_data_is_left() -> None:
    w = TFLiteWriter(checked=False)
    x, y = (w.add_tensor(n, (1, 2), "int32") for n in "xy")
    z = w.add_tensor("z", (2, 1, 2), "int32")
    w.add_op("CONCATENATION", [x, ints(w, "c", 1, 2)], [y])
    w.add_op("PACK", [x, x], [z], values_count=2)
    values, gone = fold(read_bytes(w.finish([x], [z])))
    assert values == {} and gone == set()


def test_impossible_arithmetic_names_the_operator() -> None:
    w = TFLiteWriter(checked=False)
    y = w.add_tensor("y", (2, 2), "int32")
    w.add_op("PACK", [ints(w, "a", 1, 2), ints(w, "b", 1, 2, 3)], [y], values_count=2)
    with pytest.raises(ModelError, match="net.tflite: operator #0 PACK: cannot be evaluated"):
        fold(read_bytes(w.finish([0], [y]), "net.tflite"))


@given(st.data())
def test_boxes_are_numpys(data: st.DataObject) -> None:
    """Any limits and masks: the box cuts what numpy's slices cut, or is refused where that is empty."""
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    given_axes = data.draw(st.integers(1, len(shape)))
    limit = st.integers(-8, 8)
    begin, end = ([data.draw(limit) for _ in range(given_axes)] for _ in range(2))
    stride = [data.draw(st.sampled_from([-2, -1, 1, 2, 3])) for _ in range(given_axes)]
    masks = {k: data.draw(st.integers(0, 15)) for k in ("BeginMask", "EndMask")}
    array = np.arange(int(np.prod(shape))).reshape(shape)
    window = tuple(
        slice(
            None if masks["BeginMask"] >> a & 1 else begin[a], None if masks["EndMask"] >> a & 1 else end[a], stride[a]
        )
        for a in range(given_axes)
    )
    expected = array[window]
    if expected.size == 0:
        with pytest.raises(ModelError, match="empty slice"):
            strided_box(shape, begin, end, stride, NO_MASKS | masks, "here")
        return
    box = strided_box(shape, begin, end, stride, NO_MASKS | masks, "here")
    assert sliced(box) == expected.shape
    picked = array[np.ix_(*(range(*t) for t in zip(box.begin, box.end, box.stride, strict=True)))]
    np.testing.assert_array_equal(picked, expected)


def test_shrunk_axes_take_one_index() -> None:
    masks = NO_MASKS | {"ShrinkAxisMask": 0b101}
    box = strided_box((4, 5, 6), [-1, 1, 2], [0, 4, 0], [1, 1, 1], masks, "here")
    assert box.begin == (3, 1, 2) and sliced(box) == (3,)
    with pytest.raises(ModelError, match="index 9 of an axis of 4"):
        strided_box((4,), [9], [10], [1], NO_MASKS | {"ShrinkAxisMask": 1}, "here")


@pytest.mark.parametrize("mask", ["EllipsisMask", "NewAxisMask", "Offset"])
def test_other_masks_are_refused(mask: str) -> None:
    with pytest.raises(UnsupportedError, match="here"):
        strided_box((4,), [0], [1], [1], NO_MASKS | {mask: 1}, "here")
