"""An evaluation's result for people and for spreadsheets: Markdown and CSV."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from latentaug.evaluation.cnn import BATCH as CNN_BATCH
from latentaug.evaluation.new_labels import LabelRow
from latentaug.evaluation.phrases import LABELLED_BY, TITLES, describe, points
from latentaug.evaluation.result import VAE_TRAINING, Result
from latentaug.evaluation.summary import Row
from latentaug.options import MIXINGS

COLUMNS = (
    "classifier",
    "space",
    "latent_dim",
    "arm",
    "decode",
    "accuracy",
    "std",
    "gain",
    "gain_low",
    "gain_high",
    "draws",
    "p",
    "p_holm",
    "verdict",
    "smallest_detectable",
    "gain_over_affine",
    "gain_over_affine_low",
    "gain_over_affine_high",
    "p_holm_against_affine",
    "verdict_against_affine",
)

_OVER_DRAWS = (
    "Intervals are Student's paired 95 % intervals over the draws, uncorrected. They cover the choice of labelled "
    "images, not another test set.",
    "the paired t test",
)
_OVER_IMAGES = (
    "Every draw has the same labelled images, all of them. So intervals are Student's paired 95 % intervals over the "
    "test images, each counted by the mean of its draws, uncorrected. They cover another test set, not another choice "
    "of labelled images.",
    "the paired sign-flip test over the test images (after one draw, McNemar's)",
)


_UNSUITED = {"image": "mixes the CNN's batches alone", "latent": "is for pixels alone"}
"""Why a classifier cannot learn from an arm, by the arm's space."""


