"""More images than one request holds: the client cuts them or has a job made of them, and the answer is the same."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
from latentaug_client import AsyncClient, Client, Invalid, JobFailed, large
from PIL import Image

from tests.client.conftest import DIGITS, MODEL

assert DIGITS.labels is not None
IMAGES, LABELS = DIGITS.images[:300, ..., 0], DIGITS.labels[:300]


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "MOST_IMAGES", 70)


def by_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "MOST_WORK", 1000)
    monkeypatch.setattr(large, "MOST_BYTES", 1000)


def borrowed(client: Client) -> list[str]:
    return [dataset["name"] for dataset in client.datasets() if dataset["name"].startswith("augment-")]


def test_parts_hold_everything_once_and_no_more_than_they_may() -> None:
    photos = np.zeros((100, 300, 300, 3), np.uint8)
    files = [b"x" * size for size in (10, 2**24, 10, 2**23, 2**23, 1)]
    for batch, most in ((photos, large.MOST_VALUES // photos[0].size), (IMAGES, large.MOST_IMAGES), (files, 2)):
        parts = [batch[part] for part in large.parts(batch)]
        assert sum(map(len, parts)) == len(batch)
        assert 0 < max(map(len, parts)) <= most
    assert [len(files[part]) for part in large.parts(files)] == [1, 1, 2, 2]


def test_encode_and_decode_are_cut_and_joined(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.encode(IMAGES, model=MODEL)
    pixels = client.decode(whole.latents, model=MODEL)
    in_parts(monkeypatch)
    cut = client.encode(IMAGES, model=MODEL)
    assert np.allclose(cut.latents, whole.latents, atol=1e-5)
    assert len(cut.log_variances) == len(cut.reconstruction_error) == 300
    assert np.abs(client.decode(cut.latents, model=MODEL).astype(int) - pixels).max() <= 1


def test_an_image_is_named_by_its_number_among_all(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts(monkeypatch)
    files = [png(image) for image in IMAGES[:100]]
    files[90] = b"no image"
    with pytest.raises(Invalid, match="image 90"):
        client.encode(files, model=MODEL)


@pytest.mark.parametrize("form", ["arrays", "files"])
def test_many_images_are_augmented_by_a_job_with_neighbours_among_all(
    client: Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    images: Any = IMAGES if form == "arrays" else [png(image) for image in IMAGES]
    labels = np.array([f"digit/{label}" for label in LABELS], object)
    at_once = client.augment(images, labels, model=MODEL, k=2, method="extrapolation", alpha=0.3)
    by_job(monkeypatch)
    made = client.augment(images, labels, model=MODEL, k=2, method="extrapolation", alpha=0.3)
    assert made.source.tolist() == at_once.source.tolist()
    assert (made.neighbour == at_once.neighbour).mean() > 0.99
    assert np.abs(made.images.astype(int) - at_once.images)[made.neighbour == at_once.neighbour].max() <= 1
    assert made.labels is not None
    assert made.labels.tolist() == labels[made.source].tolist()
    assert made.decode == at_once.decode == "residual"
    assert not borrowed(client)


def test_a_job_keeps_gaps_among_labels_and_resizes(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    by_job(monkeypatch)
    photos = [png(np.tile(image, (2, 3))) for image in IMAGES[:60]]
    labels = [None if i % 3 else int(label) % 2 for i, label in enumerate(LABELS[:60])]
    made = client.augment(photos, labels, model=MODEL, k=1, resize=True)
    assert made.images.shape == (60, 8, 8)
    assert made.labels is not None
    assert made.labels.tolist() == [-1 if label is None else label for label in labels]


@pytest.mark.parametrize("form", ["arrays", "files"])
def test_many_labels_are_spread_by_a_job_over_all_images(
    client: Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    images: Any = IMAGES if form == "arrays" else [png(image) for image in IMAGES]
    labels = [f"digit/{label}" if i < 150 else None for i, label in enumerate(LABELS)]
    at_once = client.label(images, labels, model=MODEL, seed=3, keep=0.5)
    by_job(monkeypatch)
    made = client.label(images, labels, model=MODEL, seed=3, keep=0.5)
    assert made.labels.tolist() == at_once.labels.tolist()
    assert made.labels[:150].tolist() == labels[:150]
    assert np.allclose(made.confidence, at_once.confidence, atol=1e-5)
    assert made.kept.tolist() == at_once.kept.tolist()
    assert not borrowed(client)


def test_of_more_than_a_request_can_measure_some_are_asked_for(client: Client) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4200, 8, 8), np.uint8)
    with pytest.raises(Invalid, match="give some of them, drawn at random") as refused:
        client.quality(images, model=MODEL)
    assert refused.value.status == 413
    assert len(client.quality(images[:500], model=MODEL)["nearest"]) == 500


def test_what_a_request_cannot_hold_goes_to_a_job_by_itself(client: Client) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4200, 8, 8), np.uint8)
    assert not large.needs_job(images, {"k": 1}), "small images: only the service knows that they are too many"
    made = client.augment(images, model=MODEL, k=1)
    assert made.source.tolist() == list(range(4200))
    with pytest.raises(Invalid, match="augment that by a job"):
        client.augment(images, model=MODEL, k=1, neighbours="dataset")


def test_the_awaited_client_does_the_same(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        async with AsyncClient(url) as client:
            made = await client.augment(IMAGES, LABELS, model=MODEL, k=1)
            encoded = await client.encode(IMAGES, model=MODEL)
            decoded = await client.decode(encoded.latents, model=MODEL)
            spread = await client.label(IMAGES, np.where(np.arange(300) < 150, LABELS, -1), model=MODEL)
        assert (spread.labels[:150] == LABELS[:150]).all()
        assert spread.labels.dtype == LABELS.dtype
        assert made.source.tolist() == list(range(300))
        assert made.labels is not None
        assert (made.labels == LABELS).all()
        assert encoded.latents.shape == (300, 20)
        assert decoded.shape == IMAGES.shape

    in_parts(monkeypatch)
    by_job(monkeypatch)
    asyncio.run(use())


def test_a_job_that_fails_leaves_no_data_set_behind(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    by_job(monkeypatch)
    with pytest.raises((Invalid, JobFailed)):
        client.augment(IMAGES, LABELS, model=MODEL, per_class=10_000_000)
    with pytest.raises(Invalid, match="class '0' has"):
        client.augment(IMAGES[:30], LABELS[:30], model=MODEL, k=20)
    assert not borrowed(client)
