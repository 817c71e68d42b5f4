"""What to do, for each classifier, in everyday words first and in numbers after them.

All arms are considered, affine copies and the like as well as those of a VAE. What is not proven after Holm's
correction is not recommended, and a gain that cannot be is not mentioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from latentaug.evaluation.phrases import TITLES, beside_copies, change, changed, describe, place, recipe, size, unproven
from latentaug.evaluation.statistics import CANNOT_TELL, HARMS, HELPS, OVER_IMAGES, Gain
from latentaug.evaluation.summary import Row
from latentaug.evaluation.training_sets import BASELINE, control, parts_of

USE, LEAVE_OUT, NO_CLEAR_EFFECT, NOT_MEASURED = "use", "leave out", "no clear effect", "not measured"

_OUTCOMES = {HELPS: "help, too", HARMS: "do harm", CANNOT_TELL: "show no clear effect"}


@dataclass(frozen=True)
class Verdict:
    """What to do for one classifier.

    Attributes:
        action: "use", "leave out", "no clear effect" or "not measured".
        words: what to do and why, in everyday words.
        numbers: what it rests on.
        arm: what `words` are about: the most accurate of those that are proven to help; else one that harms, or the
            most accurate of all. None where nothing was measured.
        best: the most accurate arm of a VAE; None where there is none. It is chosen after the fact, and the best of
            many is partly luck. Holm's correction covers that, its plain interval does not.
        compared: arms that were compared with no new images, whose p values are corrected together.
    """

    action: str
    words: str
    numbers: str = ""
    arm: Row | None = None
    best: Row | None = None
    compared: int = 0

    @property
    def text(self) -> str:
        """The words and the numbers."""
        return f"{self.words} {self.numbers}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, without `best`."""
        arm = self.arm and self.arm.to_json()
        return {"action": self.action, "words": self.words, "numbers": self.numbers, "arm": arm}


def judge(rows: Sequence[Row], children: int) -> dict[str, Verdict]:
    """A verdict for each classifier.

    Args:
        rows: of an evaluation.
        children: new samples for each image in each part of an arm.
    """
    classifiers = dict.fromkeys(row.classifier for row in rows)
    return {name: _judge(name, [row for row in rows if row.classifier == name], children) for name in classifiers}


def _judge(classifier: str, rows: Sequence[Row], children: int) -> Verdict:
    title = TITLES[classifier]
    compared = [row for row in rows if row.gain]
    if not compared:
        return Verdict(NOT_MEASURED, "Not measured: no kind of new images could be tried; the warnings say why.")
    worth = _worth(rows)
    proven = [row for row in worth if row.verdict == HELPS]
    harmful = _harmful(worth)
    if proven:
        action, arm = USE, most_accurate(proven)
        words = _use(arm, rows, children, title)
    elif harmful:
        action, arm = LEAVE_OUT, most_accurate([row for row in harmful if row.verdict == HARMS])
        words = _leave_out(arm, harmful, worth, children, title) + _elsewhere(rows, worth)
    else:
        action, arm = NO_CLEAR_EFFECT, most_accurate(worth)
        words = _no_clear_effect(arm, len(worth), children, title) + _elsewhere(rows, worth)
    ours = [row for row in compared if row.of_a_vae]
    best = most_accurate(ours) if ours else None
    return Verdict(action, words, _numbers(arm, best, rows, compared), arm, best, len(compared))


def most_accurate(rows: Sequence[Row]) -> Row:
    """The first of the most accurate rows."""
    return max(rows, key=lambda row: row.accuracy)


def _worth(rows: Sequence[Row]) -> list[Row]:
    """The arms that somebody might want: those that start from the best there is without new images, or get above it.

    New latents that take a classifier from 58 % to 63 % are of no use where pixels alone give 85 %.
    """
    plain = _best_plain(rows)
    return [row for row in rows if row.gain and (row.setup.baseline == plain.setup or row.accuracy > plain.accuracy)]


def _best_plain(rows: Sequence[Row]) -> Row:
    """The most accurate row without new images."""
    return most_accurate([row for row in rows if row.arm == BASELINE])


def _harmful(arms: Sequence[Row]) -> list[Row]:
    """All arms, or else those of a VAE, where none of them raised accuracy and some are proven to lower it."""
    ours = [row for row in arms if row.of_a_vae]
    for group in (list(arms), ours):
        if all(row.gain.mean <= 0 for row in group if row.gain) and any(row.verdict == HARMS for row in group):
            return group
    return []


