"""Plots are PNG files that show every arm."""

from dataclasses import asdict, replace

import matplotlib.pyplot as plt

from latentaug.evaluation.plots import accuracy_by_labels_plot, gain_by_copies_plot, gains_plot
from latentaug.evaluation.result import Result
from latentaug.evaluation.statistics import Gain
from latentaug.imaging.pixels import Limits
from latentaug.vae.curve import curve_plot
from latentaug.vae.training import EpochMetrics
from tests.pictures import decode_image


def test_the_gains_plot_is_a_png_that_grows_with_the_arms(evaluation: Result) -> None:
    few = replace(evaluation, rows=[row for row in evaluation.rows if row.space == "latent"])
    tall, short = (decode_image(gains_plot(given), Limits()) for given in (evaluation, few))
    assert tall.shape[0] > short.shape[0]
    assert tall.std() > 10


def test_the_gains_plot_takes_a_single_draw_and_nothing_to_compare(evaluation: Result) -> None:
    single = Gain(1.0, None, None, 1, None)
    rows = [replace(row, gain=row.gain and single, verdict="cannot tell") for row in evaluation.rows]
    assert decode_image(gains_plot(replace(evaluation, rows=rows)), Limits()).ndim == 3
    bare = replace(evaluation, rows=[row for row in evaluation.rows if row.arm == "none"])
    assert decode_image(gains_plot(bare), Limits()).ndim == 3


def test_plots_over_sizes_take_results_in_any_order(evaluation: Result) -> None:
    others = [
        replace(evaluation, sizes=replace(evaluation.sizes, labelled=labelled, children=children))
        for labelled, children in ((30, 1), (300, 9))
    ]
    for plot in (accuracy_by_labels_plot, gain_by_copies_plot):
        assert plot([evaluation, *others]) == plot([*others, evaluation])
        assert decode_image(plot([evaluation]), Limits()).std() > 10


def test_an_arm_that_one_classifier_lacks_is_left_blank_in_its_panel(evaluation: Result) -> None:
    rows = [row for row in evaluation.rows if (row.classifier, row.arm) != ("svm", "smote")]
    lacking = replace(evaluation, rows=rows)
    assert decode_image(gains_plot(lacking), Limits()).shape == decode_image(gains_plot(evaluation), Limits()).shape
    assert gains_plot(lacking) != gains_plot(evaluation)


def test_the_curve_plot_takes_one_epoch_or_many() -> None:
    history = [
        asdict(EpochMetrics(epoch, 9.0, 8.0 / epoch, 1.0, 7.0, 2.0, 100.0, 1.0, 0.01, 5)) for epoch in range(1, 6)
    ]
    assert decode_image(curve_plot(history[:1]), Limits()).shape == decode_image(curve_plot(history), Limits()).shape


def test_plots_leave_no_global_state(evaluation: Result) -> None:
    gains_plot(evaluation)
    assert plt.get_fignums() == []
