"""mixup and CutMix as their papers have them."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from latentaug.evaluation.mixing import MIXERS, Mixed, cutmix, mixup

seeds = st.integers(0, 2**32)
sides = st.integers(1, 20)


def _mixed(mix: Callable[[Tensor], Mixed], seed: int, images: Tensor) -> Mixed:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mix(images)


@settings(deadline=None)
@given(seeds)
def test_mixup_is_a_weighted_mean_of_two_images(seed: int) -> None:
    images = torch.rand(7, 3, 5, 4, generator=torch.Generator().manual_seed(seed))
    mixed = _mixed(mixup, seed, images)
    expected = mixed.share * images + (1 - mixed.share) * images[mixed.partner]
    torch.testing.assert_close(mixed.images, expected)


@settings(deadline=None)
@given(seeds, sides, sides)
def test_cutmix_keeps_as_much_of_an_image_as_of_its_label(seed: int, height: int, width: int) -> None:
    images = torch.arange(6.0)[:, None, None, None].expand(6, 2, height, width)  # each image of a grey of its own
    mixed = _mixed(cutmix, seed, images)
    own = torch.arange(6)
    for image, i, j in zip(mixed.images, own, mixed.partner, strict=True):
        assert ((image == i) | (image == j)).all()
        if i != j:
            assert float((image == i).float().mean()) == pytest.approx(mixed.share)
            rows, columns = (image[0] == j).nonzero(as_tuple=True)
            if len(rows):  # what is pasted is one rectangle
                area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
                assert int(area) == len(rows)


@pytest.mark.parametrize("mix", MIXERS.values(), ids=MIXERS)
@settings(deadline=None)
@given(seed=seeds)
def test_each_image_is_mixed_into_one_other_and_left_as_it_was(mix: Callable[[Tensor], Mixed], seed: int) -> None:
    images = torch.rand(9, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    before = images.clone()
    mixed = _mixed(mix, seed, images)
    assert mixed.partner.sort().values.tolist() == list(range(9))
    assert 0 <= mixed.share <= 1
    assert torch.equal(images, before)
    assert torch.equal(mixed.images, _mixed(mix, seed, images).images)


def test_shares_are_spread_as_the_papers_say() -> None:
    images = torch.zeros(2, 1, 32, 32)
    mixup_shares, cutmix_shares = (
        torch.tensor([_mixed(mix, seed, images).share for seed in range(400)]) for mix in (mixup, cutmix)
    )
    assert mixup_shares.mean() == pytest.approx(0.5, abs=0.06)
    assert ((mixup_shares < 0.1) | (mixup_shares > 0.9)).float().mean() > 0.6  # Beta(0.2, 0.2) has 0.68 there
    assert (cutmix_shares == 1).float().mean() == pytest.approx(0.5, abs=0.1)  # and some where nothing was pasted
    assert cutmix_shares[cutmix_shares < 1].mean() > 0.55  # a rectangle that is cut off at a border pastes less