def _use(arm: Row, rows: Sequence[Row], children: int, title: str) -> str:
    gain = size(_gain(arm), _room(arm), f" for {title}")
    beside = _beside_affine(arm) if arm.of_a_vae or arm.of_the_pool else _beside_a_vae(arm, rows, children)
    return f"Use {_told(arm, children)}: +{gain}. {beside}{_beside_the_pool(arm, rows, children)}{_repeated(arm, rows)}"


def _repeated(arm: Row, rows: Sequence[Row]) -> str:
    """That the same images again do at least half as much: then it is hardly what is new in the others that helps."""
    same = [row for row in rows if row.arm == "duplication" and row.gain and row.setup.baseline == arm.setup.baseline]
    most = [row for row in same if row.arm != arm.arm and 2 * _gain(row).mean >= _gain(arm).mean]
    return "".join(
        f" But the same images again, with nothing new in them, {changed(row)}, so that most of this may not come from "
        "what is new."
        for row in most
    )


def _told(arm: Row, children: int) -> str:
    """What to use, such as "9 affine copies per image"."""
    given = f", and classify the VAE's {place(arm)} instead of pixels" if arm.space == "latent" else ""
    return f"{recipe(arm, children)}{' per image' if arm.for_each_image else ''}{given}"


def _given(row: Row) -> str:
    return place(row) if row.space == "latent" else "pixels"


def _elsewhere(rows: Sequence[Row], worth: Sequence[Row]) -> str:
    """That new images help where even then it is better to have none and to classify something else."""
    helped = [row for row in rows if row.verdict == HELPS and row not in worth]
    if not helped:
        return ""
    best, plain = most_accurate(helped), _best_plain(rows)
    return (
        f" On {_given(best)} new images help, but reach {best.accuracy:.1f} % at most; {_given(plain)} without any "
        f"new image reach {plain.accuracy:.1f} %."
    )


def _beside_affine(arm: Row) -> str:
    """Whether a VAE's arm does better than as many affine copies, or one of the pool than those of labelled images."""
    over = arm.gain_over_affine
    copies = "Affine copies of the labelled images alone" if arm.of_the_pool else "As many affine copies"
    if over is None:
        return "Affine copies were not measured beside them; they need no VAE, and may do as well."
    return beside_copies(copies, over, arm.verdict_against_affine)


def _beside_the_pool(arm: Row, rows: Sequence[Row], children: int) -> str:
    """What newly labelled images do where something else is to be used."""
    tried = [row for row in rows if row.of_the_pool and row.gain]
    if arm.of_the_pool or not tried:
        return ""
    best = most_accurate(tried)
    outcome = _OUTCOMES[best.verdict or CANNOT_TELL]
    return f" Newly labelled images {outcome}: the best, {_told(best, children)}, {changed(best)}."


def _beside_a_vae(arm: Row, rows: Sequence[Row], children: int) -> str:
    """Whether as many new samples, some or all of them a VAE's, do better than an arm that has none of those."""
    ours = [row for row in rows if row.of_a_vae and row.gain]
    if not ours:
        return "VAE images were not measured beside them."
    same = [row for row in ours if (control(row.arm), row.setup.baseline) == (arm.arm, arm.setup.baseline)]
    if not same:
        best = most_accurate(ours)
        outcome = _OUTCOMES[best.verdict or CANNOT_TELL]
        return f"VAE images {outcome}: the best of them, {_told(best, children)}, {changed(best)}."
    rival = most_accurate(same)
    over = rival.gain_over_affine
    if over is None:
        return "VAE images were not compared with them."
    mixed = "affine" in parts_of(rival.arm)
    instead = f"{recipe(rival, children)} instead are {size(over)}"
    if rival.verdict_against_affine == HELPS:
        return f"VAE images do better still: {instead} ahead."
    chance = "" if rival.verdict_against_affine == HARMS else f", {unproven(over)}"
    if over.mean > 0:
        doubt = "add to them" if mixed else "do better in their place"
        return f"Whether VAE images {doubt} is not clear: {instead} ahead{chance}."
    claim = "add nothing to them" if mixed else "do no better in their place"
    return f"VAE images {claim}: {instead} behind{chance}."


