"""The engine: an answer is the same to the last bit whatever is computed beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentaug.augment.methods import alter
from latentaug.augment.neighbours import go_on
from latentaug.augment.warps import warp
from latentaug.options import Decode, RenderingOptions
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from latentaug.vae import compiled
from latentaug.vae.architectures import pixels
from latentaug.vae.compiled import CompiledVAE
from latentaug.vae.inference import FrozenVAE, frozen
from service.model_server.agreement import agreeing
from service.model_server.engine import Augmentation, Key, compute
from service.model_server.loaded import TILES, FunctionName, LoadedModel
from service.oip.tensors import Array
from tests.model_server.conftest import random_residual_vae, random_vae, save_model

SHAPES = [(8, 8, 1), (28, 28, 1), (70, 70, 1), (17, 23, 3), (32, 32, 3)]
PLACES = ["compiled", "cpu", *["cuda"] * torch.cuda.is_available()]
"""Where a network computes: on the CPU by the runtime that compiles it, or by PyTorch as where there is no runtime."""


Load = Callable[[tuple[int, int, int], str], LoadedModel]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # as the server does for float32
    if request.param == "compiled" and not compiled.AVAILABLE:
        pytest.skip("OpenVINO is not there for this platform")
    return str(request.param)


@pytest.fixture
def device(place: str) -> torch.device:
    return torch.device("cuda" if place == "cuda" else "cpu")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    @cache
    def load(shape: tuple[int, int, int], place: str) -> LoadedModel:
        store = ArtefactStore(tmp_path_factory.mktemp("store").as_uri())
        description = save_model(store, "m", shape=shape)
        vae = CompiledVAE(random_vae(shape)) if place == "compiled" else FrozenVAE(random_vae(shape))
        device = torch.device("cuda" if place == "cuda" else "cpu")
        model = LoadedModel(description, vae, models.read_projected(store, description), device)
        run(Key(model, "warm-up"), None)
        return model

    return load


@pytest.fixture(params=SHAPES, ids=str)
def model(request: pytest.FixtureRequest, load: Load, place: str) -> LoadedModel:
    return load(request.param, place)


@pytest.fixture
def small(load: Load, place: str) -> LoadedModel:
    return load((8, 8, 1), place)


def random_images(model: LoadedModel, n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, *model.row_shape), np.uint8)


def augmentation(images: Any, **options: Any) -> Augmentation:
    given = {name: options.pop(name) for name in ("labels", "counts", "requests") if name in options}
    return Augmentation(images=images, **{"labels": None, **given}, options=RenderingOptions(**options))


def run(key: Key, *payloads: Any) -> list[dict[str, Any]]:
    results = compute(key, payloads)
    assert all(isinstance(result, dict) for result in results)
    return results  # type: ignore[return-value]


def assert_same_bits(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("size", range(max(map(len, TILES.values()))))
@pytest.mark.parametrize("threads", [1, 2])
def test_neither_place_nor_company_changes_a_bit(model: LoadedModel, size: int, threads: int) -> None:
    tile = model.tile_sizes[min(size, len(model.tile_sizes) - 1)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    rng = np.random.default_rng(1)
    images, latents = random_images(model, tile), rng.standard_normal((tile, 4), np.float32)
    encoding, decoding = Key(model, "encode", (tile,), (tile,)), Key(model, "decode", (), (tile,))
    encoded, decoded = run(encoding, images)[0], run(decoding, latents)[0]
    order = rng.permutation(tile)
    assert_same_bits(run(encoding, images[order])[0], {name: array[order] for name, array in encoded.items()})
    assert_same_bits(run(decoding, latents[order])[0], {name: array[order] for name, array in decoded.items()})
    for row in (0, tile // 3, tile - 1):  # alone in its tile, the rest padding
        one = slice(row, row + 1)
        assert_same_bits(run(encoding, images[one])[0], {name: array[one] for name, array in encoded.items()})
        assert_same_bits(run(decoding, latents[one])[0], {name: array[one] for name, array in decoded.items()})
    torch.set_num_threads(before)


def test_an_answer_does_not_depend_on_its_batch(model: LoadedModel) -> None:
    for tiles, sizes in ((model.family(1), (3, 1, 8, 5)), (model.family(1000), (9, 80, 64, 17))):
        requests = [random_images(model, n, seed=n) for n in sizes]
        for key in (Key(model, "encode", tiles, tiles), Key(model, "encode", tiles)):
            for request, joined in zip(requests, run(key, *requests), strict=True):
                assert_same_bits(joined, run(key, request)[0])


@pytest.mark.parametrize("decode", ["reconstruction", "residual"])
@pytest.mark.parametrize("method", ["noise", "interpolation", "extrapolation"])
def test_an_augmentation_does_not_depend_on_its_batch(model: LoadedModel, method: str, decode: Decode) -> None:
    key = Key(model, "augment", model.family(8), model.family(24), decode)
    requests = [
        augmentation(random_images(model, 5), method=method),
        augmentation(random_images(model, 8, 1), labels=np.arange(8) % 2, method=method, seed=9),
        augmentation(random_images(model, 7, 2), labels=np.arange(7) % 3, k=2, method=method, neighbours="dataset"),
    ]
    for request, joined in zip(requests, run(key, *requests), strict=True):
        assert_same_bits(joined, run(key, request)[0])


@pytest.mark.parametrize("method", ["interpolation", "extrapolation", "noise"])
@pytest.mark.parametrize("neighbours", ["batch", "dataset"])
@pytest.mark.parametrize("decode", ["reconstruction", "residual"])
def test_requests_that_come_as_one_are_each_answered_as_alone(
    small: LoadedModel, method: str, neighbours: str, decode: Decode
) -> None:
    images = random_images(small, 5 * 4)
    key = Key(small, "augment", small.family(4), small.family(4 * 3), decode)
    options = {"method": method, "neighbours": neighbours, "seed": 9}
    (together,) = run(key, augmentation(images, requests=5, **options))
    alone = [run(key, augmentation(part, **options))[0] for part in np.split(images, 5)]
    assert_same_bits(together, {name: np.concatenate([answer[name] for answer in alone]) for name in together})


def test_tiles_one_after_the_other_are_each_what_they_are_alone(model: LoadedModel) -> None:
    tile, *_ = model.tile_sizes
    images = random_images(model, 5 * tile - 3)
    latents = run(Key(model, "encode", (tile,)), images)[0]["latents"]
    together = {"latents": latents, **run(Key(model, "decode", (), (tile,)), latents)[0]}
    for start in range(0, len(images), tile):
        part = slice(start, start + tile)
        alone = {
            "latents": run(Key(model, "encode", (tile,)), images[part])[0]["latents"],
            **run(Key(model, "decode", (), (tile,)), latents[part])[0],
        }
        assert_same_bits(alone, {name: array[part] for name, array in together.items()})


@pytest.mark.parametrize("place", PLACES[1:], indirect=True)
@pytest.mark.parametrize("shape", [(40, 48, 3), (64, 64, 1)])
def test_the_residual_network_answers_each_request_as_if_it_were_alone(
    tmp_path: Path, device: torch.device, shape: tuple[int, int, int]
) -> None:
    store = ArtefactStore(tmp_path.as_uri())
    description = save_model(store, "m", shape=shape)
    network = random_residual_vae(shape)
    model = LoadedModel(description, frozen(network), models.read_projected(store, description), device)
    run(Key(model, "warm-up"), None)
    images = random_images(model, 20)
    key = Key(model, "augment", model.family(5), model.family(15), "residual")
    alone = run(key, augmentation(images[:7]))[0]
    together = run(key, augmentation(images[7:12]), augmentation(images[:7]), augmentation(images[12:]))[1]
    assert np.array_equal(alone["images"], together["images"])
    with torch.inference_mode():
        x = pixels(torch.from_numpy(images))
        mean, _ = network.encode(x)
        rendered = network.decode(mean)
    np.testing.assert_allclose(run(Key(model, "encode", (16,)), images)[0]["latents"], mean.numpy(), atol=1e-4)
    shown = run(Key(model, "decode", (), (16,)), mean.numpy())[0]["images"].astype(np.float32)
    assert np.abs(shown - 255 * rendered.permute(0, 2, 3, 1).numpy()).max() < 0.51


@pytest.mark.parametrize(
    ("device_type", "shape", "sizes"),
    [
        ("cpu", (28, 28, 1), (4, 16, 64)),
        ("cpu", (128, 128, 3), (4, 16, 64)),
        ("cpu", (256, 256, 1), (4, 16, 64)),
        ("cpu", (256, 256, 3), (4, 16)),
        ("cuda", (28, 28, 1), (32, 256)),
        ("cuda", (128, 128, 3), (32,)),
    ],
)
def test_large_images_have_small_tiles(
    tmp_path: Path, device_type: str, shape: tuple[int, int, int], sizes: tuple[int, ...]
) -> None:
    store = ArtefactStore(tmp_path.as_uri())
    description = save_model(store, "m", shape=(8, 8, 1))
    vae, projected = FrozenVAE(random_vae((8, 8, 1))), models.read_projected(store, description)
    height, width, channels = shape
    large = description.model_copy(update={"height": height, "width": width, "channels": channels})
    model = LoadedModel(large, vae, projected, torch.device(device_type))  # which it first uses when it is warmed up
    assert model.tile_sizes == sizes
    assert model.tile(1) == sizes[0]
    assert model.tile(200) == sizes[-1]


def test_tiles_of_a_family_agree_on_every_bit(model: LoadedModel) -> None:
    images = random_images(model, 2 * model.tile_sizes[-1], seed=7)
    latents = np.random.default_rng(8).standard_normal((len(images), 4), np.float32)
    assert sorted(tile for family in model.families for tile in family) == [*model.tile_sizes]
    for family in model.families:
        tiles = [family, *((tile,) for tile in family)]
        encoded = [run(Key(model, "encode", each, each), images)[0] for each in tiles]
        decoded = [run(Key(model, "decode", (), each), latents)[0] for each in tiles]
        for alone in (*encoded[1:], *decoded[1:]):
            assert_same_bits(alone, encoded[0] if "latents" in alone else decoded[0])


@pytest.mark.parametrize(("name", "tile", "row"), [("encode", 16, 15), ("decode", 4, 3), ("decode", 64, 63)])
def test_a_tile_that_differs_by_one_bit_is_kept_apart(
    small: LoadedModel, monkeypatch: pytest.MonkeyPatch, name: FunctionName, tile: int, row: int
) -> None:
    if small.device.type == "cuda":
        pytest.skip("tiles are of other sizes there")
    assert small.families == ((4, 16, 64),)
    tiles = small.tiles(name, tile)

    class Differing:
        def map(self, rows: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
            for part, results in tiles.map(rows):
                results[0][row, 0] = np.nextafter(results[0][row, 0], np.float32(9))
                yield part, results

    monkeypatch.setitem(small._tiles, (name, tile), Differing())
    families = agreeing(small, go_on)
    assert (tile,) in families
    assert sorted(each for family in families for each in family) == [4, 16, 64]


@pytest.mark.parametrize(
    ("shape", "sizes"), [((28, 28, 1), (4, 16, 64)), ((64, 64, 1), (4, 16)), ((128, 128, 3), (4, 16))]
)
def test_of_a_compiled_network_only_small_images_have_the_largest_tile(
    load: Load, shape: tuple[int, int, int], sizes: tuple[int, ...]
) -> None:
    if not compiled.AVAILABLE:
        pytest.skip("OpenVINO is not there for this platform")
    height, width, channels = shape
    small = load((8, 8, 1), "compiled")
    large = small.description.model_copy(update={"height": height, "width": width, "channels": channels})
    assert replace(small, description=large).tile_sizes == sizes


def test_encoding_is_the_network_s(model: LoadedModel) -> None:
    images = random_images(model, 50)
    answer = run(Key(model, "encode", (32,), (32,)), images)[0]
    with torch.inference_mode():
        x = pixels(torch.from_numpy(images))
        mean, log_variance = random_vae(model.row_shape).encode(x)
        error = (random_vae(model.row_shape).decode(mean) - x).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(answer["latents"], mean.numpy(), atol=1e-4)
    np.testing.assert_allclose(answer["log_variances"], log_variance.numpy(), atol=1e-4)
    np.testing.assert_allclose(answer["reconstruction_error"], error.numpy(), atol=1e-5)


def test_decoding_rounds_to_the_nearest_grey_level(model: LoadedModel) -> None:
    latents = np.random.default_rng(0).standard_normal((40, 4), np.float32)
    images = run(Key(model, "decode", (), (32,)), latents)[0]["images"]
    with torch.inference_mode():
        exact = random_vae(model.row_shape).decode(torch.from_numpy(latents)).permute(0, 2, 3, 1).numpy() * 255
    assert images.dtype == np.uint8
    assert np.abs(images - exact).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("decode", ["reconstruction", "residual"])
@pytest.mark.parametrize("method", ["noise", "interpolation", "extrapolation"])
def test_an_augmentation_is_the_paper_s_equation(small: LoadedModel, method: str, decode: Decode) -> None:
    images, labels = random_images(small, 12), np.arange(12) % 3
    request = augmentation(images, labels=labels, method=method, alpha=0.7, seed=5)
    answer = run(Key(small, "augment", small.family(12), small.family(36), decode), request)[0]
    latents = run(Key(small, "encode", small.family(12)), images)[0]["latents"]
    expected = alter(latents, method=method, alpha=0.7, k=3, copies=3, sigma=small.sigma, seed=5, labels=labels)
    assert_same_bits({"z": answer["latents"]}, {"z": expected.latents})
    np.testing.assert_array_equal(answer["source"], np.repeat(np.arange(12), 3))
    np.testing.assert_array_equal(answer["neighbour"], expected.neighbour)
    vae = random_vae(small.row_shape)
    with torch.inference_mode():
        new = vae.decode(torch.from_numpy(expected.latents)).permute(0, 2, 3, 1).numpy()
        old = vae.decode(torch.from_numpy(latents)).permute(0, 2, 3, 1).numpy()
    if decode == "residual":
        new = np.clip(images[expected.source] / 255 + new - old[expected.source], 0, 1)
    assert np.abs(answer["images"].astype(int) - np.rint(new * 255)).max() <= 1


@pytest.mark.parametrize("method", ["interpolation", "extrapolation"])
def test_a_warp_moves_each_source_by_its_own_neighbour_whatever_its_company(small: LoadedModel, method: str) -> None:
    images, labels = random_images(small, 12), np.arange(12) % 3
    key = Key(small, "augment", small.family(12), (64,), "warp")
    request = augmentation(images, labels=labels, method=method, decode="warp", alpha=0.5)
    other = augmentation(random_images(small, 5, 1), method=method, decode="warp", k=2)
    answer, _ = run(key, request, other)
    assert_same_bits(answer, run(key, request)[0])
    share = torch.full((36,), 0.5 if method == "interpolation" else -0.5)
    sources, towards = (torch.from_numpy(images[answer[name]]) for name in ("source", "neighbour"))
    expected = warp(sources, towards, share).numpy()
    assert np.abs(answer["images"].astype(int) - expected.astype(int)).max() <= 1
    assert (labels[answer["neighbour"]] == labels[answer["source"]]).all()


def test_neighbours_in_the_data_set_are_named_by_its_rows(small: LoadedModel) -> None:
    request = augmentation(random_images(small, 4), labels=np.array([0, 1, 2, 0]), neighbours="dataset")
    answer = run(Key(small, "augment", (8,), (32,)), request)[0]
    assert small.projected.labels is not None
    label_of = dict(zip(small.projected.rows.tolist(), small.projected.labels.tolist(), strict=True))
    assert [label_of[row] for row in answer["neighbour"].tolist()] == [0] * 3 + [1] * 3 + [2] * 3 + [0] * 3


def test_images_are_decoded_only_where_wanted(small: LoadedModel) -> None:
    answer = run(Key(small, "augment", (8,)), augmentation(random_images(small, 4)))[0]
    assert answer.keys() == {"latents", "source", "neighbour"}


def test_a_class_too_small_fails_its_own_request_only(small: LoadedModel) -> None:
    good, bad = augmentation(random_images(small, 8)), augmentation(random_images(small, 2))
    failed, computed = compute(Key(small, "augment", (8,), (32,)), [bad, good])
    assert isinstance(failed, Exception)
    assert failed.code == "too_few_images"
    assert isinstance(computed, dict)
    assert_same_bits(computed, run(Key(small, "augment", (8,), (32,)), good)[0])
