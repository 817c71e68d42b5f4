"""The compiled VAE: the numbers of the plain network in every tile, and nothing told to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentaug.vae import compiled
from latentaug.vae.architectures import VAE, Architecture, pixels
from latentaug.vae.compiled import CompiledVAE, prepared
from latentaug.vae.inference import FrozenResidualVAE, FrozenVAE
from latentaug.vae.residual import ResidualVAE
from tests.domain.vae.test_inference import SHAPES, plain_decode, random_vae

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="OpenVINO is not there for this platform")
CPU = torch.device("cpu")


def computed(vae: CompiledVAE, name: Any, rows: Any) -> tuple[Any, ...]:
    tile = vae.tile(name, len(rows))
    tile.rows[...] = rows
    return tile.compute()


@pytest.mark.parametrize("shape", [*SHAPES, (9, 8, 3), (128, 128, 3)])
@pytest.mark.parametrize("rows", [1, 4, 16])
@torch.inference_mode()
def test_it_gives_the_numbers_of_the_plain_network(shape: tuple[int, int, int], rows: int) -> None:
    vae = random_vae(shape)
    images, latents = torch.randint(0, 256, (rows, *shape), dtype=torch.uint8), torch.randn(rows, 6)
    ours = CompiledVAE(vae)
    for found, plain in zip(computed(ours, "encode", images.numpy()), vae.encode(pixels(images)), strict=True):
        np.testing.assert_allclose(found, plain.numpy(), atol=1e-5, rtol=0)
    decoded = computed(ours, "decode", latents.numpy())[0].copy()  # the memory is that of `render` too
    np.testing.assert_allclose(decoded, plain_decode(vae, latents).numpy(), atol=1e-5, rtol=0)
    (levels,) = computed(ours, "render", latents.numpy())
    assert levels.dtype == np.uint8
    np.testing.assert_array_equal(levels, np.rint(decoded * np.float32(255)))


@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_bfloat16_moves_no_latent_and_images_by_little(shape: tuple[int, int, int]) -> None:
    vae, images = random_vae(shape), np.random.default_rng(0).integers(0, 256, (32, *shape), np.uint8)
    exact, half = CompiledVAE(vae), CompiledVAE(vae, torch.bfloat16)
    mean = computed(exact, "encode", images)[0].copy()
    np.testing.assert_array_equal(computed(half, "encode", images)[0], mean)
    levels, others = (computed(each, "render", mean)[0].astype(int) for each in (exact, half))
    assert np.abs(levels - others).max() <= 4
    assert np.abs(levels - others).mean() < 1


def test_training_on_leaves_it_as_it_was() -> None:
    vae, latents = random_vae((8, 8, 1)), np.ones((3, 6), np.float32)
    ours = CompiledVAE(vae)
    before = computed(ours, "decode", latents)[0].copy()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
    for rows in (latents, np.ones((5, 6), np.float32)):  # a tile that was compiled before, and one that was not
        assert np.abs(computed(ours, "decode", rows)[0][:3] - before).max() < 1e-6


def test_tiles_share_memory_where_only_one_of_them_is_computed_at_a_time() -> None:
    ours = CompiledVAE(random_vae((8, 8, 1)))
    assert ours.tile("decode", 4).rows is ours.tile("render", 4).rows
    assert not np.shares_memory(ours.tile("decode", 4).rows, ours.tile("decode", 5).rows)
    assert not np.shares_memory(ours.tile("encode", 4).rows, ours.tile("encode", 4).rows)


def test_only_the_paper_s_network_on_a_processor_is_compiled_while_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = random_vae((28, 28, 1))
    residual = ResidualVAE(Architecture(64, 64, 3, 8, name="residual"))
    assert isinstance(prepared(paper, torch.float32, CPU), CompiledVAE)
    large = VAE(Architecture(56, 56, 1, 8)).eval()
    assert isinstance(prepared(residual, torch.float32, CPU), FrozenResidualVAE)
    assert isinstance(prepared(large, torch.float32, CPU), FrozenVAE)
    assert isinstance(prepared(paper, torch.float32, torch.device("cuda")), FrozenVAE)
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert isinstance(prepared(paper, torch.float32, CPU), FrozenVAE)


def test_nobody_is_told_that_it_is_used(tmp_path: Path) -> None:
    """OpenVINO's own package for that writes to the home and sends a message as soon as it is imported."""
    program = (
        "import sys\n"
        "from latentaug.vae.architectures import VAE, Architecture\n"
        "from latentaug.vae.compiled import CompiledVAE\n"
        "CompiledVAE(VAE(Architecture(8, 8, 1, 2, 16))).tile('encode', 1).compute()\n"
        "print([name for name, module in sys.modules.items() if name.startswith('openvino_telemetry') and module])"
    )
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=home, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_without_the_runtime_the_module_says_so() -> None:
    program = (
        "import sys\nsys.modules['openvino'] = None\nfrom latentaug.vae import compiled\nprint(compiled.AVAILABLE)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
