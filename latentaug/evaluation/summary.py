"""From an evaluation's cells to one row for each arm of each classifier: accuracy, gains and what is proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from latentaug.evaluation.statistics import Gain, holm, paired_gain, paired_gain_over_images, verdict, within_reach
from latentaug.evaluation.training_sets import BASELINE, VAE_ARMS, Arm, control, labeller_of
from latentaug.evaluation.work_units import Cell, unpack

LEVEL = 0.05
"""Of the verdicts; intervals have a confidence of 1 - LEVEL."""

Key = tuple[str, Arm]  # classifier and arm
Draws = Mapping[int, Cell]  # an arm's cell in each draw


@dataclass(frozen=True)
class Row:
    """What the draws say of one arm and one classifier.

    Attributes:
        classifier: its name.
        space: "image" or "latent": what the classifier was given.
        latent_dim: of the VAE; None where none took part.
        arm: "none", a comparator, a method, "spread", or several joined by "+".
        decode: one of `options.DECODES`; None where nothing was decoded.
        accuracy: mean over the draws, percent.
        std: standard deviation over the draws, points; None after one.
        gain: over the arm without new samples, with its plain interval; None for that arm itself.
        p_holm: p of `gain` after Holm's correction over all arms of the classifier.
        verdict: "helps", "harms" or "cannot tell", by `p_holm`.
        smallest_detectable: points; these draws would have proven a gain as large, whatever the other arms had shown
            (at the level divided by the number of arms). None where there is no interval, or where no gain that is left
            to reach is as large.
        gain_over_affine: over as many affine copies, or, for an arm of the pool or one that mixes batches, over affine
            copies of the labelled images alone; None where there were none, or the arm is nothing else.
        p_holm_against_affine: p of `gain_over_affine` after Holm's correction.
        verdict_against_affine: by `p_holm_against_affine`.
    """

    classifier: str
    space: str
    latent_dim: int | None
    arm: str
    decode: str | None
    accuracy: float
    std: float | None = None
    gain: Gain | None = None
    p_holm: float | None = None
    verdict: str | None = None
    smallest_detectable: float | None = None
    gain_over_affine: Gain | None = None
    p_holm_against_affine: float | None = None
    verdict_against_affine: str | None = None

    @property
    def setup(self) -> Arm:
        """The arm that the row sums up."""
        return Arm(self.space, self.latent_dim, self.arm, self.decode)

    @property
    def of_a_vae(self) -> bool:
        """Whether a VAE made the new samples, or some of them."""
        return self.arm in VAE_ARMS

    @property
    def of_the_pool(self) -> bool:
        """Whether it adds images of the pool with new labels."""
        return labeller_of(self.arm) is not None

    @property
    def for_each_image(self) -> bool:
        """Whether it adds new samples of each labelled image, not images of the pool, nor mixed batches alone."""
        return not self.of_the_pool and self.setup.mixing is None

    @property
    def before(self) -> float:
        """Accuracy without new samples in the draws that are compared, percent."""
        return round(self.accuracy - (self.gain.mean if self.gain else 0.0), 6) + 0.0  # with no minus before a zero

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def rows(cells: Iterable[Cell]) -> list[Row]:
    """Sum up the draws: one row for each classifier and arm, classifier by classifier.

    Where some cells are missing, arms are compared over the draws that both have.
    """
    draws: dict[Key, dict[int, Cell]] = {}
    for cell in cells:
        draws.setdefault((cell.classifier, cell.setup), {})[cell.draw] = cell
    classifiers = dict.fromkeys(classifier for classifier, _ in draws)
    return [row for classifier in classifiers for row in _rows_of(classifier, draws)]


def paired(baseline: Draws, treated: Draws, confidence: float = 1 - LEVEL) -> Gain | None:
    """What one arm gains over another in the draws that both have; None where there are none.

    Over the draws, or over the test images where the cells say which they got right: see `Cell.right`.
    """
    pairs = [(baseline[draw], treated[draw]) for draw in treated if draw in baseline]
    if not pairs:
        return None
    before, after = ([cell.right for cell in side] for side in zip(*pairs, strict=True))
    if all(before) and all(after):
        return paired_gain_over_images(_answers(before), _answers(after), confidence)
    return paired_gain([old.accuracy for old, _ in pairs], [new.accuracy for _, new in pairs], confidence)


def _answers(packed: Sequence[str | None]) -> Any:
    """Which test images were classified rightly in each draw: bool [draws, images]."""
    return np.stack([unpack(text) for text in packed if text])


def _rows_of(classifier: str, draws: Mapping[Key, Draws]) -> list[Row]:
    arms = [arm for name, arm in draws if name == classifier]
    gains = [_gain(draws, classifier, arm, _baseline(arm)) for arm in arms]
    over_affine = [_gain(draws, classifier, arm, _affine(arm)) for arm in arms]
    level = LEVEL / max(1, sum(gain is not None for gain in gains))
    widest = [_gain(draws, classifier, arm, _baseline(arm), 1 - level) for arm in arms]
    spreads = [_spread([cell.accuracy for cell in draws[classifier, arm].values()]) for arm in arms]
    columns = (arms, spreads, gains, _holm(gains), widest, over_affine, _holm(over_affine))
    return [
        Row(
            classifier,
            arm.space,
            arm.latent_dim,
            arm.name,
            arm.decode,
            accuracy,
            std,
            gain=gain and within_reach(gain, accuracy),
            p_holm=p,
            verdict=_verdict(gain, p),
            smallest_detectable=None if wide is None else _detectable(wide, accuracy),
            gain_over_affine=over and within_reach(over, accuracy),
            p_holm_against_affine=p_over,
            verdict_against_affine=_verdict(over, p_over),
        )
        for arm, (accuracy, std), gain, p, wide, over, p_over in zip(*columns, strict=True)
    ]


def _detectable(widest: Gain, accuracy: float) -> float | None:
    """Half the interval at the level of one arm among many; None where so large a gain was not left to reach."""
    if widest.low is None:
        return None
    half, room = widest.mean - widest.low, 100 - (accuracy - widest.mean)
    return half if half <= room else None


def _spread(accuracies: list[float]) -> tuple[float, float | None]:
    """Mean and standard deviation."""
    return float(np.mean(accuracies)), float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None


def _baseline(arm: Arm) -> Arm | None:
    """The arm without new samples that this one is compared with; None for that arm itself."""
    return None if arm.name == BASELINE else arm.baseline


def _affine(arm: Arm) -> Arm | None:
    """The arm of affine copies that this one is compared with, see `control`; None for what is affine copies alone."""
    name, space = control(arm.name), arm.baseline
    return None if arm.name in (BASELINE, name) else Arm(space.space, space.latent_dim, name)


def _gain(
    draws: Mapping[Key, Draws], classifier: str, arm: Arm, other: Arm | None, confidence: float = 1 - LEVEL
) -> Gain | None:
    """What an arm gains over another one for a classifier; None where the other is None or was not measured."""
    return None if other is None else paired(draws.get((classifier, other), {}), draws[classifier, arm], confidence)


def _holm(gains: Sequence[Gain | None]) -> list[float | None]:
    return holm([None if gain is None else gain.p for gain in gains])


def _verdict(gain: Gain | None, p: float | None) -> str | None:
    return None if gain is None else verdict(gain.mean, p, LEVEL)
