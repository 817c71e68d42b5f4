"""Plots of evaluations as PNG bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from latentaug.evaluation.phrases import TITLES, describe
from latentaug.evaluation.result import Result
from latentaug.evaluation.statistics import CANNOT_TELL, HARMS, HELPS
from latentaug.evaluation.summary import Row
from latentaug.options import SPACES
from latentaug.vae.curve import as_png

_Point = Callable[[Row], tuple[float, float, float]]  # a value, and how far its bar goes down and up

_ASIDE = 1.02
"""Factor in size from one line's points to the next one's."""

# Both colour and shape show the verdict, for readers who cannot see colours.
_MARKS = {HELPS: ("#0072b2", "^"), HARMS: ("#d55e00", "v"), CANNOT_TELL: ("#777777", "o")}


def gains_plot(result: Result) -> bytes:
    """Forest plot: each arm's gain with its interval, one panel for each classifier."""
    compared = [row for row in result.rows if row.gain]
    arms = list(dict.fromkeys(describe(row) for row in compared))
    names = list(result.verdicts)
    figure = Figure(figsize=(4 + 3 * len(names), 1.8 + 0.28 * len(arms)), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(axes, names, strict=True):
        _forest(panel, name, arms, [row for row in compared if row.classifier == name])
    axes[0].set_yticks(range(len(arms)), arms, fontsize=8)
    axes[0].set_ylim(max(len(arms), 1) - 0.5, -0.5)  # the first arm on top
    keys = [Line2D([], [], color=colour, marker=marker, label=word) for word, (colour, marker) in _MARKS.items()]
    figure.legend(handles=keys, loc="outside upper right", ncols=len(keys), fontsize=8)
    figure.supxlabel("gain in accuracy points, with its plain 95 % interval; colours after correction", fontsize=9)
    return as_png(figure)


def accuracy_by_labels_plot(results: Sequence[Result]) -> bytes:
    """Accuracy against the number of labelled images, from evaluations of one data set that differ in nothing else.

    For each classifier and space: without new samples, affine copies, and the VAE arm that is the most accurate over
    all of the evaluations. Bars are standard deviations over the draws.
    """
    return _by_size(results, ("none", "affine"), "labelled", _accuracy, "labelled images", "accuracy, %")


def gain_by_copies_plot(results: Sequence[Result]) -> bytes:
    """Gain against new samples per image, from evaluations of one data set that differ in nothing but k.

    For each classifier and space: duplication, affine copies, and the VAE arm that is the most accurate over all of
    the evaluations; a combined arm has as many for each of its parts. Bars are plain 95 % intervals.
    """
    comparators = ("duplication", "affine")
    return _by_size(
        results,
        comparators,
        "children",
        _gain,
        "k, new samples per image (with a +: for each part)",
        "gain, accuracy points",
    )


def _by_size(
    results: Sequence[Result], plain: Sequence[str], size: str, point: _Point, xlabel: str, ylabel: str
) -> bytes:
    """One panel for each classifier and one line for each of some arms, over `sizes.<size>` of the results."""
    results = sorted(results, key=lambda result: getattr(result.sizes, size))
    sizes = [getattr(result.sizes, size) for result in results]
    names = [name for name in results[0].verdicts if all(name in result.verdicts for result in results)]
    figure = Figure(figsize=(2 + 4 * len(names), 5.4), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for panel, name in zip(axes, names, strict=True):
        for i, (arm, rows) in enumerate(_lines(results, name, plain).items()):
            points = [point(row) for row in rows]
            means, low, high = (list(values) for values in zip(*points, strict=True))
            style = "--" if rows[0].space == "latent" else "-"
            beside = [size * _ASIDE**i for size in sizes]  # so that bars do not hide each other
            panel.errorbar(beside, means, yerr=[low, high], label=arm, fmt=style, marker="o", markersize=4, capsize=2)
        panel.set_xscale("log")
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.minorticks_off()
        panel.set(title=TITLES[name], xlabel=xlabel)
        panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    axes[0].set_ylabel(ylabel)
    return as_png(figure)


def _lines(results: Sequence[Result], classifier: str, plain: Sequence[str]) -> dict[str, list[Row]]:
    """Rows of the arms that every result has, by their description: in each space the plain ones and one of a VAE."""
    by_arm: dict[str, list[Row]] = {}
    for row in (row for result in results for row in result.of_classifier(classifier)):
        by_arm.setdefault(describe(row), []).append(row)
    complete = [rows for rows in by_arm.values() if len(rows) == len(results)]
    chosen: list[list[Row]] = []
    for space in SPACES:
        arms = [rows for rows in complete if rows[0].space == space]
        ours = [rows for rows in arms if rows[0].of_a_vae]
        best = sorted(ours, key=lambda rows: sum(row.accuracy for row in rows))[-1:]
        places = [None, *(rows[0].latent_dim for rows in best)]
        chosen += [rows for rows in arms if rows[0].arm in plain and rows[0].latent_dim in places]
        chosen += best
    return {describe(rows[0]): rows for rows in chosen}


def _accuracy(row: Row) -> tuple[float, float, float]:
    spread = row.std or 0.0
    return row.accuracy, spread, spread


def _gain(row: Row) -> tuple[float, float, float]:
    gain = row.gain
    if gain is None:
        return 0.0, 0.0, 0.0
    if gain.low is None or gain.high is None:
        return gain.mean, 0.0, 0.0
    return gain.mean, gain.mean - gain.low, gain.high - gain.mean


def _forest(panel: Axes, name: str, arms: Sequence[str], rows: Sequence[Row]) -> None:
    for row in rows:
        if row.gain is None:
            continue
        y, gain, (colour, marker) = arms.index(describe(row)), row.gain, _MARKS[row.verdict or CANNOT_TELL]
        if gain.low is not None and gain.high is not None:
            panel.plot([gain.low, gain.high], [y, y], color=colour)
        panel.plot([gain.mean], [y], marker, color=colour)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_title(TITLES[name])
