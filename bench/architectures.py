"""Whether the network for photos has better latents of MNIST than the paper's, and what photos of 256x256 take.

    python -m bench.architectures                                on MNIST: about 20 minutes on one core
    python -m bench.architectures --images 20000 --seconds 75    with fewer images, in 9 minutes
    python -m bench.architectures --large                        400 photos of 256x256 on the whole service

Every network gets the same seconds of the processor, so that other work on the machine does not count. What was
measured is kept in build/architectures, and docs/results/architectures.* tells of all that is there; delete that folder
to measure anew.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from types import SimpleNamespace
from typing import Any

import torch

from bench import kept, large_photos, results
from bench.latents import CLASSIFIERS, DRAWS, SPREAD_IMAGES, SPREAD_LABELLED, Found, good_for
from latentaug.datasets import Dataset
from latentaug.options import TrainingOptions
from latentaug.vae import training
from latentaug.vae.architectures import Architecture, chosen
from latentaug.vae.networks import from_bytes, to_bytes

HOME = Path("build/architectures")
SECONDS = 200.0
"""Of one core, of each network. The residual network's first epoch of MNIST takes nearly as long, and always ends."""
LABELLED = 1000
"""Labelled images of each draw that classifiers learn from."""


@dataclass(frozen=True)
class Contender:
    """A network and how it is trained.

    Attributes:
        title: what the page calls it.
        latent_dim: dimensions of its latents; None for its own default.
        options: how it is trained, but for the time.
    """

    title: str
    latent_dim: int | None
    options: TrainingOptions


CONTENDERS = {
    "paper": Contender("the paper's", None, TrainingOptions(architecture="paper")),
    "residual": Contender("residual", None, TrainingOptions(architecture="residual")),
    "paper-50": Contender(
        "the paper's, beta 0.5, at most 20 epochs", 50, TrainingOptions(architecture="paper", beta=0.5, epochs=20)
    ),
    "residual-50": Contender("residual", 50, TrainingOptions(architecture="residual")),
}


