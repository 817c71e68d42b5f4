"""Plots as PNG bytes: the gains of an evaluation and the curve of a training. No global matplotlib state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from latentaug.statistics import CANNOT_TELL, HARMS, HELPS
from latentaug.summary import describe

# Colour and shape both tell the verdict, for those who do not see the one.
_MARKS = {HELPS: ("#0072b2", "^"), HARMS: ("#d55e00", "v"), CANNOT_TELL: ("#777777", "o")}


def gains_plot(result: dict[str, Any]) -> bytes:
    """Forest plot of `Evaluation.to_json`: each arm's gain with its interval, one panel for each classifier."""
    panels = {name: [row for row in result["rows"] if row["classifier"] == name] for name in result["verdicts"]}
    arms = [row for row in next(iter(panels.values())) if row["gain"]]  # the same for every classifier
    figure = Figure(figsize=(4 + 3 * len(panels), 1.8 + 0.28 * len(arms)), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (name, rows) in zip(axes, panels.items(), strict=True):
        _forest(panel, name, [row for row in rows if row["gain"]])
    axes[0].set_yticks(range(len(arms)), [describe(row) for row in arms], fontsize=8)
    axes[0].set_ylim(max(len(arms), 1) - 0.5, -0.5)  # the first arm on top
    keys = [Line2D([], [], color=colour, marker=marker, label=word) for word, (colour, marker) in _MARKS.items()]
    figure.legend(handles=keys, loc="outside upper right", ncols=len(keys), fontsize=8)
    figure.supxlabel("gain in accuracy points, with its 95 % interval over the draws", fontsize=9)
    return _png(figure)


def curve_plot(history: Sequence[dict[str, Any]]) -> bytes:
    """Training curve: reconstruction and divergence in nats an image, by epoch, from `training.EpochMetrics`."""
    epochs = [metrics["epoch"] for metrics in history]
    figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
    for panel, part in zip(figure.subplots(1, 2), ("reconstruction", "divergence"), strict=True):
        for which, style in (("train", "--"), ("validation", "-")):
            values = [metrics[f"{which}_{part}"] for metrics in history]
            panel.plot(epochs, values, style, marker="." if len(epochs) == 1 else None, label=which)
        panel.set(title=part, xlabel="epoch", ylabel="nats an image")
        panel.legend()
    return _png(figure)


def _forest(panel: Axes, name: str, rows: Sequence[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        gain, (colour, marker) = row["gain"], _MARKS[row["verdict"]]
        if gain["low"] is not None:
            panel.plot([gain["low"], gain["high"]], [y, y], color=colour)
        panel.plot([gain["mean"]], [y], marker, color=colour)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_title(name)


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    FigureCanvasAgg(figure)  # the figure's canvas from here on
    figure.savefig(out, format="png")
    return out.getvalue()
