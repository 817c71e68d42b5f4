"""From an evaluation's cells to rows, the best arm and a verdict in words, all as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from latentaug.arms import BASELINE
from latentaug.generation import METHODS
from latentaug.statistics import CANNOT_TELL, HARMS, HELPS, Gain, paired_gain, verdict

CONFIDENCE = 0.95

Row = dict[str, Any]
Key = tuple[str, str, int | None, str, str | None]  # classifier, space, latent_dim, arm, decode
Draws = dict[int, float]  # accuracy by draw


def rows(cells: Sequence[Row]) -> list[Row]:
    """Sum up the draws: one row for each classifier, space, latent_dim, arm and decode, classifier by classifier.

    Args:
        cells: as `units.Cell` has them. Where some are missing, arms are compared over the draws that both have.

    Returns:
        Rows with `accuracy` (mean, percent), `std` over draws (None after one), `gain` over the arm without new
        samples and `gain_over_affine`, each a `statistics.Gain` or None where there is nothing to compare with, and
        their `verdict` and `verdict_against_affine`.
    """
    accuracies = _accuracies(cells)
    classifiers = list(dict.fromkeys(key[0] for key in accuracies))
    return [_row(key, accuracies) for key in sorted(accuracies, key=lambda key: classifiers.index(key[0]))]


def best(cells: Sequence[Row]) -> dict[str, Row]:
    """The most accurate VAE arm of each classifier, chosen after the fact.

    The best of many is partly luck. Its `adjusted_gain` therefore has a wider interval (Bonferroni's, over the
    `compared` arms), and `adjusted_verdict` follows from that.
    """
    accuracies = _accuracies(cells)
    chosen = {}
    for classifier in dict.fromkeys(key[0] for key in accuracies):
        compared = [
            key
            for key in accuracies
            if key[0] == classifier and key[3] in METHODS and _gain(accuracies, key, BASELINE) is not None
        ]
        if not compared:
            continue
        key = max(compared, key=lambda key: _mean(accuracies[key]))
        gain = _gain(accuracies, key, BASELINE, 1 - (1 - CONFIDENCE) / len(compared))
        chosen[classifier] = {
            **_row(key, accuracies),
            "chosen_after_the_fact": True,
            "compared": len(compared),
            "adjusted_gain": gain and asdict(gain),
            "adjusted_verdict": gain and verdict(gain),
        }
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
    interval = "one draw, no interval" if gain["low"] is None else f"{_signed(gain['low'])} to {_signed(gain['high'])}"
    return f"{_signed(gain['mean'])} points ({interval})"


def _signed(value: float) -> str:
    """Two decimals and a sign, with no minus before a zero."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _accuracies(cells: Sequence[Row]) -> dict[Key, Draws]:
    grouped: dict[Key, Draws] = {}
    for cell in cells:
        key = (cell["classifier"], cell["space"], cell["latent_dim"], cell["arm"], cell["decode"])
        grouped.setdefault(key, {})[cell["draw"]] = cell["accuracy"]
    return grouped


def _other(key: Key, arm: str) -> Key:
    """The baseline or comparator that an arm is compared with: same classifier and space, in latent space same VAE."""
    classifier, space, latent_dim, _, _ = key
    return classifier, space, latent_dim if space == "latent" else None, arm, None


def _row(key: Key, accuracies: dict[Key, Draws]) -> Row:
    classifier, space, latent_dim, arm, decode = key
    own = list(accuracies[key].values())
    gain = _gain(accuracies, key, BASELINE) if arm != BASELINE else None
    over_affine = _gain(accuracies, key, "affine") if arm not in (BASELINE, "affine") else None
    return {
        "classifier": classifier,
        "space": space,
        "latent_dim": latent_dim,
        "arm": arm,
        "decode": decode,
        "accuracy": float(np.mean(own)),
        "std": float(np.std(own, ddof=1)) if len(own) > 1 else None,
        "gain": gain and asdict(gain),
        "verdict": gain and verdict(gain),
        "gain_over_affine": over_affine and asdict(over_affine),
        "verdict_against_affine": over_affine and verdict(over_affine),
    }


def _gain(accuracies: dict[Key, Draws], key: Key, arm: str, confidence: float = CONFIDENCE) -> Gain | None:
    """Over the draws that both have; None where there are none."""
    own, other = accuracies[key], accuracies.get(_other(key, arm), {})
    both = [draw for draw in own if draw in other]
    return paired_gain([other[draw] for draw in both], [own[draw] for draw in both], confidence) if both else None


def _mean(draws: Draws) -> float:
    return sum(draws.values()) / len(draws)


def _words(classifier: str, rows: Sequence[Row], best: Row | None) -> str:
    if best is None:
        return "Not measured: no VAE arm was possible; see the warnings."
    arms = [row for row in rows if row["classifier"] == classifier and row["arm"] in METHODS]
    counts = {word: sum(row["verdict"] == word for row in arms) for word in (HELPS, HARMS, CANNOT_TELL)}
    before = best["accuracy"] - best["gain"]["mean"]
    sentences = [
        f"{best['adjusted_verdict'].capitalize()}, at its best: {describe(best)} takes {before:.2f} % to "
        f"{best['accuracy']:.2f} %, {points(best['adjusted_gain'])}.",
        f"Of {len(arms)} VAE arms {counts[HELPS]} help, {counts[HARMS]} harm and {counts[CANNOT_TELL]} cannot be told "
        "from no change.",
    ]
    against = best["gain_over_affine"]
    if against is not None:
        word = {HELPS: "It beats", HARMS: "It loses to", CANNOT_TELL: "It cannot be told from"}
        sentences.append(f"{word[best['verdict_against_affine']]} plain affine copies: {points(against)}.")
    plain = [row for row in rows if row["classifier"] == classifier and row["arm"] == BASELINE]
    if len(plain) > 1:
        listed = ", ".join(f"{row['accuracy']:.2f} % {_place(row)}" for row in plain)
        sentences.append(f"Without new samples: {listed}.")
    return " ".join(sentences)


def _place(row: Row) -> str:
    return f"in {row['space']} space" + (f" with latent_dim {row['latent_dim']}" if row["latent_dim"] else "")
