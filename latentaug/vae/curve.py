"""The loss curve of a training as PNG bytes, plotted without matplotlib's global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def curve_plot(history: Sequence[dict[str, Any]]) -> bytes:
    """Plot reconstruction and divergence, in nats per image, over the epochs of `training.EpochMetrics`."""
    epochs = [metrics["epoch"] for metrics in history]
    figure = Figure(figsize=(8, 3.4), dpi=110, layout="constrained")
    for panel, part in zip(figure.subplots(1, 2), ("reconstruction", "divergence"), strict=True):
        for which, style in (("train", "--"), ("validation", "-")):
            values = [metrics[f"{which}_{part}"] for metrics in history]
            panel.plot(epochs, values, style, marker="." if len(epochs) == 1 else None, label=which)
        panel.set(title=part, xlabel="epoch", ylabel="nats per image")
        panel.legend()
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    """Return a figure as PNG bytes."""
    out = io.BytesIO()
    FigureCanvasAgg(figure)  # gives the figure its canvas
    figure.savefig(out, format="png")
    return out.getvalue()
