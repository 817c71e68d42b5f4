"""Plots are PNG files that show every arm."""

from dataclasses import asdict
from typing import Any

import matplotlib.pyplot as plt

from latentaug.figures import curve_plot, gains_plot
from latentaug.images import Limits, decode_image
from latentaug.training import EpochMetrics


def test_the_gains_plot_is_a_png_that_grows_with_the_arms(result: dict[str, Any]) -> None:
    few = {**result, "rows": [row for row in result["rows"] if row["space"] == "latent"]}
    tall, short = (decode_image(gains_plot(given), Limits()) for given in (result, few))
    assert tall.shape[0] > short.shape[0]
    assert tall.std() > 10


def test_the_gains_plot_takes_a_single_draw_and_nothing_to_compare(result: dict[str, Any]) -> None:
    single = {"mean": 1.0, "low": None, "high": None}
    rows = [{**row, "gain": row["gain"] and single, "verdict": "cannot tell"} for row in result["rows"]]
    assert decode_image(gains_plot({**result, "rows": rows}), Limits()).ndim == 3
    bare = {**result, "rows": [row for row in result["rows"] if row["arm"] == "none"]}
    assert decode_image(gains_plot(bare), Limits()).ndim == 3


def test_the_curve_plot_takes_one_epoch_or_many() -> None:
    history = [asdict(EpochMetrics(epoch, 9.0, 8.0 / epoch, 1.0, 7.0, 2.0, 100.0, 1.0)) for epoch in range(1, 6)]
    assert decode_image(curve_plot(history[:1]), Limits()).shape == decode_image(curve_plot(history), Limits()).shape


def test_plots_leave_no_global_state(result: dict[str, Any]) -> None:
    gains_plot(result)
    assert plt.get_fignums() == []