def to_csv(result: Result) -> str:
    """One line for each row, accuracies in percent and gains in points; a field is empty where there is nothing."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in result.rows:
        line = asdict(row)
        for name in ("gain_over_affine", "gain"):
            gain = line[name] or dict.fromkeys(("mean", "low", "high", "draws", "p"))
            line |= {name: gain["mean"], f"{name}_low": gain["low"], f"{name}_high": gain["high"]}
            line |= {"draws": gain["draws"], "p": gain["p"]}
        writer.writerow({key: _rounded(key, value) for key, value in line.items()})
    return out.getvalue()


def to_markdown(result: Result) -> str:
    """One page that reads in a minute: the verdict of each classifier, the table of the arms, how it was measured."""
    sections = ["# Do the new images help?", _verdicts(result), _warnings(result), _table(result)]
    sections += [new_labels_table(result.new_labels), _method(result)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _verdicts(result: Result) -> str:
    return "\n".join(f"- **{TITLES[name]}**: {verdict.text}" for name, verdict in result.verdicts.items())


def _warnings(result: Result) -> str:
    # Class names are the caller's own words, and Markdown lets HTML through.
    return "\n".join(f"> **Note:** {html.escape(warning, quote=False)}\n" for warning in result.warnings).rstrip()


def _table(result: Result) -> str:
    """One line for each arm, one column for each classifier."""
    names = list(result.verdicts)
    lines: dict[str, dict[str, str]] = {}
    for row in result.rows:
        unsuited = {name: _UNSUITED[row.space] for name in names if not row.setup.suits(name)}
        lines.setdefault(describe(row), unsuited)[row.classifier] = _entry(row)
    head = f"| training set | {' | '.join(f'{TITLES[name]}, %' for name in names)} |\n|---|{'---|' * len(names)}"
    body = [f"| {arm} | {' | '.join(entries.get(name, '') for name in names)} |" for arm, entries in lines.items()]
    return "\n".join([head, *body])


def _entry(row: Row) -> str:
    """Such as "94.84, +2.81 points (+2.50 to +3.12): helps"."""
    accuracy = f"{row.accuracy:.2f}"
    return f"{accuracy}, {points(row.gain)}: {row.verdict}" if row.gain else accuracy


def new_labels_table(rows: Sequence[LabelRow]) -> str:
    """How right the labels are that images of the pool were given; nothing where none were."""
    if not rows:
        return ""
    head = [
        "## Are the new labels right?",
        "",
        "| labels by | images labelled | right, % | of them added | right, % | expected right, % (95 % interval) "
        "| draws whose interval holds the true share |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_new_labels(row) for row in rows)])


def _new_labels(row: LabelRow) -> str:
    way = LABELLED_BY[row.labeller] + (f", {row.latent_dim} dimensions" if row.latent_dim else "")
    if row.on_pixels:
        way += f" (on pixels in {row.on_pixels} of {row.draws} draws)"
    expected = "says nothing"
    if row.expected is not None and row.low is not None and row.high is not None:
        expected = f"{row.expected:.2f} ({row.low:.2f} to {row.high:.2f})"
    covered = "" if row.covered is None else f"{row.covered} of {row.draws}"
    labelled, added = [f"{row.labelled:,.0f}", _known(row.right)], [f"{row.added:,.0f}", _known(row.right_added)]
    return "| " + " | ".join([way, *labelled, *added, expected, covered]) + " |"


def _known(share: float | None) -> str:
    return "not known" if share is None else f"{share:.2f}"


def _rounded(key: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if key in ("p", "p_holm", "p_holm_against_affine") else round(value, 4)


def _method(result: Result) -> str:
    facts = [*_images(result), *_classifiers(result), *_statistics(result)]
    return "## How it was measured\n\n" + "\n".join(f"- {fact}" for fact in facts)


def _images(result: Result) -> list[str]:
    design, sizes = result.design, result.sizes
    facts = [
        f"{design.draws} draws of {sizes.labelled} labelled images out of {sizes.train}, {sizes.classes} classes, seed "
        f"{design.seed}. Every training set of a draw starts from the same images.",
        f"Accuracy is measured on {sizes.test} test images that were used for nothing else.",
        f"The VAE was trained on {VAE_TRAINING}.",
        f"Each training set adds {sizes.children} new samples to each labelled image (k = {sizes.children}, alpha = "
        f"{design.alpha:g}), and those with a + as many for each part. Neighbours are of the same class and among the "
        "labelled images.",
    ]
    if design.combine or "affine" in design.comparators:
        affine = design.affine
        facts.append(
            f"Affine copies are shifted by up to {100 * affine.shift:.1f} % of the side, rotated by up to "
            f"{affine.rotation:g} degrees and scaled by up to {100 * affine.scale:g} %. What a VAE adds is compared "
            "with as many of them: x2 and x3 are two and three times as many."
        )
    if sizes.newly_labelled:
        facts.append(
            f"The pool of a draw is the {sizes.pool} images of the training part that are not labelled in it. Up to "
            f"{sizes.newly_labelled} of them, chosen at random, get labels and join the labelled ones; where affine "
            "copies are added there is one of each image, old and new. As no arm has as many affine copies of the "
            "labelled images alone, these arms are compared with affine copies as the table has them."
        )
    return facts


def _classifiers(result: Result) -> list[str]:
    design = result.design
    facts = [
        "Classifiers are tuned by cross-validation on each draw's labelled images, without new ones, and every "
        "training set is used with that setting."
        if design.tune
        else "Classifiers are not tuned: they have the paper's settings."
    ]
    if "mlp" in design.classifiers:
        steps = f"the tuned share of {result.mlp_steps}" if design.tune else str(result.mlp_steps)
        facts.append(f"The MLP takes {steps} steps with every training set.")
    if result.cnn_steps:
        facts.append(
            f"The CNN is not tuned. It takes {result.cnn_steps} steps of up to {CNN_BATCH} images with every training "
            "set, and is measured on pixels alone, for latents are no images."
        )
    if any(name in MIXINGS for name in design.comparators):
        facts.append(
            "mixup and CutMix mix the CNN's batches of labelled images while it learns, in as many steps; they make no "
            "new images, and are measured with no other classifier."
        )
    if result.sizes.newly_labelled:
        facts.append(
            "With newly labelled images the classifier is tuned on the labelled and the newly labelled ones, by their "
            "new labels, and the MLP's and the CNN's steps grow with them: real images count, copies do not."
        )
    return facts


def _statistics(result: Result) -> list[str]:
    intervals, test = _OVER_IMAGES if result.sizes.all_labelled else _OVER_DRAWS
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return [
        f"A gain is the difference to the same classifier without new images, in accuracy points. {intervals}",
        f"Helps, harms or cannot tell is decided by {test} with Holm's correction over all of the classifier's "
        "training sets, at 5 %, so a plain interval may leave out 0 where we cannot tell. It covers that the best one "
        "was chosen after the fact.",
        "The gain above which these draws would have shown it is half a paired interval at 5 % divided by the number "
        "of training sets.",
        f"Measured on {result.device} with {versions}.",
    ]
