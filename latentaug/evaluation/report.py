"""An evaluation's result for people and for spreadsheets: Markdown and CSV."""

from __future__ import annotations

import csv
import html
import io
from typing import Any

from latentaug.evaluation.summary import TITLES, describe, points

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


_CHANCE = {
    False: (
        "Intervals are Student's paired 95 % ones over the draws, uncorrected; they cover the choice of labelled "
        "images, not another test set.",
        "the paired t test",
    ),
    True: (
        "Every draw has the same labelled images, all of them, so intervals are Student's paired 95 % ones over the "
        "test images, each counted by the mean of its draws, uncorrected; they cover another test set, not another "
        "choice of labelled images.",
        "the paired sign-flip test over the test images (after one draw, McNemar's)",
    ),
}
"""By whether all training images are labelled: what intervals cover, and the test."""


def to_csv(result: dict[str, Any]) -> str:
    """One line for each row of `Evaluation.to_json`, accuracies in percent and gains in points; empty where none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in result["rows"]:
        line = dict(row)
        for name in ("gain_over_affine", "gain"):
            gain = row[name] or dict.fromkeys(("mean", "low", "high", "draws", "p"))
            line |= {name: gain["mean"], f"{name}_low": gain["low"], f"{name}_high": gain["high"]}
            line |= {"draws": gain["draws"], "p": gain["p"]}
        writer.writerow({key: _rounded(key, value) for key, value in line.items()})
    return out.getvalue()


def to_markdown(result: dict[str, Any]) -> str:
    """One page that reads in a minute: the verdict of each classifier, the table of the arms, how it was measured."""
    sections = ["# Do the new images help?", _verdicts(result), _warnings(result), _table(result), _method(result)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _verdicts(result: dict[str, Any]) -> str:
    return "\n".join(f"- **{TITLES[name]}**: {words}" for name, words in result["verdicts"].items())


def _warnings(result: dict[str, Any]) -> str:
    # Class names are the caller's own words, and Markdown lets HTML through.
    return "\n".join(f"> **Note:** {html.escape(warning, quote=False)}\n" for warning in result["warnings"]).rstrip()


def _table(result: dict[str, Any]) -> str:
    """One line for each arm, one column for each classifier."""
    names = list(result["verdicts"])
    lines: dict[str, dict[str, str]] = {}
    for row in result["rows"]:
        lines.setdefault(describe(row), {})[row["classifier"]] = _entry(row)
    head = f"| training set | {' | '.join(f'{TITLES[name]}, %' for name in names)} |\n|---|{'---|' * len(names)}"
    body = [f"| {arm} | {' | '.join(entries.get(name, '') for name in names)} |" for arm, entries in lines.items()]
    return "\n".join([head, *body])


def _entry(row: dict[str, Any]) -> str:
    """Such as "94.84, +2.81 points (+2.50 to +3.12): helps"."""
    accuracy = f"{row['accuracy']:.2f}"
    return f"{accuracy}, {points(row['gain'])}: {row['verdict']}" if row["gain"] else accuracy


def _rounded(key: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if key in ("p", "p_holm", "p_holm_against_affine") else round(value, 4)


def _method(result: dict[str, Any]) -> str:
    protocol, sizes, versions = result["protocol"], result["sizes"], result["versions"]
    affine = protocol["affine"]
    tuned = (
        "tuned by cross-validation on each draw's labelled images without new ones; all arms use that setting"
        if protocol["tune"]
        else "not tuned: the paper's settings"
    )
    copies = (
        f"Affine copies are shifted up to {100 * affine['shift']:.1f} % of the side, rotated up to "
        f"{affine['rotation']:g} degrees and scaled up to {100 * affine['scale']:g} %. A VAE arm is compared with as "
        "many of them: `affine`, or `affine+affine` and so on for those with a +."
    )
    intervals, test = _CHANCE[sizes["labelled"] == sizes["train"]]
    mlp = f"The MLP takes {result['mlp_steps']} steps (or the tuned share) in every arm."
    facts = [
        f"{protocol['draws']} draws of {sizes['labelled']} labelled images out of {sizes['train']}, {sizes['classes']} "
        f"classes, seed {protocol['seed']}. Every arm of a draw starts from the same images.",
        f"Accuracy on {sizes['test']} test images that served nothing else.",
        f"The VAE was trained on {result['vae_training']}.",
        f"Each arm adds {sizes['children']} new samples to each labelled image (k = {sizes['children']}, alpha = "
        f"{protocol['alpha']:g}), those with a + as many for each part; neighbours are of the same class and among the "
        "labelled images.",
        copies if protocol["combine"] or "affine" in protocol["comparators"] else "",
        f"Classifiers are {tuned}.",
        mlp if "mlp" in protocol["classifiers"] else "",
        f"Gain is against the same classifier without new samples (arm `none`), in accuracy points. {intervals}",
        f"Verdicts are by {test} with Holm's correction over all of the classifier's arms, at 5 %: helps, "
        "harms, or cannot be told. So a plain interval may leave out 0 where the verdict cannot tell. The correction "
        "covers that the best arm was chosen after the fact.",
        "The smallest gain told for sure is half a paired interval at 5 % divided by the number of arms.",
        f"{result['device']}; " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    return "## How it was measured\n\n" + "\n".join(f"- {fact}" for fact in facts if fact)
