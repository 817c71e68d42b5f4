"""An evaluation's result: what was measured, the rows and verdicts that follow from it, and every cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from latentaug.evaluation.new_labels import LabelRow, label_rows
from latentaug.evaluation.phrases import describe
from latentaug.evaluation.summary import Row
from latentaug.evaluation.verdict import Verdict, judge
from latentaug.evaluation.work_units import Cell
from latentaug.options import Design

VAE_TRAINING = "the images of the training part, without their labels; no test image"


@dataclass(frozen=True)
class Sizes:
    """How many images there are.

    Attributes:
        train: in the training part, with labels.
        test: in the test part.
        classes: that have labelled images.
        labelled: in each draw.
        children: new samples for each labelled image, in each part of an arm.
        pool: in the training part, not labelled in a draw.
        newly_labelled: of the pool that get labels in each draw, at most.
    """

    train: int
    test: int
    classes: int
    labelled: int
    children: int
    pool: int = 0
    newly_labelled: int = 0

    @property
    def all_labelled(self) -> bool:
        """Whether every draw has the same images, all that have labels in the training part."""
        return self.labelled == self.train


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Attributes:
        design: what was asked for.
        sizes: how many images there were.
        rows: one for each arm of each classifier.
        cells: every classifier that was trained, draw by draw.
        warnings: what was left out or lowered, and what the result cannot say.
        mlp_steps: of the MLP in every arm.
        device: where VAEs, MLPs and CNNs ran.
        versions: of Python and the libraries.
        dataset: name of the data set; None where its images were given.
        dataset_checksum: of the data set.
        model: names of the stored models whose VAEs were measured; None where they were trained for this.
        cnn_steps: of the CNN in every arm; None where it was not measured.
    """

    design: Design
    sizes: Sizes
    rows: list[Row]
    cells: list[Cell]
    warnings: list[str]
    mlp_steps: int
    device: str
    versions: dict[str, str]
    dataset: str | None = None
    dataset_checksum: str | None = None
    model: list[str] | None = None
    cnn_steps: int | None = None

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What to do, by classifier."""
        return judge(self.rows, self.sizes.children)

    @cached_property
    def new_labels(self) -> list[LabelRow]:
        """How right the labels are that images of the pool were given, for each way to give them."""
        return label_rows(self.cells)

    def of_classifier(self, name: str) -> list[Row]:
        """The rows of one classifier."""
        return [row for row in self.rows if row.classifier == name]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        verdicts = self.verdicts.items()
        source = {"dataset": self.dataset, "dataset_checksum": self.dataset_checksum, "model": self.model}
        return {
            **(source if self.dataset else {}),
            "protocol": self.design.model_dump(),
            "sizes": asdict(self.sizes),
            "mlp_steps": self.mlp_steps,
            **({"cnn_steps": self.cnn_steps} if self.cnn_steps else {}),
            "verdicts": {name: verdict.text for name, verdict in verdicts},
            "advice": {name: verdict.to_json() for name, verdict in verdicts},
            "best": {name: _best(verdict, verdict.best) for name, verdict in verdicts if verdict.best},
            "rows": [_named(row) for row in self.rows],
            **({"new_labels": [asdict(found) for found in self.new_labels]} if self.new_labels else {}),
            "cells": [asdict(cell) for cell in self.cells],
            "warnings": self.warnings,
            "vae_training": VAE_TRAINING,
            "transductive": False,
            "device": self.device,
            "versions": self.versions,
        }

    @staticmethod
    def from_json(given: Mapping[str, Any]) -> Result:
        """Read what `to_json` wrote, now or in an earlier version; verdicts are told anew from the rows.

        Raises:
            ValidationError: pydantic's, where it is no result.
        """
        return _RESULT.validate_python({**given, "design": given.get("protocol")})


def _named(row: Row) -> dict[str, Any]:
    return {**row.to_json(), "name": describe(row)}


def _best(verdict: Verdict, row: Row) -> dict[str, Any]:
    return {**_named(row), "chosen_after_the_fact": True, "compared": verdict.compared}


_RESULT = TypeAdapter(Result)