@dataclass(frozen=True)
class Terms:
    """What is the same for all networks.

    Attributes:
        dataset: name of the built-in data set.
        images: training images, the first of the training part; None for all.
        seconds: of the processor, for training.
        labelled: labelled images of each draw that the classifiers learn from.
    """

    dataset: str
    images: int | None
    seconds: float
    labelled: int

    def folder(self, home: Path) -> Path:
        """Where what was measured on these terms is kept."""
        return home / f"{self.dataset}-{self.images or 'all'}-{self.seconds:g}-{self.labelled}"


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure what is asked for, keep it in `home`, and write docs/results/architectures.* of all that is kept."""
    parser = argparse.ArgumentParser(description="Compare the networks on MNIST, or measure large photos.")
    parser.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    parser.add_argument("--images", type=int, default=None, help="the first of the training part; default: all")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one core, of each network's training")
    parser.add_argument("--labelled", type=int, default=LABELLED, help="labelled images of each draw")
    parser.add_argument("--large", action="store_true", help="measure large photos instead of the networks")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment, large = results.environment(), home / "large.json"
    terms = Terms(asked.dataset, asked.images, asked.seconds, asked.labelled)
    if asked.large:
        kept.once(large, partial(large_photos.measure, home / "service"))
    else:
        _compare(terms, home)
    found = {name: Found(**kept.once(path, dict)) for name, path in _files(terms, home).items() if path.is_file()}
    photos = kept.once(large, dict) if large.is_file() else None
    command = " ".join(["python -m bench.architectures", *arguments])
    data = {"networks": {name: asdict(one) for name, one in found.items()}, "large": photos}
    lines = [*page(found, terms), "", *large_photos.page(photos)]
    results.write(asked.results, "architectures", command, environment, data, lines)


def _files(terms: Terms, home: Path) -> dict[str, Path]:
    """Where what each network is good for is kept."""
    return {name: terms.folder(home) / f"{name}.json" for name in CONTENDERS}


def _compare(terms: Terms, home: Path) -> None:
    """Measure each network that has not been measured yet."""
    torch.set_num_threads(1)
    dataset = kept.read(terms.dataset)
    dataset = replace(dataset, train=dataset.train[: terms.images])
    for name, path in _files(terms, home).items():
        print(f"{name}: {kept.once(path, partial(_measured, name, dataset, terms, path))}", flush=True)


def _measured(name: str, dataset: Dataset, terms: Terms, path: Path) -> dict[str, Any]:
    """Train a network, unless an earlier run has, and find out what it is good for."""
    contender = CONTENDERS[name]
    options = contender.options.model_copy(update={"max_seconds": terms.seconds})
    weights = path.with_suffix(".safetensors")
    facts = kept.once(
        path.with_name(f"{name}-training.json"), partial(_trained, dataset, contender.latent_dim, options, weights)
    )
    vae = from_bytes(Architecture(**facts.pop("architecture")), weights.read_bytes())
    return asdict(good_for(vae, dataset, terms.labelled, facts))


def _trained(dataset: Dataset, latent_dim: int | None, options: TrainingOptions, weights: Path) -> dict[str, Any]:
    """Train without labels and write the weights; how it went, as plain JSON."""
    train, validation = (dataset.images[rows] for rows in (dataset.train, dataset.validation))
    with by_the_processor():
        trained = training.fit(
            train,
            validation,
            latent_dim,
            options,
            on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: {epoch.validation_mse:.5f}", flush=True),
        )
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(to_bytes(trained.vae))
    return {
        "architecture": asdict(trained.vae.architecture),
        "epochs": len(trained.history),
        "seconds": sum(epoch.seconds for epoch in trained.history),
        "images_per_second": mean(epoch.images_per_second for epoch in trained.history),
    }


@contextmanager
def by_the_processor() -> Iterator[None]:
    """Have training count the seconds of the processor instead of those that pass."""
    names = vars(training)
    clock = names["time"]
    names["time"] = SimpleNamespace(perf_counter=time.process_time)
    try:
        yield
    finally:
        names["time"] = clock


def page(found: Mapping[str, Found], terms: Terms) -> list[str]:
    """What is said of the networks."""
    lines = ["# The networks: grey digits, and large photos", "", f"## The latents of {terms.dataset}", ""]
    if not found:
        return [*lines, "The networks have not been compared here yet."]
    lines += [
        *_said(found),
        "",
        "| network | Z | in use | epochs | seconds | images a second | mean squared error | SVM on latents, % "
        "| kNN on latents, % | spread labels right, % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        numbers = [f"{one.latent_dim}", f"{one.in_use}", f"{one.epochs}", f"{one.seconds:.0f}"]
        numbers += [f"{one.images_per_second:,.0f}", f"{one.mse:.4f}"]
        numbers += [_spread(values) for values in (*one.accuracy.values(), one.right)]
        lines.append(f"| {CONTENDERS[name].title} | {' | '.join(numbers)} |")
    images = "the whole training part" if terms.images is None else f"{terms.images:,} images of the training part"
    return [
        *lines,
        "",
        f"- Each network learns from {images}, without labels, for at most {terms.seconds:g} seconds of one core. They "
        "are the processor's own seconds, so that other work on the machine does not count. A first epoch always ends.",
        "- The mean squared error is that of test images, grey levels in 0..1. SVM and kNN are tuned on "
        f"{terms.labelled:,} labelled latents and measured on all test images. Labels are spread by latents, from "
        f"{SPREAD_LABELLED} over at most {SPREAD_IMAGES:,} images. Means and standard deviations of {DRAWS} draws.",
        "- The residual network learns from mirrored and enlarged images too, which is meant for photos; a mirrored "
        "digit is none.",
    ]


def _said(found: Mapping[str, Found]) -> Iterator[str]:
    """By how much the better residual network differs from the better of the paper's, and what is chosen."""
    paper, other = ([one for name, one in found.items() if name.startswith(kind)] for kind in ("paper", "residual"))
    if paper and other:
        svm, knn = (
            _beside(*(max(mean(one.accuracy[name]) for one in kind) for kind in (other, paper))) for name in CLASSIFIERS
        )
        spread = _beside(*(max(mean(one.right) for one in kind) for kind in (other, paper)))
        ratio = min(one.mse for one in other) / min(one.mse for one in paper)
        yield (
            f"**By the residual network's latents an SVM names {svm} of the test images rightly, kNN {knn}, and label "
            f"spreading {spread} of the pool, each beside the paper's network. Its mean squared error is {ratio:.2f} "
            "of the paper's. Of either network the better Z counts.**"
        )
    names = {"paper": "the paper's network", "residual": "the residual network"}
    yield f"For grey images of this size `auto` takes {names[chosen('auto', 28, 28, 1)]}."


def _beside(ours: float, theirs: float) -> str:
    """Such as "93.20 % (1.30 points less)"."""
    return f"{ours:.2f} % ({abs(ours - theirs):.2f} points {'more' if ours >= theirs else 'less'})"


def _spread(values: Sequence[float]) -> str:
    """Such as "98.53 ± 0.12"."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
