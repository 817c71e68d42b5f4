"""An evaluation's result for people and for spreadsheets: Markdown and CSV."""

from __future__ import annotations

import csv
import html
import io
from typing import Any

from latentaug.summary import describe, points

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
    "smallest_detectable",
    "draws",
    "verdict",
    "gain_over_affine",
    "gain_over_affine_low",
    "gain_over_affine_high",
    "verdict_against_affine",
)

_TITLES = {"svm": "SVM", "knn": "kNN", "mlp": "MLP"}


def to_csv(result: dict[str, Any]) -> str:
    """One line for each row of `Evaluation.to_json`, accuracies in percent and gains in points; empty where none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in result["rows"]:
        line = {**row, "draws": result["protocol"]["draws"]}
        for name in ("gain", "gain_over_affine"):
            gain = row[name] or {"mean": None, "low": None, "high": None, "smallest_detectable": None}
            line |= {name: gain["mean"], f"{name}_low": gain["low"], f"{name}_high": gain["high"]}
            if name == "gain":
                line["smallest_detectable"] = gain["smallest_detectable"]
        writer.writerow({key: round(value, 4) if isinstance(value, float) else value for key, value in line.items()})
    return out.getvalue()


def to_markdown(result: dict[str, Any]) -> str:
    """One page that reads in a minute: the verdict of each classifier, the table, how it was measured."""
    sections = ["# Do the new images help?", _verdicts(result), _warnings(result), _table(result), _method(result)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _verdicts(result: dict[str, Any]) -> str:
    return "\n".join(f"- **{_TITLES[name]}**: {words}" for name, words in result["verdicts"].items())


def _warnings(result: dict[str, Any]) -> str:
    # Class names are the caller's own words, and Markdown lets HTML through.
    return "\n".join(f"> **Note:** {html.escape(warning, quote=False)}\n" for warning in result["warnings"]).rstrip()


def _table(result: dict[str, Any]) -> str:
    lines = [
        "| classifier | training set | accuracy, % | gain (95 % interval) | verdict | against affine copies |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        spread = "" if row["std"] is None else f" ± {row['std']:.2f}"
        cells = [
            _TITLES[row["classifier"]],
            describe(row),
            f"{row['accuracy']:.2f}{spread}",
            points(row["gain"]) if row["gain"] else "",
            row["verdict"] or "",
            f"{points(row['gain_over_affine'])}: {row['verdict_against_affine']}" if row["gain_over_affine"] else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _method(result: dict[str, Any]) -> str:
    protocol, sizes, versions = result["protocol"], result["sizes"], result["versions"]
    tuned = (
        "tuned by cross-validation on each draw's labelled images without new ones; all arms use that setting"
        if protocol["tune"]
        else "not tuned: the paper's settings"
    )
    facts = [
        f"{protocol['draws']} draws of {sizes['labelled']} labelled images out of {sizes['train']}, {sizes['classes']} "
        f"classes, seed {protocol['seed']}. Every arm of a draw starts from the same images.",
        f"Accuracy on {sizes['test']} test images that served nothing else.",
        f"The VAE was trained on {result['vae_training']}.",
        f"Each arm adds {sizes['children']} new samples to each labelled image (k = {sizes['children']}, alpha = "
        f"{protocol['alpha']:g}); neighbours are of the same class and among the labelled images.",
        f"Classifiers are {tuned}.",
        "Gain is against the same classifier without new samples (arm `none`), in accuracy points, with Student's "
        "paired 95 % interval over the draws. It covers the choice of labelled images, not another test set. Above 0 "
        "throughout: helps; below 0 throughout: harms; else it cannot be told.",
        "The best arm above was chosen after the fact; its interval there is widened for the number of arms it was "
        "chosen from.",
        f"{result['device']}; " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    return "## How it was measured\n\n" + "\n".join(f"- {fact}" for fact in facts)
