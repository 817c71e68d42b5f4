"""An evaluation in units that any process can measure. A unit is the cells that share one draw and one tuning."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import InvalidInput
from latentaug.evaluation import classifiers
from latentaug.evaluation import draws as labelled
from latentaug.evaluation.design import Parts, Scope
from latentaug.evaluation.pool import NewLabels, NewLabelShares, Pool
from latentaug.evaluation.statistics import Right
from latentaug.evaluation.training_sets import BASELINE, Arm, Draw, Labels, Projection, as_floats, flat
from latentaug.options import Design


@dataclass(frozen=True)
class Unit:
    """The arms of one space (of one VAE in latent space) for one classifier in one draw, which share a tuning.

    It has plain values only, so that `Unit(**json.loads(json.dumps(asdict(unit))))` is the same unit.

    Attributes:
        draw: from 0.
        space: "image" or "latent".
        latent_dim: of the latent space. None in image space, whose units have the arms of all VAEs.
        classifier: its name.
    """

    draw: int
    space: str
    latent_dim: int | None
    classifier: str

    @property
    def name(self) -> str:
        """A short unique name of letters, digits and "-", such as "0-latent-20-svm" or "0-image-svm"."""
        place = self.space if self.latent_dim is None else f"{self.space}-{self.latent_dim}"
        return f"{self.draw}-{place}-{self.classifier}"


@dataclass(frozen=True)
class Cell:
    """One classifier trained once and measured on the test part.

    Attributes:
        draw: from 0.
        space: "image" or "latent".
        latent_dim: of the VAE; None where none took part.
        arm: "none", a comparator, a method, or several of them joined, as `Arm.name`.
        decode: how latents became images; None where none did.
        classifier: its name.
        accuracy: percent of the test images.
        seconds: that it took to fit and predict.
        options: of the classifier, as tuned; None for the paper's.
        right: which test images it classified rightly, as `pack` writes it. Only where all training images are
            labelled, for there the draws do not differ, and chance is in the test images alone; else None.
        new_labels: how right the labels are that images of the pool were given; None for an arm without such.
    """

    draw: int
    space: str
    latent_dim: int | None
    arm: str
    decode: str | None
    classifier: str
    accuracy: float
    seconds: float
    options: classifiers.Options | None = None
    right: str | None = None
    new_labels: NewLabelShares | None = None

    @property
    def setup(self) -> Arm:
        """The arm, as `plan` lists it."""
        return Arm(self.space, self.latent_dim, self.arm, self.decode)

    @property
    def unit(self) -> Unit:
        """The unit that it belongs to."""
        return Unit(self.draw, self.space, self.latent_dim if self.space == "latent" else None, self.classifier)


def units(design: Design, latent_dims: Sequence[int]) -> list[Unit]:
    """All units, draw by draw, so that a run that is cut short leaves whole draws. Latents are for no CNN."""
    places: dict[str, Sequence[int | None]] = {"image": [None], "latent": latent_dims}
    return [
        Unit(draw, space, latent_dim, classifier)
        for draw in range(design.draws)
        for space in design.spaces
        for latent_dim in places[space]
        for classifier in design.classifiers
        if Arm(space, latent_dim, BASELINE).suits(classifier)
    ]


@dataclass(frozen=True)
class Setting:
    """What all units share.

    Attributes:
        parts: the data set.
        scope: the design, as far as the parts allow it.
        projections: by latent dimension.
        device: where the MLP and the CNN run.
    """

    parts: Parts
    scope: Scope
    projections: Mapping[int, Projection]
    device: str

    @staticmethod
    def of(parts: Parts, projections: Mapping[int, Projection], design: Design, device: str = "cpu") -> Setting:
        """Check that all this fits together.

        Args:
            parts: the data set.
            projections: by latent dimension, of VAEs trained on `parts.training.images`, without labels. A unit of
                image space needs those of every dimension, and one of latent space its own alone.
            design: what to measure.
            device: where the MLP and the CNN run.

        Raises:
            TooFewImages: fewer labelled images than classes, more than there are, or no test image.
            InvalidInput: a single class, or no VAE, or one of another dimension than its key says.
        """
        if not projections:
            raise InvalidInput("no VAE to evaluate; give at least one latent dimension")
        for dim, projection in projections.items():
            if projection.codec.architecture.latent_dim != dim:
                raise InvalidInput(
                    f"the VAE of latent_dim {dim} is one of {projection.codec.architecture}; give its own"
                )
        return Setting(parts, Scope.of(parts, design), projections, device)

    def arms(self, unit: Unit) -> list[Arm]:
        """The arms that a unit measures, its baseline first."""
        arms = self.scope.arms(list(self.projections))
        here = [arm for arm in arms if (arm.space, arm.baseline.latent_dim) == (unit.space, unit.latent_dim)]
        return [arm for arm in here if arm.suits(unit.classifier)]

    def draw(self, number: int) -> Draw:
        """The labelled images of a draw, the same for all of its units."""
        design = self.scope.design
        rows_seed, sample_seed, _ = _seeds(design.seed, number)
        rows = labelled.draw(self.parts.train_labels, self.scope.sizes, rows_seed)
        images, labels = as_floats(self.parts.train_images[rows]), self.parts.train_labels[rows]
        pool = self._pool(rows, labels, sample_seed) if self.scope.spread else None
        return Draw(rows, images, labels, self.scope.children, design.alpha, sample_seed, design.affine, pool)

    def _pool(self, rows: Labels, labels: Labels, seed: int) -> Pool:
        """All training images with no labels but the draw's."""
        training = self.parts.training
        given = np.full(len(training.images), UNLABELLED, np.int64)
        given[rows] = labels
        return Pool(training, given, len(self.parts.classes), self.scope.design.pool_images, seed)

    def new_labels(self, draw: Draw, found: NewLabels | None) -> NewLabelShares | None:
        """How right new labels are, by their own account and by the true ones, where the data set has those."""
        if found is None:
            return None
        got = np.setdiff1d(np.flatnonzero(found.labels != UNLABELLED), draw.rows)
        expected = found.expected
        return NewLabelShares(
            labelled=len(got),
            added=len(found.rows),
            right=self._right(found.labels, got),
            right_added=self._right(found.labels, found.rows),
            expected=100 * expected.mean if expected else None,
            low=100 * expected.low if expected else None,
            high=100 * expected.high if expected else None,
            space=found.space,
        )

    def _right(self, labels: Labels, rows: Labels) -> float | None:
        """Percent of right labels among those of the rows whose true label is known."""
        known = rows[rows < len(self.parts.train_labels)]
        right = labels[known] == self.parts.train_labels[known]
        return 100 * float(right.mean()) if len(known) else None

    def known(self, unit: Unit, cells: Sequence[Cell]) -> list[Cell]:
        """Those of the cells that belong to a unit."""
        arms = set(self.arms(unit))
        return [cell for cell in cells if cell.unit == unit and cell.setup in arms]


