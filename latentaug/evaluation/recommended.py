"""A recommendation for people, for programs and for spreadsheets: the recipe, its verdict, and what was tried."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from latentaug.evaluation.phrases import TITLES, beside_copies, change, changed, points, size, unproven
from latentaug.evaluation.recommendation import AFFINE, RECOMMENDED, Spreads
from latentaug.evaluation.result import Result
from latentaug.evaluation.statistics import HARMS, HELPS, Gain
from latentaug.evaluation.summary import Row
from latentaug.evaluation.trials import MARGIN, Tried
from latentaug.evaluation.verdict import LEAVE_OUT, NO_CLEAR_EFFECT, NOT_MEASURED, USE, Verdict
from latentaug.options import Part, Recipe

_COPIES = {"affine": "affine", "elastic": "elastic", "warp": "warped"}
_ARMS = {"none": "labelled images alone", AFFINE: "as many affine copies", RECOMMENDED: "recommended training set"}


def describe(recipe: Recipe) -> str:
    """A recipe in words, such as "the labelled images, 12,000 newly labelled ones, and 1 affine copy of each"."""
    parts = ["the labelled images"]
    if recipe.spread is not None:
        number = "all" if recipe.spread.images is None else f"up to {recipe.spread.images:,}"
        surest = "" if recipe.spread.keep is None else f" of the surest {100 * recipe.spread.keep:g} %"
        where = {"latent": " (spread in latent space)", "pixels": " (spread on pixels)"}.get(recipe.spread.space, "")
        parts.append(f"{number} newly labelled ones{surest}{where}")
    parts += [_part(part) for part in recipe.parts]
    if len(parts) == 1:
        return f"{parts[0]} alone"
    return f"{', '.join(parts[:-1])} and {parts[-1]}" + (" of each" if recipe.parts else "")


def _part(part: Part) -> str:
    one = part.copies == 1
    if part.source in _COPIES:
        return f"{part.copies} {_COPIES[part.source]} {'copy' if one else 'copies'}"
    far = "" if part.alpha is None else f" (alpha {part.alpha:g})"
    return f"{part.copies} VAE {'image' if one else 'images'} by {part.source}{far}"


@dataclass(frozen=True)
class Recommendation(Result):
    """What a recommend job found: a `Result` of three arms, and the recipe that they measure.

    Attributes:
        recipe: the best over all classifiers.
        recipes: the best for each classifier, which is what its rows measure.
        tried: what the search says of the recipes, best first: under "all", and by classifier.
        spreads: how right the labels are that were spread in each draw.
        search_seconds: how long the search took.
    """

    recipe: Recipe = field(default_factory=Recipe)
    recipes: Mapping[str, Recipe] | None = None
    tried: Mapping[str, Sequence[Tried]] | None = None
    spreads: Sequence[Spreads] = ()
    search_seconds: float = 0.0

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What to do, by classifier."""
        return {name: _judge(name, self.of_classifier(name)) for name in self.recipes or {}}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        found = super().to_json()
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "recipes": {name: recipe.model_dump(mode="json") for name, recipe in (self.recipes or {}).items()},
            "described": describe(self.recipe),
            "verdict": found["verdicts"],
            **{key: found[key] for key in found if key != "best"},
            "spreads": [asdict(one) for one in self.spreads],
            "tried": {name: [_tried(one) for one in several] for name, several in (self.tried or {}).items()},
            "search_seconds": round(self.search_seconds, 1),
        }


def _tried(one: Tried) -> dict[str, Any]:
    error = None if one.error in (None, float("inf")) else one.error
    recipe = one.recipe.model_dump(mode="json")
    return {**asdict(one), "recipe": recipe, "error": error, "described": describe(one.recipe)}


def _judge(classifier: str, rows: Sequence[Row]) -> Verdict:
    found = {row.arm: row for row in rows if row.gain}
    ours, title = found.get(RECOMMENDED), TITLES[classifier]
    if ours is not None and ours.gain is not None:
        action, words = _words(ours, ours.gain, title)
        return Verdict(action, f"{words} {_beside(ours)}", _numbers(ours, len(found)), ours, None, len(found))
    affine = found.get(AFFINE)
    if affine is None:
        return Verdict(NOT_MEASURED, "Not measured: no draw was measured to its end.")
    words = f"Use the labelled images alone for {title}: nothing that was tried was clearly better."
    return Verdict(LEAVE_OUT, words, _numbers(affine, 1), affine, None, 1)


def _words(row: Row, gain: Gain, title: str) -> tuple[str, str]:
    """What to do with the recommended set, and by how much it helps."""
    if row.verdict == HELPS:
        told = size(gain, 100 - row.before, f" for {title}")
        return USE, f"Use the recommended training set: +{told}, {change(row)}."
    if row.verdict == HARMS:
        return LEAVE_OUT, f"Leave it out: the recommended training set lowers accuracy for {title} by {size(gain)}."
    chance = f", {unproven(gain)}" if round(gain.mean, 2) else ""
    return NO_CLEAR_EFFECT, f"No clear effect: for {title} the recommended training set {changed(row)}{chance}."


