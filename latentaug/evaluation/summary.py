"""From an evaluation's cells to rows, the best arm and a verdict in words, all as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from latentaug.evaluation.statistics import (
    CANNOT_TELL,
    HARMS,
    HELPS,
    OVER_IMAGES,
    Gain,
    holm,
    paired_gain,
    paired_gain_over_images,
    verdict,
)
from latentaug.evaluation.training_sets import BASELINE, VAE_ARMS, control
from latentaug.evaluation.work_units import unpack

TITLES = {"svm": "SVM", "knn": "kNN", "mlp": "MLP"}
LEVEL = 0.05
"""Of the verdicts; intervals have a confidence of 1 - LEVEL."""

Row = dict[str, Any]
Key = tuple[str, str, int | None, str, str | None]  # classifier, space, latent_dim, arm, decode
Draws = dict[int, Row]  # cell by draw


def rows(cells: Sequence[Row]) -> list[Row]:
    """Sum up the draws: one row for each classifier, space, latent_dim, arm and decode, classifier by classifier.

    Args:
        cells: as `units.Cell` has them. Where some are missing, arms are compared over the draws that both have.

    Returns:
        Rows with `accuracy` (mean, percent), `std` over draws (None after one) and, None where there is nothing to
        compare with, `gain` over the arm without new samples: a `statistics.Gain` with its plain interval; its p value
        after Holm's correction over all arms of the classifier, `p_holm`; the `verdict` that follows from it; and
        `smallest_detectable`, the gain that these draws would have told whatever the other arms had shown (at the
        level divided by the arms). The same over affine copies, of as many new samples: `gain_over_affine`,
        `p_holm_against_affine` and `verdict_against_affine`.
    """
    draws = _draws(cells)
    summed: list[Row] = []
    for classifier in dict.fromkeys(key[0] for key in draws):
        keys = [key for key in draws if key[0] == classifier]
        gains = [_gain(draws, key, _baseline(key)) for key in keys]
        over_affine = [_gain(draws, key, _affine(key)) for key in keys]
        widest = [_gain(draws, key, _baseline(key), 1 - LEVEL / _count(gains)) for key in keys]
        for key, gain, p, wide, over, p_over in zip(
            keys, gains, _holm(gains), widest, over_affine, _holm(over_affine), strict=True
        ):
            summed.append(
                {
                    **_place_of(key),
                    **_spread([cell["accuracy"] for cell in draws[key].values()]),
                    "gain": gain and asdict(gain),
                    "p_holm": p,
                    "verdict": gain and verdict(gain.mean, p, LEVEL),
                    "smallest_detectable": _half_width(wide),
                    "gain_over_affine": over and asdict(over),
                    "p_holm_against_affine": p_over,
                    "verdict_against_affine": over and verdict(over.mean, p_over, LEVEL),
                }
            )
    return summed


def best(rows: Sequence[Row]) -> dict[str, Row]:
    """The row of the most accurate VAE arm of each classifier.

    It is chosen after the fact and the best of many is partly luck. Holm's correction covers that: its verdict holds
    together with those of all `compared` arms. Its plain interval does not.
    """
    chosen = {}
    for classifier in dict.fromkeys(row["classifier"] for row in rows):
        compared = [row for row in rows if row["classifier"] == classifier and row["gain"]]
        ours = [row for row in compared if row["arm"] in VAE_ARMS]
        if ours:
            top = max(ours, key=lambda row: row["accuracy"])
            chosen[classifier] = {**top, "chosen_after_the_fact": True, "compared": len(compared)}
    return chosen


def verdicts(rows: Sequence[Row], best: dict[str, Row]) -> dict[str, str]:
    """One verdict in words for each classifier."""
    return {name: _words(name, rows, best.get(name)) for name in dict.fromkeys(row["classifier"] for row in rows)}


def describe(row: Row) -> str:
    """An arm in words, such as "interpolation (residual, latent_dim 20, image space)"."""
    parts = [row["decode"], row["latent_dim"] and f"latent_dim {row['latent_dim']}", f"{row['space']} space"]
    return f"{row['arm']} ({', '.join(part for part in parts if part)})"


def points(gain: Row) -> str:
    """A gain in words, such as "+0.53 points (0.21 to 0.85)"."""
    if gain["low"] is None:
        return f"{_signed(gain['mean'])} points ({_without_interval(gain)}, no interval)"
    interval = f"{_signed(gain['low'])} to {_signed(gain['high'])}"
    return f"{_signed(gain['mean'])} points ({interval})"


def _without_interval(gain: Row) -> str:
    if gain.get("over") == OVER_IMAGES:
        return "all test images equal"
    return "one draw" if gain["draws"] == 1 else "all draws equal"


def _signed(value: float) -> str:
    """Two decimals and a sign, with no minus before a zero."""
    return f"{round(value, 2) + 0.0:+.2f}"


def paired(baseline: Draws, treated: Draws, confidence: float = 1 - LEVEL) -> Gain | None:
    """What one arm's cells gain over another's, in the draws that both have; None where there are none.

    Over the draws, or over the test images where the cells say which they got right: see `units.Cell.right`.
    """
    pairs = [(baseline[draw], treated[draw]) for draw in treated if draw in baseline]
    if not pairs:
        return None
    if all(cell.get("right") for pair in pairs for cell in pair):
        before = np.stack([unpack(old["right"]) for old, _ in pairs])  # [draws, test]
        after = np.stack([unpack(new["right"]) for _, new in pairs])
        return paired_gain_over_images(before, after, confidence)
    return paired_gain([old["accuracy"] for old, _ in pairs], [new["accuracy"] for _, new in pairs], confidence)


def _draws(cells: Sequence[Row]) -> dict[Key, Draws]:
    grouped: dict[Key, Draws] = {}
    for cell in cells:
        key = (cell["classifier"], cell["space"], cell["latent_dim"], cell["arm"], cell["decode"])
        grouped.setdefault(key, {})[cell["draw"]] = cell
    return grouped


def _place_of(key: Key) -> Row:
    return dict(zip(("classifier", "space", "latent_dim", "arm", "decode"), key, strict=True))


def _spread(accuracies: list[float]) -> Row:
    std = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
    return {"accuracy": float(np.mean(accuracies)), "std": std}


def _baseline(key: Key) -> str | None:
    return None if key[3] == BASELINE else BASELINE


def _affine(key: Key) -> str | None:
    """The affine arm with as many new samples as this one has; None for what is affine copies alone, or nothing."""
    affine = control(key[3])
    return None if key[3] in (BASELINE, affine) else affine


def _gain(draws: dict[Key, Draws], key: Key, arm: str | None, confidence: float = 1 - LEVEL) -> Gain | None:
    """Over an arm of the same classifier and space, in latent space of the same VAE."""
    classifier, space, latent_dim, _, _ = key
    other = (classifier, space, latent_dim if space == "latent" else None, arm or "", None)
    return paired(draws.get(other, {}), draws[key], confidence)


def _holm(gains: Sequence[Gain | None]) -> list[float | None]:
    return holm([None if gain is None else gain.p for gain in gains])


def _count(gains: Sequence[Gain | None]) -> int:
    return max(1, sum(gain is not None for gain in gains))


def _half_width(gain: Gain | None) -> float | None:
    return None if gain is None or gain.low is None else gain.mean - gain.low


def _words(classifier: str, rows: Sequence[Row], best: Row | None) -> str:
    if best is None:
        return "Not measured: no VAE arm was possible; see the warnings."
    arms = [row for row in rows if row["classifier"] == classifier and row["arm"] in VAE_ARMS and row["gain"]]
    counts = {word: sum(row["verdict"] == word for row in arms) for word in (HELPS, HARMS, CANNOT_TELL)}
    before = round(best["accuracy"] - best["gain"]["mean"], 6)  # so that the baseline's own mean shows the same
    sentences = [
        f"{best['verdict'].capitalize()}, at its best: {describe(best)} takes {before:.2f} % to "
        f"{best['accuracy']:.2f} %, {points(best['gain'])}{_corrected(best)}.",
        f"Of {len(arms)} VAE arms {counts[HELPS]} help, {counts[HARMS]} harm and {counts[CANNOT_TELL]} cannot be told "
        "from no change.",
    ]
    if best["smallest_detectable"] is not None:
        sentences.append(
            f"At this spread over the {best['gain']['over']} a gain of {best['smallest_detectable']:.2f} points would "
            "have been told."
        )
    against = best["gain_over_affine"]
    if against is not None:
        word = {HELPS: "It beats", HARMS: "It loses to", CANNOT_TELL: "It cannot be told from"}
        sentences.append(f"{word[best['verdict_against_affine']]} as many affine copies: {points(against)}.")
    plain = [row for row in rows if row["classifier"] == classifier and row["arm"] == BASELINE]
    if len(plain) > 1:
        listed = ", ".join(f"{round(row['accuracy'], 6):.2f} % {_place(row)}" for row in plain)
        sentences.append(f"Without new samples: {listed}.")
    return " ".join(sentences)


def _corrected(best: Row) -> str:
    p, compared = best["p_holm"], best["compared"]
    if p is None:
        return ""
    small = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    return f", {small} corrected for {compared} arms"


def _place(row: Row) -> str:
    return f"in {row['space']} space" + (f" with latent_dim {row['latent_dim']}" if row["latent_dim"] else "")