def measure(setting: Setting, unit: Unit, done: Sequence[Cell] = ()) -> Iterator[Cell]:
    """Measure a unit's cells, arm by arm. They depend on the arguments alone, for units share no state.

    Args:
        setting: what all units share.
        unit: one of `units`.
        done: cells of an earlier attempt. Those of this unit are not measured again, and their tuning is kept.
    """
    parts, design, classes = setting.parts, setting.scope.design, len(setting.parts.classes)
    known = setting.known(unit, done)
    left = [arm for arm in setting.arms(unit) if arm not in {cell.setup for cell in known}]
    if not left:
        return
    draw, (_, _, seed) = setting.draw(unit.draw), _seeds(design.seed, unit.draw)
    projection = None if unit.latent_dim is None else setting.projections[unit.latent_dim]
    X_test = flat(as_floats(parts.test_images)) if projection is None else projection.test
    options = {cell.setup.real: cell.options for cell in known}
    for arm in left:
        own = None if arm.latent_dim is None else setting.projections[arm.latent_dim]
        X, y = draw.samples(arm.real, own)
        if arm.real not in options:
            tuned = classifiers.tune(unit.classifier, X, y, classes, seed, setting.device) if design.tune else None
            options[arm.real] = tuned
        steps = classifiers.steps_of(unit.classifier, len(y))
        if arm != arm.real:
            X, y = draw.samples(arm, own)
        started = time.perf_counter()
        classifier = classifiers.make(
            unit.classifier,
            classes,
            seed,
            options[arm.real],
            setting.device,
            steps,
            parts.test_images.shape[1:],
            arm.mixing,
        )
        classifier.fit(X, y)
        right = classifier.predict(X_test) == parts.test_labels  # [test]
        yield Cell(
            unit.draw,
            arm.space,
            arm.latent_dim,
            arm.name,
            arm.decode,
            unit.classifier,
            accuracy=100 * float(right.mean()),
            seconds=time.perf_counter() - started,
            options=options[arm.real],
            right=pack(right) if setting.scope.all_labelled else None,
            new_labels=setting.new_labels(draw, draw.newly_labelled(arm, own)),
        )


def pack(right: Right) -> str:
    """Which test images are right, bool [n], as text: n, a colon, and one bit for each image in base64."""
    return f"{len(right)}:{b64encode(np.packbits(right).tobytes()).decode()}"


def unpack(text: str) -> Right:
    """The inverse of `pack`: bool [n]."""
    n, _, packed = text.partition(":")
    return np.unpackbits(np.frombuffer(b64decode(packed), np.uint8), count=int(n)).astype(np.bool_)


def _seeds(seed: int, draw: int) -> tuple[int, int, int]:
    """Seeds for the rows, the new samples and the classifier, each 0..2^32 - 1."""
    rows, samples, classifier = np.random.SeedSequence([seed, draw]).generate_state(3)
    return int(rows), int(samples), int(classifier)