def _leave_out(arm: Row, group: Sequence[Row], arms: Sequence[Row], children: int, title: str) -> str:
    """Why all arms, or all of a VAE, are better left out."""
    others = [row for row in arms if row not in group]
    what = "the VAE's images" if others else "new images"
    loss, harms = size(_gain(arm)), sum(row.verdict == HARMS for row in group)
    if len(group) == 1:
        words = f"Leave {what} out: {_told(arm, children)} lower accuracy for {title} by {loss}."
    else:
        proven = "one is" if harms == 1 else f"{harms} are"
        words = (
            f"Leave {what} out: none of the {len(group)} kinds tried raised accuracy for {title}, and {proven} proven "
            f"to lower it, such as {_told(arm, children)}, by {loss}."
        )
    if not others:
        return words
    best = most_accurate(others)
    return (
        f"{words} Other new images show no clear effect: the best, {_told(best, children)}, changed it {change(best)}."
    )


def _no_clear_effect(arm: Row, tried: int, children: int, title: str) -> str:
    told = _told(arm, children)
    which = told if tried == 1 else f"the best of {tried} kinds of new images, {told},"
    return f"No clear effect. For {title} {which} {changed(arm)}{_doubt(arm)}"


def _doubt(arm: Row) -> str:
    """Why that may be chance, what would have shown, and what to try."""
    gain, detectable = _gain(arm), arm.smallest_detectable
    over_images, single = gain.over == OVER_IMAGES, gain.draws == 1
    attempt = "Try a larger test part." if over_images else f"Try {'10' if single else 'more'} draws."
    if gain.low is None and (over_images or not single):
        return f", the same each time, so that there is nothing to judge chance by. {attempt}"
    few = "these test images" if over_images else "one draw" if single else f"{gain.draws} draws"
    chance = f"; with {few} that may be chance."
    if gain.low is None:
        return f"{chance} {attempt}"
    if detectable is None or detectable > _room(arm):  # results of earlier versions name gains that cannot be
        return f"; with {few} no gain could have been told from chance. {attempt}"
    return f"{chance} Only gains above about {_about(detectable)} points would have shown. {attempt}"


def _numbers(arm: Row, best: Row | None, rows: Sequence[Row], compared: Sequence[Row]) -> str:
    helps, harms, unclear = (sum(row.verdict == word for row in compared) for word in (HELPS, HARMS, CANNOT_TELL))
    sentences = [
        f"In numbers: kinds of new images tried: {len(compared)}, proven to help: {helps}, proven to harm: {harms}, no "
        f"clear effect: {unclear}.",
        *_evidence(arm, len(compared)),
    ]
    if best is not None and not arm.of_a_vae:
        sentences.append(f"The best with VAE images is {describe(best)}: {change(best, 2)}{_p(best)}.")
    plain = [row for row in rows if row.arm == BASELINE]
    if len(plain) > 1:
        listed = ", ".join(f"{row.accuracy:.2f} % on {place(row)}" for row in plain)
        sentences.append(f"Without new images: {listed}.")
    return " ".join(sentences)


def _evidence(arm: Row, compared: int) -> list[str]:
    """What the words on an arm rest on, as far as they do not say it."""
    detectable = arm.smallest_detectable
    corrected = f" after Holm's correction for {compared} comparisons" if compared > 1 else ""
    if arm.verdict == CANNOT_TELL:
        return [f"For the best of them{_p(arm).removeprefix(',')}{corrected}."] if _p(arm) else []
    sentences = [f"With {describe(arm)} accuracy went {change(arm, 2)}{_p(arm)}{corrected}."]
    if detectable is not None and detectable <= _room(arm):
        sentences.append(f"Gains above {detectable:.2f} points would have shown.")
    return sentences


def _p(row: Row) -> str:
    if row.p_holm is None:
        return ""
    return f", p = {row.p_holm:.3f}" if row.p_holm >= 0.001 else ", p < 0.001"


def _about(points: float) -> str:
    return f"{points:.0f}" if points >= 10 else f"{points:.{1 if points >= 1 else 2}f}"


def _room(row: Row) -> float:
    """Points that are left to gain."""
    return 100 - row.before


def _gain(row: Row) -> Gain:
    """The gain of a row that was compared."""
    assert row.gain is not None  # noqa: S101 (only such rows come here)
    return row.gain
