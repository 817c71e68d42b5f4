"""npy, npz and zip: round trips, and every way in which they can lie."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentaug.errors import LatentaugError, MalformedInput, TooLarge
from latentaug.imaging.archives import read_npy, read_npz, write_npy, write_npz, write_zip
from latentaug.imaging.zips import read_zip
from tests.domain.imaging.zips import IMAGE, LIMITS, PNG, zipped


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64", "<U5"])
def test_an_array_comes_back_as_it_went(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    assert np.array_equal(read_npy(write_npy(array), LIMITS), array)


def test_fortran_order_is_read_right() -> None:
    out = io.BytesIO()
    array = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    np.save(out, array)
    assert np.array_equal(read_npy(out.getvalue(), LIMITS), array)


def test_a_pickled_array_is_refused_unread() -> None:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MalformedInput, match="may hold code"):
        read_npy(out.getvalue(), LIMITS)


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["2026-01-01"], "datetime64[D]"), np.zeros(2, "u1,f4")])
def test_an_array_of_neither_numbers_nor_texts_is_told_so(array: np.ndarray) -> None:
    out = io.BytesIO()
    np.save(out, array)
    with pytest.raises(MalformedInput, match=r"^the array holds [^,;]+(, [^;]+)?; send numbers or texts") as refused:
        read_npy(out.getvalue(), LIMITS)
    assert "code" not in refused.value.detail


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", pickle.dumps([1]), PNG, write_npy(IMAGE)[:-1], write_npy(IMAGE) + b"x"]
)
def test_bytes_that_are_no_npy_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_npy(data, LIMITS)


@pytest.mark.parametrize("shape", ["(10**9, 28, 28)", "(-1, 64)", "(1,) * 20", "(4294967296, 4294967296, 0)", "[[[["])
def test_an_npy_header_that_lies_allocates_nothing(shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    with pytest.raises((MalformedInput, TooLarge)):
        read_npy(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"abc", LIMITS)


@given(st.binary(max_size=200), st.integers(0, 80))
def test_no_npy_bytes_get_past_our_own_errors(noise: bytes, keep: int) -> None:
    try:
        read_npy(write_npy(IMAGE)[:keep] + noise, LIMITS)
    except LatentaugError as error:
        assert error.status in (400, 413)


def test_npz_comes_back_and_is_the_same_bytes_each_time() -> None:
    arrays = {"images": np.stack([IMAGE, IMAGE]), "labels": np.array(["a", "b"])}
    data = write_npz(arrays)
    assert data == write_npz(arrays)
    read = read_npz(data, LIMITS)
    assert {name: array.tolist() for name, array in read.items()} == {n: a.tolist() for n, a in arrays.items()}
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        assert loaded.files == ["images", "labels"]


def test_an_npz_bomb_is_refused_from_its_directory() -> None:
    with pytest.raises(TooLarge):
        read_npz(zipped({"images.npy": write_npy(np.zeros(200_000, np.uint8))}), LIMITS)
    with pytest.raises(TooLarge):
        read_npz(zipped({f"a{i}.npy": write_npy(IMAGE) for i in range(33)}), LIMITS)


def test_what_we_write_can_be_read_back() -> None:
    manifest = [{"source": i, "neighbour": -1} for i in range(3)]
    data = write_zip([IMAGE] * 3, ["a", "../b", "c/d"], manifest)
    assert data == write_zip([IMAGE] * 3, ["a", "../b", "c/d"], manifest)
    folder = read_zip(data, LIMITS)
    assert folder.labels == ["a", "_b", "c_d"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        lines = archive.read("manifest.csv").decode().splitlines()
    assert lines[0] == "file,source,neighbour"
    assert lines[1] == "a/000000.png,0,-1"


def test_no_two_labels_share_a_folder() -> None:
    labels = ["a/b", "a_b", "A_B", "..", "_"]
    folder = read_zip(write_zip([IMAGE] * 5, labels, [{"source": i} for i in range(5)]), LIMITS)
    assert folder.labels is not None
    assert len({str(label).casefold() for label in folder.labels}) == 5
    assert folder.labels[1] == "a_b-2"


def test_images_without_a_label_are_written_where_they_are_looked_for() -> None:
    labels = ["a", None, "Unlabeled", None]
    data = write_zip([IMAGE] * 4, labels, [{"source": i, "label": label} for i, label in enumerate(labels)])
    folder = read_zip(data, LIMITS)
    assert folder.labels == ["a", None, "Unlabeled-2", None]
    assert folder.names[1] == "unlabelled/000001.png"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("manifest.csv").decode().splitlines()[2] == "unlabelled/000001.png,1,"
