"""Copies of pictures: which images count as such, and that each picture is in one part of a data set."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_image

from latentaug import datasets
from latentaug.datasets import UNLABELLED, digits, duplicates, mnist
from latentaug.datasets.splitting import split, split_partly_labelled
from latentaug.imaging.pixels import Pixels, fit
from latentaug.runtime.settings import load
from latentaug.storage.objects import ArtefactStore

MAX_BYTES = 10**8
PARTS_BEFORE = "726899b74a25a93623b0c1113222b356628cfda86a75dd6f6c60a0a701b485b2"
"""Digest of the parts in `test_pictures_without_copies_are_split_as_ever`, from before copies were looked for."""
DIGITS = digits.load().images


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path.as_uri())


def picture(image: Pixels) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def pixels(image: Image.Image, like: Pixels) -> Pixels:
    return np.asarray(image).reshape(like.shape)


def photos(n: int, height: int, width: int, step: int = 2) -> Pixels:
    """Crops, a half or less of which overlaps another, of the two photographs that come with scikit-learn; no sky."""
    crops = [
        whole[y : y + height, x : x + width]
        for whole in (np.asarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg"))
        for y in range(0, whole.shape[0] - height, height // step)
        for x in range(0, whole.shape[1] - width, width // step)
    ]
    detailed = [crop for crop in crops if np.abs(np.diff(crop.astype(np.int64), axis=0)).mean() > 5]
    chosen = np.random.default_rng(0).permutation(len(detailed))[:n]
    return np.stack([detailed[i] for i in chosen])


def as_jpeg(image: Pixels, quality: int = 80) -> Pixels:
    out = io.BytesIO()
    picture(image).save(out, "JPEG", quality=quality)
    return pixels(Image.open(out), image)


def brightened(image: Pixels) -> Pixels:
    return np.rint((image * 1.08 + 6).clip(0, 255)).astype(np.uint8)


def moved(image: Pixels) -> Pixels:
    """A pixel down and one to the left."""
    return np.pad(image, ((1, 0), (0, 1), (0, 0)), "edge")[:-1, 1:]


def moved_and_saved(image: Pixels) -> Pixels:
    return as_jpeg(moved(image))


WAYS = [as_jpeg, brightened, moved, moved_and_saved]


def found_share(images: Pixels, way: Callable[[Pixels], Pixels], copied: int) -> float:
    """The share of copies of the first so many images that are found to be copies of just these."""
    every = np.concatenate([images, np.stack([way(image) for image in images[:copied]])])
    pictures = duplicates.find(every).pictures
    assert (pictures[: len(images)] == np.arange(len(images))).all(), "different pictures stay apart"
    return float((pictures[len(images) :] == np.arange(copied)).mean())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(96, 128), (64, 64), (160, 192)])
def test_photos_that_were_worked_over_are_copies(way: Callable[[Pixels], Pixels], size: tuple[int, int]) -> None:
    images = photos(60, *size)
    assert found_share(images, way, len(images)) >= 0.9


def test_photos_that_come_in_two_sizes_are_copies() -> None:
    large = photos(60, 160, 192)
    small = [pixels(picture(image).resize((144, 120)), image[:120, :144]) for image in large]
    fitted = fit([*large, *small], 64, 64, 3, resize=True)
    found = duplicates.find(fitted).pictures
    assert (found[len(large) :] == np.arange(len(large))).mean() >= 0.9


@pytest.mark.parametrize("way", [brightened, lambda image: as_jpeg(image, 90)])
def test_copies_of_small_drawings_are_found_too(way: Callable[[Pixels], Pixels]) -> None:
    assert found_share(DIGITS, way, 100) >= 0.9


def test_copies_may_be_a_pixel_off() -> None:
    framed = np.pad(DIGITS[:500], ((0, 0), (3, 3), (3, 3), (0, 0)))
    for rows in (-1, 0, 1):
        for columns in (-1, 0, 1):
            assert found_share(framed, lambda image, by=(rows, columns): np.roll(image, by, (0, 1)), 50) == 1


def test_different_digits_are_no_copies() -> None:
    found = duplicates.find(DIGITS)
    assert (found.pictures == np.arange(len(DIGITS))).sum() >= 0.999 * len(DIGITS)


def test_digits_of_mnist_are_no_copies() -> None:
    folder = load().data_dir
    if folder is None or not (folder / "mnist").is_dir():
        pytest.skip("set LATENTAUG_DATA_DIR to a folder with mnist/*.gz to run this")
    images = mnist.load(load().dataset_folders).images[:20_000]
    assert (duplicates.find(images).pictures == np.arange(len(images))).sum() >= 0.9999 * len(images)


def clocks() -> Pixels:
    """One dial, and its hand in 60 places."""
    drawn = []
    for minute in range(60):
        image = Image.new("RGB", (96, 96), "white")
        drawing = ImageDraw.Draw(image)
        drawing.ellipse((4, 4, 92, 92), fill=(230, 230, 240), outline=(40, 40, 60), width=4)
        turn = 2 * np.pi * minute / 60
        drawing.line((48, 48, 48 + 32 * np.sin(turn), 48 - 32 * np.cos(turn)), fill=(20, 20, 20), width=4)
        drawn.append(np.asarray(image.resize((48, 48), Image.Resampling.BOX)))
    return np.stack(drawn)


def dots() -> Pixels:
    """All ways to set eight dots, as in braille."""
    bits = (np.arange(1, 256)[:, None] >> np.arange(8) & 1).reshape(-1, 4, 2).astype(np.uint8)
    cells = np.pad(bits.repeat(4, axis=1).repeat(4, axis=2), ((0, 0), (6, 6), (7, 7)))
    return (cells * 200)[..., None]


def stripes() -> Pixels:
    """Flags of three colours, in many of which only the hue of a stripe differs."""
    hues = np.array([(200, 16, 46), (0, 115, 46), (0, 56, 168), (255, 205, 0), (255, 255, 255), (0, 0, 0)], np.uint8)
    chosen = [hues[[i, j, k]] for i in range(6) for j in range(6) for k in range(6) if i != j != k]
    return np.stack([flag.repeat(11, axis=0)[:32, None].repeat(32, axis=1) for flag in chosen])


def plain() -> Pixels:
    """Sheets of one grey each."""
    return np.arange(0, 250, 2, dtype=np.uint8)[:, None, None, None].repeat(16, axis=1).repeat(16, axis=2)


def noise() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("draw", [clocks, dots, stripes, plain, noise])
def test_pictures_that_are_alike_are_not_the_same(draw: Callable[[], Pixels]) -> None:
    images = draw()
    assert (duplicates.find(images).pictures == np.arange(len(images))).all()


@pytest.mark.parametrize("size", [(96, 128), (48, 64)])
def test_different_crops_of_a_photo_are_not_the_same(size: tuple[int, int]) -> None:
    images = photos(200, *size, step=3)
    assert (duplicates.find(images).pictures == np.arange(len(images))).mean() >= 0.99


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 128, 3), (33, 9, 1), (128, 128, 3), (8, 256, 1)])
@pytest.mark.parametrize("level", [0, 255])
def test_blank_images_of_any_shape_are_copies_byte_for_byte_and_no_others(shape: tuple[int, ...], level: int) -> None:
    images = np.full((6, *shape), level, np.uint8)
    images[5] = level ^ 3
    found = duplicates.find(images)
    assert found.pictures.tolist() == [0, 0, 0, 0, 0, 5]
    assert found.exact.tolist() == [False, True, True, True, True, False]


def test_a_crowd_of_similar_images_is_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    crowd = (DIGITS[:1].repeat(2000, axis=0) * rng.uniform(0.8, 1, (2000, 1, 1, 1))).astype(np.uint8)
    monkeypatch.setattr("latentaug.datasets.near_copies.MOST_PIXELS", 64 * 5000)
    assert (duplicates.find(crowd).pictures == 0).mean() >= 0.9


PICTURES = st.lists(st.integers(0, 12), min_size=4, max_size=60)


def _named(numbers: list[int]) -> NDArray[np.int64]:
    """For each image the first one of the same picture."""
    return np.array([numbers.index(number) for number in numbers], np.int64)


@given(PICTURES, st.integers(1, 4), st.integers(0, 3))
def test_no_picture_is_in_two_parts_and_none_is_lost(numbers: list[int], classes: int, seed: int) -> None:
    pictures = _named(numbers)
    labels = np.random.default_rng(len(numbers)).integers(0, classes, len(numbers))
    for codes in (labels, None):
        parts = split(len(numbers), codes, seed, pictures=pictures)
        assert sorted(np.concatenate(parts)) == list(range(len(numbers)))
        assert all(len(part) for part in parts)
        if len(set(numbers)) >= 3:
            assert sum(len(set(pictures[part])) for part in parts) == len(set(numbers))


@given(PICTURES, st.floats(0.1, 0.9), st.integers(0, 3))
def test_no_unlabelled_image_shows_what_a_test_image_shows(numbers: list[int], hidden: float, seed: int) -> None:
    pictures, rng = _named(numbers), np.random.default_rng(len(numbers))
    labels = np.where(rng.random(len(numbers)) < hidden, UNLABELLED, rng.integers(0, 3, len(numbers)))
    labels[0] = UNLABELLED
    train, validation, test = split_partly_labelled(labels, pictures, seed)
    assert (labels[test] != UNLABELLED).all()
    assert len(validation)
    trained, validated = (rows[labels[rows] == UNLABELLED] for rows in (train, validation))
    assert not set(pictures[test]) & set(pictures[np.concatenate([trained, validated])])
    if len(set(numbers)) >= 3:
        assert sum(len(set(pictures[part])) for part in (train, validation, test)) == len(set(numbers))


def test_shares_are_as_ever_where_each_picture_has_as_many_copies() -> None:
    pictures = np.tile(np.arange(200), 3)
    labels = np.tile(np.arange(200) % 2, 3)
    counts = [np.bincount(labels[part]).tolist() for part in split(600, labels, pictures=pictures)]
    assert counts == [[180, 180], [30, 30], [90, 90]]


def test_every_class_trains_though_its_only_image_is_a_copy_of_another_class() -> None:
    for seed in range(20):
        pictures = np.array([*range(20), 3])
        labels = np.array([0] * 20 + [1])
        train, _, _ = split(21, labels, seed, pictures=pictures)
        assert set(labels[train]) == {0, 1}


def test_pictures_without_copies_are_split_as_ever() -> None:
    digest = hashlib.sha256()
    for n in (4, 5, 7, 12, 40, 333):
        for classes in (0, 1, 3, 10):
            for seed in (0, 1):
                labels = np.random.default_rng(n * 100 + classes).integers(0, classes, n) if classes else None
                for part in split(n, labels, seed, pictures=np.arange(n)):
                    digest.update(part.tobytes())
    for n in (4, 5, 7, 12, 40, 333):
        for hidden in (0.2, 0.9):
            for seed in (0, 1):
                rng = np.random.default_rng(n)
                labels = np.where(rng.random(n) < hidden, UNLABELLED, rng.integers(0, 3, n))
                labels[0] = UNLABELLED
                for part in split_partly_labelled(labels, np.arange(n), seed):
                    digest.update(part.tobytes())
    assert digest.hexdigest() == PARTS_BEFORE


def _nearest_is_right(data: datasets.Dataset) -> float:
    """Accuracy of the nearest training image's label on the test part."""
    assert data.labels is not None
    flat = data.images.reshape(len(data.images), -1).astype(np.float64)
    test, train = flat[data.test], flat[data.train]
    squared = (test**2).sum(1)[:, None] - 2 * test @ train.T + (train**2).sum(1)
    return float((data.labels[data.train][squared.argmin(axis=1)] == data.labels[data.test]).mean())


