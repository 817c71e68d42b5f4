"""Markdown sections that compare an evaluation with the paper's table, and its combined arms with affine copies."""

from __future__ import annotations

from bench.published import METHODS, Published
from latentaug.evaluation.phrases import TITLES, describe, points
from latentaug.evaluation.result import Result
from latentaug.evaluation.summary import Row, paired
from latentaug.evaluation.training_sets import COMBINED, Arm, control
from latentaug.evaluation.verdict import most_accurate
from latentaug.evaluation.work_units import Cell


def beside_the_paper(result: Result, published: dict[str, Published]) -> str:
    """Return the table with the paper's number in brackets beside each of ours, and whether its arms reach its best."""
    lines = [
        "## Beside the paper",
        "",
        "Accuracy in percent, ours (the mean, ± the standard deviation over draws) and in brackets the paper's.",
        "",
        f"| classifier | baseline | Z | {' | '.join(METHODS)} |",
        "|---|---|---|---|---|---|",
    ]
    measured = {key: table for key, table in published.items() if key in result.verdicts}
    for classifier, table in measured.items():
        baseline = f"{_accuracy(_row(result, classifier, None, 'none'))} ({table.baseline:.2f})"
        for dim, accuracies in table.by_dim.items():
            ours = [_accuracy(_row(result, classifier, dim, method)) for method in METHODS]
            cells = [f"{own} ({theirs:.2f})" for own, theirs in zip(ours, accuracies, strict=True)]
            lines.append(f"| {TITLES[classifier]} | {baseline} | {dim} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(_reach(result, key, table) for key, table in measured.items())])


def over_affine(result: Result) -> str:
    """Return the gains of the combined arms in image space over affine copies alone: k of them, and as many of them."""
    lines = [
        "## Do VAE samples add to affine copies?",
        "",
        "Gains in accuracy points in image space, with their plain paired 95 % intervals: of affine copies and VAE "
        "samples together over the same affine copies without them, and over affine copies that are as many in all.",
        "",
        "| training set | classifier | over the same affine copies | over as many affine copies |",
        "|---|---|---|---|",
    ]
    for classifier in result.verdicts:
        for row in result.of_classifier(classifier):
            if row.space == "image" and row.arm in COMBINED:
                gains = [_over(result, row, other) for other in ("affine", control(row.arm))]
                lines.append(f"| {describe(row)} | {TITLES[classifier]} | {' | '.join(gains)} |")
    return "\n".join(lines)


def _reach(result: Result, classifier: str, published: Published) -> str:
    """A sentence on the best of the paper's arms, here and there."""
    best = most_accurate([row for row in result.of_classifier(classifier) if row.arm in METHODS])
    word = "reach" if best.accuracy >= published.best else "do not reach"
    return (
        f"- **{TITLES[classifier]}**: the paper's arms {word} its best, {published.best:.2f} %: here the best is "
        f"{describe(best)} with {best.accuracy:.2f} %."
    )


def best_of_any_kind(result: Result, classifier: str) -> str:
    """Name the most accurate arm of all, including those without a VAE."""
    best = most_accurate(result.of_classifier(classifier))
    return f"{describe(best)} with {best.accuracy:.2f} %"


def _over(result: Result, row: Row, arm: str) -> str:
    own, other = (_draws(result, row.classifier, each) for each in (row.setup, Arm(row.space, None, arm)))
    gain = paired(other, own)
    return "" if gain is None else points(gain)


def _draws(result: Result, classifier: str, arm: Arm) -> dict[int, Cell]:
    """An arm's cells by draw."""
    return {cell.draw: cell for cell in result.cells if (cell.classifier, cell.setup) == (classifier, arm)}


def _row(result: Result, classifier: str, latent_dim: int | None, arm: str) -> Row:
    wanted = ("image", latent_dim, arm)
    return next(row for row in result.of_classifier(classifier) if (row.space, row.latent_dim, row.arm) == wanted)


def _accuracy(row: Row) -> str:
    return f"{row.accuracy:.2f}" + ("" if row.std is None else f" ± {row.std:.2f}")
