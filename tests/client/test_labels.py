"""Labels of the client: arrays that need no pickling, lists for JSON, and what stands for no label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from latentaug_client.labels import as_array, as_list, of_sources, unlabelled

NAN = float("nan")


class NAType:
    """Like the one of pandas, which is neither true nor false, nor equal to itself."""

    def __bool__(self) -> bool:
        raise TypeError

    def __eq__(self, other: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]


TRANSLATED: dict[str, tuple[Any, list[Any], str, list[Any]]] = {
    "integers": ([1, -1, 2], [1, -1, 2], "i", [1, None, 2]),
    "unsigned integers": (np.array([1, 2], np.uint8), [1, 2], "u", [1, 2]),
    "floats": ([1.0, NAN, 2.0], [1.0, NAN, 2.0], "f", [1, None, 2]),
    "texts": (["a", "", "b"], ["a", "", "b"], "U", ["a", None, "b"]),
    "integers and None": ([1, None, 2], [1, -1, 2], "i", [1, None, 2]),
    "texts and None": (["a", None, "b"], ["a", "", "b"], "U", ["a", None, "b"]),
    "texts and NaN": (["a", NAN, "b"], ["a", "", "b"], "U", ["a", None, "b"]),
    "floats and None": ([1.0, None, 2], [1.0, NAN, 2.0], "f", [1, None, 2]),
    "objects of pandas": (np.array(["a", NAType(), NAN, "b"], object), ["a", "", "", "b"], "U", ["a", None, None, "b"]),
    "integers and texts": ([1, None, "b"], ["1", "", "b"], "U", ["1", None, "b"]),
    "nothing but None": ([None, None], [-1, -1], "i", [None, None]),
    "truths and None": ([True, None], ["True", ""], "U", ["True", None]),
    "truths": (np.array([True, False]), ["True", "False"], "U", ["True", "False"]),
    "a fraction": (np.array([1.5, None], object), [1.5, NAN], "f", [1.5, None]),
}


@pytest.mark.parametrize("case", TRANSLATED)
def test_labels_become_an_array_without_objects_and_a_list_with_nulls(case: str) -> None:
    labels, array, kind, as_json = TRANSLATED[case]
    found = as_array(labels)
    assert found.dtype.kind == kind
    assert np.array_equal(found, np.array(array), equal_nan=kind == "f")
    assert unlabelled(found).tolist() == [value is None for value in as_json]
    assert as_list(labels) == as_json


def test_an_array_without_objects_is_taken_as_it_is() -> None:
    for array in (np.array([1, -1], np.int8), np.array(["nan", ""]), np.array([0.5, np.nan], np.float32)):
        assert as_array(array) is array


def test_a_column_of_a_table_is_one_label_for_each_image() -> None:
    column = np.array([[2], [0], [1]])
    assert as_array(column).tolist() == [2, 0, 1]
    assert of_sources(column, np.array([1, 1, 2])).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "labels", [np.array([["a", None], ["b", "c"]], object), {"a.png": 1}, "cat", {1, 2}, iter([1, 2])]
)
def test_what_is_not_one_label_for_each_image_is_refused(labels: Any) -> None:
    with pytest.raises(ValueError, match="give one label for each image"):
        as_array(labels)


@pytest.mark.parametrize(
    "labels",
    [np.array([3, 5]), np.array([3, 5], object), np.array(["a", "b"], object), np.array([True, False]), [1.0, 2.0]],
)
def test_new_images_have_the_labels_of_their_sources_as_they_were_given(labels: Any) -> None:
    found = of_sources(labels, np.array([1, 1, 0]))
    assert found.dtype == np.asarray(labels).dtype
    assert found.tolist() == [labels[1], labels[1], labels[0]]


def test_gaps_come_back_with_a_sign_that_needs_no_object() -> None:
    assert of_sources(["cat", None], np.array([1, 0])).tolist() == ["", "cat"]
    assert of_sources([3, None], np.array([1, 0])).tolist() == [-1, 3]