@pytest.mark.parametrize("way", [lambda image: image, brightened, lambda image: as_jpeg(image, 92)])
def test_random_labels_score_at_chance_though_each_picture_is_there_three_times(
    store: ArtefactStore, way: Callable[[Pixels], Pixels]
) -> None:
    once = DIGITS[:1000]
    images = np.concatenate([once, np.stack([way(image) for image in once]), once])
    labels = [str(label) for label in np.tile(np.random.default_rng(1).integers(0, 2, 1000), 3)]
    described = datasets.create(store, "thrice", images, labels, MAX_BYTES)
    kept = datasets.load("thrice", store, [])
    assert kept.labels is not None
    train, validation, test = split(len(images), kept.labels)
    apart = datasets.Dataset("apart", images, kept.labels, kept.classes, train, validation, test, "upload")

    assert _nearest_is_right(apart) > 0.8
    assert abs(_nearest_is_right(kept) - 0.5) < 0.09  # 300 pictures: three standard errors
    assert described.duplicates is not None
    assert described.duplicates.exact + described.duplicates.near >= 0.95 * 2000


def test_unlabelled_near_copies_of_test_images_are_in_no_part(store: ArtefactStore) -> None:
    once = DIGITS[:60]
    images = np.concatenate([once, np.stack([brightened(image) for image in once])])
    labels = [*("ab"[i % 2] for i in range(60)), *[None] * 60]
    described = datasets.create(store, "lit", images, labels, MAX_BYTES)
    data = datasets.load("lit", store, [])
    elsewhere = np.concatenate([data.train, data.validation])
    assert not set(data.test % 60) & set(elsewhere % 60)
    assert described.left_out is not None
    assert described.left_out.images == described.parts["test"] == 18


