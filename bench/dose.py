"""How many copies of each image pay: 1, 3, 10 and 30 affine and elastic copies, with the curve and where it flattens.

    python -m bench.dose --dataset mnist --labelled 100    docs/results/dose-mnist-100.md, .json and .png

No VAE takes part. What is interrupted goes on where it was, from build/dose; delete that folder to measure anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from bench import kept, results
from latentaug.evaluation import evaluate
from latentaug.evaluation.design import Parts
from latentaug.evaluation.phrases import TITLES, points
from latentaug.evaluation.plots import gain_by_copies_plot
from latentaug.evaluation.statistics import HELPS, Gain, holm, paired_gain, verdict
from latentaug.evaluation.summary import rows
from latentaug.evaluation.work_units import Cell, Setting
from latentaug.options import CLASSIFIERS, Design

HOME = Path("build/dose")
DOSES = (1, 3, 10, 30)
KINDS = ("duplication", "affine", "elastic")

Measured = Mapping[int, Sequence[Cell]]  # the cells by copies of each image


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure what is asked for, keep it in `home`, and write the page."""
    parser = argparse.ArgumentParser(description="Measure how many copies of each image pay.")
    parser.add_argument("--dataset", choices=("digits", "mnist", "ujipen-v1"), default="digits")
    parser.add_argument("--labelled", type=int, default=100, help="labelled images of each draw")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--classifiers", nargs="+", choices=CLASSIFIERS, default=["svm", "knn"])
    parser.add_argument("--processes", type=int, default=1, help="that measure side by side")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    dataset = kept.read(asked.dataset)
    parts = Parts.of(dataset)
    designs = {dose: design_of(dose, asked.labelled, asked.draws, asked.classifiers) for dose in DOSES}
    settings = {dose: Setting(parts, kept.without_a_vae(parts, design), {}, "cpu") for dose, design in designs.items()}
    measured = {
        dose: kept.measured(home, setting, dataset.checksum, asked.processes) for dose, setting in settings.items()
    }
    name = f"dose-{asked.dataset}-{asked.labelled}"
    asked.results.mkdir(parents=True, exist_ok=True)
    plotted = [evaluate.conclude(parts, [], designs[dose], measured[dose]) for dose in DOSES]
    (asked.results / f"{name}.png").write_bytes(gain_by_copies_plot(plotted))
    results.write(
        asked.results,
        name,
        f"python -m bench.dose {' '.join(arguments)}".rstrip(),
        environment,
        {str(dose): [asdict(cell) for cell in cells] for dose, cells in measured.items()},
        page(measured, f"{dataset.name}: how many copies of each of {asked.labelled} labelled images pay", name),
    )


def design_of(dose: int, labelled: int, draws: int, classifiers: Sequence[str]) -> Design:
    """An evaluation with so many copies of each image."""
    given: dict[str, Any] = {"labelled": labelled, "draws": draws, "classifiers": list(classifiers), "k": dose}
    # Noise needs no neighbours, so that no small class lowers k; it is left out again.
    return Design.model_validate(
        {**given, "spaces": ["image"], "methods": ["noise"], "comparators": [*KINDS], "combine": False}
    )


def page(measured: Measured, title: str, name: str) -> list[str]:
    """The page: where the curves flatten, gains by copies, and the plot."""
    classifiers = list(dict.fromkeys(cell.classifier for cell in measured[DOSES[0]]))
    lines = [
        f"# {title}",
        "",
        *(flattens(measured, classifier, kind) for classifier in classifiers for kind in KINDS[1:]),
    ]
    lines += ["", "Gains over no copies, in points, with their plain paired 95 % intervals.", ""]
    lines += [f"| classifier | copies | {' | '.join(map(str, DOSES))} |", f"|---|---|{'---|' * len(DOSES)}"]
    by_dose = {dose: {(row.classifier, row.arm): row for row in rows(cells)} for dose, cells in measured.items()}
    for classifier in classifiers:
        for kind in KINDS:
            gains = [by_dose[dose][classifier, kind].gain for dose in DOSES]
            told = " | ".join(points(gain) if gain else "" for gain in gains)
            lines.append(f"| {TITLES[classifier]} | {kind} | {told} |")
    return [*lines, "", f"![Gain by copies of each image]({name}.png)"]


def flattens(measured: Measured, classifier: str, kind: str) -> str:
    """Where more copies are no longer proven to be better, in a sentence: by paired tests between all doses.

    Holm's correction is over all pairs of one curve.
    """
    gains = {pair: _between(measured, classifier, kind, *pair) for pair in combinations(DOSES, 2)}
    corrected = holm([gain.p for gain in gains.values()])
    beaten = {
        fewer
        for (fewer, _), gain, p in zip(gains, gains.values(), corrected, strict=True)
        if verdict(gain.mean, p) == HELPS
    }
    enough = next(dose for dose in DOSES if dose not in beaten)
    told = ", ".join(f"{more} over {fewer}: {points(gains[fewer, more])}" for fewer, more in pairwise(DOSES))
    if enough == DOSES[-1]:
        found = f"still rise at {enough} of each image"
    else:
        found = f"flatten at {enough} of each image: no larger number is proven to be better"
    return f"- **{TITLES[classifier]}**: {kind} copies {found} ({told})."


def _between(measured: Measured, classifier: str, kind: str, fewer: int, more: int) -> Gain:
    """What more copies gain over fewer, draw by draw: the labelled images of a draw are the same in both."""
    sides = [
        {cell.draw: cell.accuracy for cell in measured[dose] if (cell.classifier, cell.arm) == (classifier, kind)}
        for dose in (fewer, more)
    ]
    draws = sorted(sides[0].keys() & sides[1].keys())
    before, after = ([side[draw] for draw in draws] for side in sides)
    return paired_gain(before, after)


if __name__ == "__main__":
    main()
