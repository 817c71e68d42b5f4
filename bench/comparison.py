"""An evaluation beside the paper's table, and its combined arms beside affine copies alone: Markdown sections."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.published import METHODS, Published
from latentaug.evaluation.summary import TITLES, describe, paired, points
from latentaug.evaluation.training_sets import COMBINED, control

Row = dict[str, Any]


def beside_the_paper(result: dict[str, Any], published: dict[str, Published]) -> str:
    """The table with each of our numbers beside the paper's, in brackets, and whether its arms reach its best."""
    lines = [
        "## Beside the paper",
        "",
        "Accuracy in percent, ours (the mean, ± the standard deviation over draws) and in brackets the paper's.",
        "",
        f"| classifier | baseline | Z | {' | '.join(METHODS)} |",
        "|---|---|---|---|---|---|",
    ]
    measured = {key: table for key, table in published.items() if key in result["verdicts"]}
    for classifier, table in measured.items():
        baseline = f"{_accuracy(_row(result, classifier, None, 'none'))} ({table.baseline:.2f})"
        for dim, accuracies in table.by_dim.items():
            ours = [_accuracy(_row(result, classifier, dim, method)) for method in METHODS]
            cells = [f"{own} ({theirs:.2f})" for own, theirs in zip(ours, accuracies, strict=True)]
            lines.append(f"| {TITLES[classifier]} | {baseline} | {dim} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(_reach(result, key, table) for key, table in measured.items())])


def over_affine(result: dict[str, Any]) -> str:
    """Gains of the combined arms in image space over affine copies alone: over k of them, and over as many."""
    lines = [
        "## Do VAE samples add to affine copies?",
        "",
        "Gains in accuracy points in image space, with their plain paired 95 % intervals: of affine copies and VAE "
        "samples together over the same affine copies without them, and over affine copies that are as many in all.",
        "",
        "| training set | classifier | over the same affine copies | over as many affine copies |",
        "|---|---|---|---|",
    ]
    for classifier in result["verdicts"]:
        for row in result["rows"]:
            if (row["classifier"], row["space"]) == (classifier, "image") and row["arm"] in COMBINED:
                gains = [_over(result, row, other) for other in ("affine", control(row["arm"]))]
                lines.append(f"| {describe(row)} | {TITLES[classifier]} | {' | '.join(gains)} |")
    return "\n".join(lines)


def _reach(result: dict[str, Any], classifier: str, published: Published) -> str:
    """A sentence on the best of the paper's arms, here and there."""
    ours = [row for row in result["rows"] if row["classifier"] == classifier and row["arm"] in METHODS]
    best = max(ours, key=lambda row: float(row["accuracy"]))
    word = "reach" if best["accuracy"] >= published.best else "do not reach"
    return (
        f"- **{TITLES[classifier]}**: the paper's arms {word} its best, {published.best:.2f} %: here the best is "
        f"{describe(best)} with {best['accuracy']:.2f} %."
    )


def best_of_any_kind(result: dict[str, Any], classifier: str) -> str:
    """The most accurate arm of all in words, those of no VAE included."""
    rows = [row for row in result["rows"] if row["classifier"] == classifier]
    best = max(rows, key=lambda row: float(row["accuracy"]))
    return f"{describe(best)} with {best['accuracy']:.2f} %"


def _over(result: dict[str, Any], row: Row, arm: str) -> str:
    own, other = (_draws(result, row, name, dim) for name, dim in ((row["arm"], row["latent_dim"]), (arm, None)))
    gain = paired(other, own)
    return "" if gain is None else points(asdict(gain))


def _draws(result: dict[str, Any], row: Row, arm: str, latent_dim: int | None) -> dict[int, Row]:
    """Cells by draw of an arm in the row's space and, where it decodes, with the row's decoding."""
    wanted = (row["classifier"], row["space"], arm, latent_dim, row["decode"] if latent_dim else None)
    names = ("classifier", "space", "arm", "latent_dim", "decode")
    return {cell["draw"]: cell for cell in result["cells"] if tuple(cell[n] for n in names) == wanted}


def _row(result: dict[str, Any], classifier: str, latent_dim: int | None, arm: str) -> Row:
    wanted = (classifier, "image", latent_dim, arm)
    names = ("classifier", "space", "latent_dim", "arm")
    found: Row = next(row for row in result["rows"] if tuple(row[name] for name in names) == wanted)
    return found


def _accuracy(row: Row) -> str:
    return f"{row['accuracy']:.2f}" + ("" if row["std"] is None else f" ± {row['std']:.2f}")