def _beside(row: Row) -> str:
    """How the recommended set does beside as many affine copies."""
    over = row.gain_over_affine
    if over is None:
        return "As many affine copies were not measured beside it."
    return beside_copies("As many affine copies", over, row.verdict_against_affine)


def _numbers(row: Row, compared: int) -> str:
    p = "" if row.p_holm is None else ", p < 0.001" if row.p_holm < 0.001 else f", p = {row.p_holm:.3f}"
    corrected = f" after Holm's correction for {compared} comparisons" if compared > 1 and p else ""
    number = row.gain.draws if row.gain else 0
    draws = "1 draw" if number == 1 else f"{number} draws"
    return f"In numbers: accuracy went {change(row, 2)}{p}{corrected}, measured in {draws}."


def to_markdown(found: Recommendation) -> str:
    """One page: the verdict of each classifier, the recipe, the table of the arms, what was tried and how."""
    sections = [
        "# The recommended training set",
        "\n".join(f"- **{TITLES[name]}**: {verdict.text}" for name, verdict in found.verdicts.items()),
        "\n".join(f"> **Note:** {html.escape(warning, quote=False)}\n" for warning in found.warnings).rstrip(),
        _recipes(found),
        _table(found),
        _search(found),
        _method(found),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _recipes(found: Recommendation) -> str:
    lines = [f"Train on {describe(found.recipe)}."]
    lines += [
        f"For {TITLES[name]} alone, {describe(recipe)} are better still."
        for name, recipe in (found.recipes or {}).items()
        if recipe != found.recipe
    ]
    return "\n\n".join(lines)


def _table(found: Recommendation) -> str:
    names = list(found.verdicts)
    lines: dict[str, dict[str, str]] = {}
    for row in found.rows:
        entry = f"{row.accuracy:.2f}" + (f", {points(row.gain)}: {row.verdict}" if row.gain else "")
        lines.setdefault(_ARMS[row.arm], {})[row.classifier] = entry
    head = f"| training set | {' | '.join(f'{TITLES[name]}, %' for name in names)} |\n|---|{'---|' * len(names)}"
    return "\n".join([head, *(f"| {arm} | {' | '.join(e.get(n, '') for n in names)} |" for arm, e in lines.items())])


def _search(found: Recommendation) -> str:
    several = (found.tried or {}).get("all", ())
    if not several:
        return ""
    lines = [
        "## What was tried",
        "",
        "| training set | images | folds | left-out images classified rightly, % | points over the expected best |",
        "|---|---|---|---|---|",
    ]
    for one in several:
        accuracy = ", ".join(f"{TITLES[name]} {value:.1f}" for name, value in one.accuracy.items())
        gain = "expected best" if one.gain is None else f"{one.gain:+.1f}"
        if one.error is not None and math.isfinite(one.error):  # a single image has no standard error
            gain += f" ± {one.error:.1f}"
        lines.append(f"| {describe(one.recipe)} | {one.image_count:,} | {one.folds} | {accuracy} | {gain} |")
    return "\n".join(lines)


def _method(found: Recommendation) -> str:
    sizes = found.sizes
    facts = [
        f"Recipes were compared inside the {sizes.labelled} labelled images alone. In each fold some of them counted "
        "as unlabelled and judged the classifiers; their labels were used for nothing else. The recipe that is "
        f"expected to be best gave way only to one that was better by more than {MARGIN:g} standard errors.",
        f"The winner was measured on {sizes.test} test images, which were used for nothing else. {_draws(found)}",
        "Classifiers are tuned on the labelled images alone, and used with the same setting in every arm. The MLP "
        "and the CNN are not tuned.",
        *_labels(found),
        "Helps, harms or cannot tell is decided with Holm's correction over the arms, at 5 %.",
        f"Measured on {found.device} with {', '.join(f'{name} {v}' for name, v in found.versions.items())}.",
    ]
    return "## How it was measured\n\n" + "\n".join(f"- {fact}" for fact in facts)


def _draws(found: Recommendation) -> str:
    sizes, draws = found.sizes, found.design.draws
    over_images = "Intervals and tests are over the test images, and say nothing of other labelled images."
    if sizes.all_labelled:
        return f"The labelled images are all there are. {over_images}"
    if draws == 1:
        return f"There was time for one draw of {sizes.labelled} labelled images out of {sizes.train}. {over_images}"
    return (
        f"There were {draws} fresh draws of {sizes.labelled} labelled images out of {sizes.train}, and intervals are "
        "over the draws."
    )


def _labels(found: Recommendation) -> list[str]:
    if not found.spreads:
        return []
    mean = sum(one.expected for one in found.spreads) / len(found.spreads)
    known = [one.right for one in found.spreads if one.right is not None]
    true = f"; in truth {100 * sum(known) / len(known):.1f} % were" if known else "; their true labels are not known"
    return [
        f"Labels were spread over {found.spreads[0].kept:,} unlabelled images of each draw that were used. "
        f"{100 * mean:.1f} % of them were expected to be right{true}."
    ]