def test_copies_are_counted_shown_and_told(store: ArtefactStore) -> None:
    once = photos(12, 48, 64)
    images = np.concatenate([once, once[:2], once[:2], brightened(once[2])[None], moved(once[3])[None]])
    labels = ["cat"] * 6 + ["dog"] * 6 + ["cat", "dog", "cat", "cat", "cat", "cat"]
    files = [f"{label}/{row}.png" for row, label in enumerate(labels)]
    described = datasets.create(store, "told", images, labels, MAX_BYTES, files=files)
    found = described.duplicates
    assert found is not None
    assert (found.exact, found.near, found.groups, found.conflicting) == (4, 2, 4, 1)
    assert [[copy.row for copy in example] for example in found.examples] == [
        [1, 13, 15],
        [0, 12, 14],
        [2, 16],
        [3, 17],
    ]
    assert [copy.file for copy in found.examples[0]] == ["cat/1.png", "dog/13.png", "cat/15.png"]
    assert [copy.label for copy in found.examples[0]] == ["cat", "dog", "cat"]
    assert described.warnings == [
        "Of 18 images, 6 repeat an earlier one (4 byte for byte, 2 nearly), such as 'cat/17.png', which shows what "
        "'cat/3.png' shows. All images of one picture are in the same part, so that nothing is tested on what it was "
        "trained on.",
        "1 picture has different labels in different images, such as 'cat/1.png' (cat) and 'dog/13.png' (dog). "
        "Correct the labels or leave these images out, and upload the data set again.",
    ]
    assert datasets.describe("told", store) == described


