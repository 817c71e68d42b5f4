"""Verdicts: first what to do, in everyday words; never more than the numbers bear out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from latentaug.evaluation.result import Result
from latentaug.evaluation.statistics import OVER_IMAGES, Gain
from latentaug.evaluation.summary import Row
from latentaug.evaluation.verdict import Verdict, judge
from tests.domain.conftest import EARLIER, earlier

PLAIN = Row("knn", "image", None, "none", None, 77.4, 1.0)


def arm(
    name: str,
    mean: float,
    verdict: str,
    *,
    half: float = 2.0,
    before: Row = PLAIN,
    over_affine: tuple[float, str] | None = None,
) -> Row:
    """What an arm gains over `before`, with an interval of `half` to both sides."""
    of_a_vae = any(part in name for part in ("noise", "polation"))
    dim = 8 if of_a_vae else before.latent_dim
    decode = "residual" if of_a_vae and before.space == "image" else None
    gain = Gain(mean, mean - half, mean + half, 3, 0.001)
    row = Row(
        before.classifier,
        before.space,
        dim,
        name,
        decode,
        before.accuracy + mean,
        1.0,
        gain,
        0.012,
        verdict,
        1.5 * half,
    )
    if over_affine is None:
        return row
    over, word = over_affine
    affine = Gain(over, over - 1, over + 1, 3, 0.001)
    return replace(row, gain_over_affine=affine, p_holm_against_affine=0.01, verdict_against_affine=word)


def of(*rows: Row, children: int = 3) -> Verdict:
    return judge(rows, children)["knn"]


def test_the_best_of_what_is_proven_is_recommended_whoever_made_it() -> None:
    verdict = of(
        PLAIN,
        arm("affine", 1.1, "helps"),
        arm("affine+affine+affine", 2.14, "helps"),
        arm("duplication", 1.0, "cannot tell"),
        arm("interpolation", 0.9, "cannot tell", over_affine=(-0.2, "cannot tell")),
        arm("affine+interpolation+extrapolation", 1.7, "helps", over_affine=(-0.4, "cannot tell")),
    )
    assert verdict.action == "use"
    assert verdict.words == (
        "Use 9 affine copies per image: +2.1 points for kNN (95 % interval 0.1 to 4.1). "
        "VAE images add nothing to them: 3 affine copies, 3 VAE images by interpolation and 3 VAE images by "
        "extrapolation instead are 0.40 points (95 % interval -0.60 to 1.40) behind, which may be chance."
    )


def test_what_the_same_images_again_do_is_not_put_down_to_new_ones() -> None:
    helped = arm("affine", 6.0, "helps")
    half, less = arm("duplication", 3.0, "cannot tell"), arm("duplication", 2.9, "cannot tell")
    said = " But the same images again, with nothing new in them, changed accuracy from 77.4 % to 80.4 %, so that most "
    assert said in of(PLAIN, helped, half).words
    assert "the same images again" not in of(PLAIN, helped, less).words


@pytest.mark.parametrize(
    ("over_affine", "said"),
    [
        ((3.2, "helps"), "As many affine copies do worse, by 3.2 points (95 % interval 2.2 to 4.2)."),
        ((-1.5, "harms"), "As many affine copies do better, by 1.5 points (95 % interval 0.5 to 2.5)."),
        ((1.2, "cannot tell"), "1.2 points (95 % interval 0.2 to 2.2) behind, which is likely, but not proven"),
        ((-0.2, "cannot tell"), "ahead, which may be chance."),
        (None, "Affine copies were not measured beside them; they need no VAE, and may do as well."),
    ],
)  # fmt: skip
def test_vae_images_are_held_against_as_many_affine_copies(over_affine: tuple[float, str] | None, said: str) -> None:
    verdict = of(PLAIN, arm("interpolation", 5.0, "helps", over_affine=over_affine))
    assert verdict.words.startswith(
        "Use 3 VAE images by interpolation per image: +5.0 points for kNN (95 % interval 3.0 to 7.0). "
    )
    assert said in verdict.words


def test_beside_affine_copies_a_vae_may_still_do_better_or_be_unclear_or_missing() -> None:
    copies = arm("affine", 3.0, "helps")
    for over_affine, said in (
        ((0.7, "helps"), "VAE images do better still: 3 VAE images by noise instead are 0.70 points"),
        ((0.7, "cannot tell"), "Whether VAE images do better in their place is not clear: "),
        ((-0.7, "harms"), "VAE images do no better in their place: 3 VAE images by noise instead are 0.70 points"),
    ):
        assert said in of(PLAIN, copies, arm("noise", 2.0, "cannot tell", over_affine=over_affine)).words
    assert "VAE images were not measured beside them." in of(PLAIN, copies).words
    smote = of(PLAIN, arm("smote", 3.0, "helps"), arm("noise", -2.0, "harms", half=1))
    said = (
        "VAE images do harm: the best of them, 3 VAE images by noise per image, changed accuracy from 77.4 % to 75.4 %."
    )
    assert said in smote.words


def test_a_gain_in_latent_space_says_what_to_classify() -> None:
    latents = replace(PLAIN, space="latent", latent_dim=8, accuracy=85.0)
    verdict = of(PLAIN, arm("affine", 9.0, "helps"), latents, arm("affine", 2.0, "helps", half=1, before=latents))
    assert verdict.words.startswith(
        "Use 3 affine copies per image, and classify the VAE's latents of 8 dimensions instead of pixels: +2.0"
    )
    assert "Without new images: 77.40 % on pixels, 85.00 % on latents of 8 dimensions." in verdict.numbers


def test_what_stays_below_other_pixels_or_latents_without_new_images_is_not_recommended() -> None:
    latents = replace(PLAIN, space="latent", latent_dim=8, accuracy=60.0)
    verdict = of(PLAIN, arm("noise", 1.9, "cannot tell"), latents, arm("noise", 5.0, "helps", before=latents))
    assert verdict.action == "no clear effect"
    assert "On latents of 8 dimensions new images help, but reach 65.0 % at most" in verdict.words
    assert verdict.words.endswith("; pixels without any new image reach 77.4 %.")


def test_no_clear_effect_says_what_would_have_shown_and_what_to_try() -> None:
    verdict = of(PLAIN, arm("noise", 0.5, "cannot tell"), arm("interpolation", 1.9, "cannot tell", half=14.6))
    assert verdict.action == "no clear effect"
    assert verdict.words == (
        "No clear effect. For kNN the best of 2 kinds of new images, 3 VAE images by interpolation per image, changed "
        "accuracy from 77.4 % to 79.3 %; with 3 draws that may be chance. Only gains above about 22 points would have "
        "shown. Try more draws."
    )
    assert verdict.numbers == (
        "In numbers: kinds of new images tried: 2, proven to help: 0, proven to harm: 0, no clear effect: 2. "
        "For the best of them p = 0.012 after Holm's correction for 2 comparisons."
    )


def test_what_changed_nothing_is_not_said_to_have_changed_it() -> None:
    unclear = of(PLAIN, arm("interpolation", 0.0, "cannot tell")).words
    assert "3 VAE images by interpolation per image left accuracy at 77.4 %; with 3 draws" in unclear
    equal = of(PLAIN, arm("interpolation", 3.0, "helps", over_affine=(0.0, "cannot tell"))).words
    assert "copies do as well on average: the difference is 0.00 points (95 % interval -1.00 to 1.00)." in equal


def test_a_gain_that_cannot_be_is_never_mentioned() -> None:
    unclear = of(PLAIN, arm("interpolation", 1.9, "cannot tell", half=20))
    assert "; with 3 draws no gain could have been told from chance. Try more draws." in unclear.words
    assert "30 points" not in unclear.text, "only 22.6 points are left to gain"
    proven = of(PLAIN, arm("interpolation", 20, "helps", half=19.5))
    assert "(95 % interval 0.5 to 22.6)" in proven.words
    assert "39.5" not in proven.text
    assert "would have shown" not in proven.text


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (Gain(1.9, None, None, 1, None), "; with one draw that may be chance. Try 10 draws."),
        (Gain(1.9, None, None, 5, 1.0), ", the same each time, so that there is nothing to judge chance by. Try more"),
        (Gain(1.9, None, None, 1, 1.0, OVER_IMAGES), "nothing to judge chance by. Try a larger test part."),
        (Gain(1.9, -1, 4.8, 1, 0.2, OVER_IMAGES), "; with these test images that may be chance. "),
    ],
)  # fmt: skip
def test_why_nothing_is_clear_depends_on_where_chance_is(gain: Gain, said: str) -> None:
    row = arm("interpolation", 1.9, "cannot tell")
    detectable = None if gain.low is None else 4.0
    assert said in of(PLAIN, replace(row, gain=gain, smallest_detectable=detectable)).words


def test_what_only_lowers_accuracy_is_left_out() -> None:
    noise, duplication = arm("noise", -3.0, "harms"), arm("duplication", -1.0, "cannot tell")
    alone = of(PLAIN, noise)
    assert alone.action == "leave out"
    assert alone.words == (
        "Leave new images out: 3 VAE images by noise per image lower accuracy for kNN by 3.0 points "
        "(95 % interval 1.0 to 5.0)."
    )
    assert of(PLAIN, noise, duplication).words == (
        "Leave new images out: none of the 2 kinds tried raised accuracy for kNN, and one is proven to lower it, "
        "such as 3 VAE images by noise per image, by 3.0 points (95 % interval 1.0 to 5.0)."
    )
    beside = of(PLAIN, noise, arm("affine", 1.0, "cannot tell"))
    assert beside.words.startswith("Leave the VAE's images out: ")
    assert beside.words.endswith(
        "Other new images show no clear effect: the best, 3 affine copies per image, changed it from 77.4 % to 78.4 %."
    )


def test_nothing_measured_is_said() -> None:
    assert (of(PLAIN).action, of(PLAIN).arm) == ("not measured", None)
    assert of(PLAIN).text.startswith("Not measured: ")


@pytest.mark.parametrize("name", EARLIER)
def test_results_of_earlier_versions_are_read_and_judged(name: str) -> None:
    result = earlier(name)
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
    for verdict in result.verdicts.values():
        assert verdict.words.startswith(("Use ", "Leave ", "No clear effect. "))
        assert verdict.arm is not None
        assert (verdict.action == "use") == (verdict.arm.verdict == "helps")


def test_newly_labelled_images_are_named_for_what_they_add_and_held_against_affine_copies() -> None:
    words = of(
        PLAIN,
        arm("affine", 4.0, "helps"),
        arm("spread", 15.0, "helps", over_affine=(11.0, "helps")),
        arm("spread+affine", 16.0, "helps", over_affine=(12.0, "helps")),
        arm("self_training", -2.0, "harms", over_affine=(-6.0, "harms")),
    ).words
    assert words == (
        "Use newly labelled images by label spreading, with an affine copy of each image: +16.0 points for kNN (95 % "
        "interval 14.0 to 18.0). Affine copies of the labelled images alone do worse, by 12.0 points (95 % interval "
        "11.0 to 13.0)."
    )


def test_where_newly_labelled_images_do_harm_or_nothing_that_is_the_sentence() -> None:
    copies = arm("affine", 4.0, "helps")
    harms = of(PLAIN, copies, arm("spread", -3.0, "harms", over_affine=(-7.0, "harms"))).words
    assert harms.startswith("Use 3 affine copies per image: +4.0 points")
    assert harms.endswith(
        "Newly labelled images do harm: the best, newly labelled images by label spreading, changed accuracy from "
        "77.4 % to 74.4 %."
    )
    alone = of(PLAIN, arm("spread_pixels", -3.0, "harms"))
    assert alone.action == "leave out"
    assert alone.words.startswith(
        "Leave new images out: newly labelled images by scikit-learn's label spreading on pixels lower accuracy for kNN"
    )
    unclear = of(PLAIN, arm("spread", 1.0, "cannot tell")).words
    assert unclear.startswith("No clear effect. For kNN newly labelled images by label spreading changed accuracy")
