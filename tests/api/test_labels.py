"""Labels: given back as they came, numbered for the model server."""

from __future__ import annotations

import numpy as np
import pytest

from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput
from service.api.http.labels import Labels


def test_labels_of_an_array_keep_its_type() -> None:
    labels = Labels.from_array(np.array([3, 1, 3], np.uint8))

    taken = labels.take(np.array([2, 1]))

    assert taken.array().dtype == np.uint8
    assert taken.values == [3, 1]


def test_a_number_and_its_text_are_the_same_label() -> None:
    codes = Labels.from_list([1, "1", "one", 2]).codes()

    assert codes.dtype == np.int64
    assert codes[0] == codes[1]
    assert len(set(codes.tolist())) == 3


@pytest.mark.parametrize(
    "array",
    [
        np.array([7, -1, 3], np.int8),
        np.array(["seven", "", "three"]),
        np.array([7, np.nan, 3], np.float32),
    ],
)
def test_an_array_has_its_own_sign_for_no_label_and_gets_it_back(array: np.ndarray) -> None:
    labels = Labels.from_array(array)

    assert labels.values[1] is None
    assert labels.codes()[1] == UNLABELLED
    assert labels.classes == sorted(str(labels.values[i]) for i in (0, 2))
    assert labels.array().dtype == array.dtype
    assert np.array_equal(labels.array(), array, equal_nan=array.dtype.kind == "f")


def test_floats_are_the_whole_numbers_that_they_stand_for() -> None:
    assert Labels.from_array(np.array([2.0, np.nan, 0.0])).values == [2, None, 0]


@pytest.mark.parametrize(
    ("values", "array"),
    [([1, None], [1, -1]), (["a", None], ["a", ""]), ([1, "a", None], ["1", "a", ""]), ([None], [-1])],
)
def test_null_is_no_label_and_becomes_what_an_array_has_for_it(values: list[object], array: list[object]) -> None:
    labels = Labels.from_list(values)

    assert labels.values == values
    assert labels.codes()[-1] == UNLABELLED
    assert labels.array().tolist() == array


def test_labels_map_onto_the_models_classes() -> None:
    assert Labels.from_list(["b", "a", "b"]).codes_in(["a", "b"]).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("classes", "hint"), [(["a", "b"], "it has a, b"), ([], "leave the labels out")])
def test_a_label_that_the_data_set_lacks_is_refused(classes: list[str], hint: str) -> None:
    with pytest.raises(InvalidInput, match=hint):
        Labels.from_list(["c"]).codes_in(classes)


@pytest.mark.parametrize(
    "values", ["ab", None, [1.5], [float("nan")], [True], [[1]], [""], ["x" * 101], ["\ud800"], ["a\n"], [2**70]]
)
def test_what_is_no_label_is_refused(values: object) -> None:
    with pytest.raises(InvalidInput):
        Labels.from_list(values)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.int64),
        np.array([1.5, 2]),
        np.array([np.inf]),
        np.array([2.0**70]),
        np.array([b"a"]),
        np.zeros((2, 1, 1), np.int64),
    ],
)
def test_what_is_no_array_of_labels_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InvalidInput):
        Labels.from_array(array)


def test_text_that_is_not_unicode_is_refused() -> None:
    array = np.frombuffer(b"\xff\xff\xff\x7f", "<U1")

    with pytest.raises(InvalidInput, match="Unicode"):
        Labels.from_array(array)


def test_labels_must_be_one_per_image() -> None:
    with pytest.raises(InvalidInput, match="2 labels for 3 images"):
        Labels.from_list([1, 2]).check_length(3)
