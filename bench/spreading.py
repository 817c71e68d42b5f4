"""How right spread labels are, whether their own account is honest, what asking is worth, and what is refused.

    python -m bench.spreading --sets digits-30 digits-100    docs/results/spreading.md and .json
    python -m bench.spreading --sets mnist-100               about half an hour on one core

In each draw labels are spread over the training part as a label job does it, with its defaults. Which images are alike
hangs on no label and is found out once. What was measured is kept in build/spreading, and the page tells of all that is
there, so that sets can be measured one by one; delete that folder to measure anew. The VAEs are those of
`bench.labels`, and pictures of another kind need UJIPEN.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import kept, results
from bench.accounts import FIRST_SEED, Account, Asking, Rows, account, asking, drawn, percent
from bench.labels import HOME as VAES
from bench.labels import STUDIES
from bench.strangers import strangers
from latentaug.augment.similarity import Neighbourhoods
from latentaug.augment.spreading import spread_over
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation.phrases import points
from latentaug.evaluation.statistics import CANNOT_TELL, HARMS, HELPS, holm, paired_gain, verdict
from latentaug.vae.codec import Codec

HOME = Path("build/spreading")
SETS = {
    "digits-30": ("digits", 30, (20, 50)),
    "digits-100": ("digits", 100, (20, 50)),
    "mnist-100": ("mnist", 100, (50,)),
}
"""Data set, labelled images of each draw, and how many more are labelled by hand, at most."""
GOAL_HELD = 0.9
"""Share of the draws in which the 95 % interval holds the true share, at least: 18 of 20."""
MIXTURES = 5
"""Draws in which pictures of another kind are mixed into the pool."""
LETTERS = "ujipen-v1"
DIGITS = "the pool's own"
_MIXED = "mixed.json"
_SAID = {HELPS: "asking beats chance", HARMS: "asking is worse than chance"}


@dataclass(frozen=True)
class Mixture:
    """Pictures of one kind in a mixed pool; percent of them, by draw.

    Attributes:
        kind: what they show.
        count: how many there are.
        refused: those that got no label.
        kept: those that are kept for a training set.
    """

    kind: str
    count: int
    refused: list[float]
    kept: list[float]


@dataclass(frozen=True)
class Found:
    """What is kept of a set: what each draw gave, and pictures of another kind."""

    accounts: list[Account]
    askings: list[list[Asking]]
    mixtures: list[Mixture]

    @staticmethod
    def read(folder: Path) -> Found:
        """All that a folder has."""
        drawn = [json.loads(path.read_bytes()) for path in sorted(folder.glob("draw-*.json"))]
        mixed = json.loads((folder / _MIXED).read_bytes()) if (folder / _MIXED).is_file() else {}
        return Found(
            [Account(**one["account"]) for one in drawn],
            [[Asking(**asking) for asking in one["askings"]] for one in drawn],
            [Mixture(kind, **one) for kind, one in mixed.items()],
        )


def main(arguments: Sequence[str] | None = None, home: Path = HOME, vaes: Path = VAES) -> None:
    """Measure what is asked for, keep it in `home`, and write docs/results/spreading.* of all that is kept."""
    parser = argparse.ArgumentParser(description="Measure how right spread labels are, and how honest.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which to measure")
    parser.add_argument("--draws", type=int, default=20, help="of labelled images (20)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    for name in asked.sets:
        measure(name, asked.draws, home / name, vaes)
    found = {name: Found.read(home / name) for name in SETS if (home / name).is_dir()}
    command = " ".join(["python -m bench.spreading", *arguments])
    data = {name: asdict(one) for name, one in found.items()}
    results.write(asked.results, "spreading", command, environment, data, page(found))


def measure(name: str, count: int, folder: Path, vaes: Path = VAES) -> None:
    """Measure so many draws of a set, and pictures of another kind; what the folder has is not done again."""
    dataset_name, labelled, by_hand = SETS[name]
    dataset, study = kept.read(dataset_name), STUDIES[dataset_name]
    assert dataset.labels is not None
    codec = Codec(kept.trained(vaes, dataset, study.latent_dim, study.training), "cpu")
    images, truth = dataset.images[dataset.train], dataset.labels[dataset.train]
    alike = Neighbourhoods(images, codec.encode(images))
    for number in range(count):
        one = kept.once(folder / f"draw-{number:03}.json", partial(_draw, alike, truth, labelled, by_hand, number))
        print(f"{name}, draw {number}: {one}", flush=True)
    kinds = strangers(dataset, kept.read(LETTERS), FIRST_SEED)
    kept.once(folder / _MIXED, partial(_mixed, images, truth, kinds, codec, labelled))


def _draw(alike: Neighbourhoods, truth: Rows, labelled: int, by_hand: Sequence[int], number: int) -> dict[str, Any]:
    """One draw: what spreading says of itself, and what asking is worth."""
    known = drawn(truth, labelled, number)
    found = spread_over(alike, known, int(truth.max()) + 1, seed=number)
    askings = [asking(alike, known, truth, found.ask_next[:most], number) for most in by_hand]
    return {"account": asdict(account(found, known, truth)), "askings": [asdict(each) for each in askings]}


def _mixed(
    images: NDArray[np.uint8], truth: Rows, kinds: Mapping[str, NDArray[np.uint8]], codec: Codec, labelled: int
) -> dict[str, Any]:
    """Pictures of another kind in the pool: which of them, and of the digits, get no label, and which are kept."""
    every = np.concatenate([images, *kinds.values()])
    counts = {DIGITS: len(images), **{name: len(own) for name, own in kinds.items()}}
    kind = np.repeat(list(counts), list(counts.values()))
    alike = Neighbourhoods(every, codec.encode(every))
    found: dict[str, Any] = {name: {"count": n, "refused": [], "kept": []} for name, n in counts.items()}
    for number in range(MIXTURES):
        known = np.full(len(every), UNLABELLED, np.int64)
        known[: len(images)] = drawn(truth, labelled, number)
        made = spread_over(alike, known, int(truth.max()) + 1, seed=number)
        for name, one in found.items():
            own = (kind == name) & (known == UNLABELLED)
            one["refused"].append(percent(made.labels[own] == UNLABELLED))
            one["kept"].append(percent(made.kept[own]))
    return found


def page(found: Mapping[str, Found]) -> list[str]:
    """The page, of all sets."""
    return [
        "# Labels for unlabelled images: how right, how honest, what to label next",
        "",
        *_honest(found),
        "",
        "| data set and labels | images without one | right, % | expected, % | its 95 % interval, mean ends | "
        "got no label, % | kept, % | right among the kept, % | on pixels |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_accounts_row(name, one.accounts) for name, one in found.items()),
        "",
        "## What asking is worth",
        "",
        "As many images are labelled by hand: those that `ask_next` names first, or random ones of the pool. Then "
        'labels are spread again. "Spread" counts right ones among the labels that were spread; "all" counts every '
        "image of the pool, those labelled by hand as right and those without a label as wrong. Gains are paired by "
        "draw, with 95 % intervals; p values are corrected by Holm's rule over the table.",
        "",
        "| data set and labels | by hand | counted | asked, % right | random, % right | asked over random |",
        "|---|---|---|---|---|---|",
        *_askings_rows({name: one.askings for name, one in found.items()}),
        "",
        "## Pictures of another kind in the pool",
        "",
        f"Mixed into the pool all at once, in {MIXTURES} draws. What gets no label is refused; what gets one that is "
        "more likely wrong than right is not kept for a training set. The VAE has not seen them in training.",
        "",
        "| data set and labels | pictures | how many | refused, % | kept, % |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {one.kind} | {one.count:,} | {_spread(one.refused)} | {_spread(one.kept)} |"
            for name, each in found.items()
            for one in each.mixtures
        ),
    ]


def _honest(found: Mapping[str, Found]) -> Iterator[str]:
    """In how many draws the interval holds the truth, beside the goal."""
    for name, one in found.items():
        held, count = sum(each.held for each in one.accounts), len(one.accounts)
        least = math.ceil(GOAL_HELD * count)
        reached = "reached" if held >= least else "missed"
        yield (
            f"- **{name}**: the 95 % interval of `expected_accuracy` holds the true share in {held} of {count} draws. "
            f"Goal {least}: {reached}."
        )


def _accounts_row(name: str, each: Sequence[Account]) -> str:
    low, high = mean(account.low for account in each), mean(account.high for account in each)
    entries = [
        f"{each[0].pool:,}",
        _spread([account.right for account in each]),
        _spread([account.expected for account in each]),
        f"{low:.1f} to {high:.1f}",
        _spread([account.without for account in each]),
        f"{mean(account.kept for account in each):.1f}",
        _spread([account.right_kept for account in each]),
        f"{sum(account.space == 'pixels' for account in each)} of {len(each)}",
    ]
    return f"| {name} | {' | '.join(entries)} |"


def _askings_rows(found: Mapping[str, Sequence[Sequence[Asking]]]) -> Iterator[str]:
    """Two lines for each number of images: right ones among the spread labels, and of all images of the pool."""
    rows = list[tuple[str, str, list[float], list[float]]]()
    for name, askings in found.items():
        for each in zip(*askings, strict=True):
            told = f"{name} | {mean(one.by_hand for one in each):.0f}"
            rows.append((told, "spread", [one.asked for one in each], [one.random for one in each]))
            rows.append((told, "all", [one.asked_all for one in each], [one.random_all for one in each]))
    gains = [paired_gain(random, asked) for *_, asked, random in rows]
    corrected = holm([gain.p for gain in gains])
    for (told, counted, asked, random), gain, p in zip(rows, gains, corrected, strict=True):
        said = _SAID.get(verdict(gain.mean, p), CANNOT_TELL)
        yield f"| {told} | {counted} | {_spread(asked)} | {_spread(random)} | {points(gain)}: {said} |"


def _spread(values: Sequence[float]) -> str:
    """Such as "98.53 ± 0.12"."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