def test_images_without_a_file_are_named_by_their_row(store: ArtefactStore) -> None:
    described = datasets.create(store, "rows", np.concatenate([DIGITS[:9], DIGITS[4:5]]), None, MAX_BYTES)
    assert described.warnings[0].startswith("Of 10 images, 1 repeats an earlier one (1 byte for byte, 0 nearly), such")
    assert "row 9, which shows what row 4 shows" in described.warnings[0]
    assert len(described.warnings) == 1


def test_too_few_different_pictures_are_told_and_split_all_the_same(store: ArtefactStore) -> None:
    described = datasets.create(store, "one", np.zeros((20, 8, 8, 1), np.uint8), None, MAX_BYTES)
    assert described.parts == {"train": 12, "validation": 2, "test": 6}
    assert "So few different pictures cannot be kept apart" in described.warnings[-1]


def test_examples_are_few_however_many_copies_there_are(store: ArtefactStore) -> None:
    images = np.tile(DIGITS[:50], (10, 1, 1, 1))
    described = datasets.create(store, "many", images, None, MAX_BYTES, files=["x" * 1000] * 500)
    assert described.duplicates is not None
    assert [len(example) for example in described.duplicates.examples] == [5] * 10
    assert len(described.model_dump_json()) < 20_000


def test_a_data_set_without_copies_has_nothing_to_tell(store: ArtefactStore) -> None:
    described = datasets.create(store, "clean", photos(20, 48, 64), None, MAX_BYTES)
    assert described.duplicates == duplicates.Duplicates(exact=0, near=0, groups=0, conflicting=0, examples=[])
    assert described.warnings == []
    assert datasets.describe("digits", store).duplicates is None
