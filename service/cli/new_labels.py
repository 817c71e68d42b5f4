"""What came of a label job: in sentences, and image by image for those that it left without a label."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentaug_client import Job

from latentaug.imaging.layout import arrange
from latentaug.imaging.phrases import counted, percent
from service.cli.not_taken import Left

TO_VALIDATE = "kept to validate models with, or alike to an image to test with; --whole labels it too"
"""Why an unlabelled image of no training part gets no label."""


def summary(made: Mapping[str, Any]) -> str:
    """How many images got a label, and how many of these are likely right.

    Args:
        made: a label job's result, as its record has it.
    """
    likely = made["expected_accuracy"]
    return (
        f"{made['kept']:,} of {counted(made['unlabelled'], 'unlabelled image')} got a label, from "
        f"{counted(made['labelled'], 'labelled one')}. Of all new labels, {percent(likely['mean'])} are likely right "
        f"(between {percent(likely['low'])} and {percent(likely['high'])})."
    )


def unused(made: Mapping[str, Any], described: Mapping[str, Any]) -> list[str]:
    """What of a data set a label job did not use, and why, in sentences.

    Args:
        made: as for `summary`.
        described: the data set's description.
    """
    told = []
    if labels := described["labelled"] - made["labelled"]:
        told.append(
            f"{labels:,} of {counted(described['labelled'], 'label')} were not used: their images are kept to validate "
            "and test with. Add --whole to use all, where nothing is to be measured with the result."
        )
    if images := described["unlabelled"] - made["unlabelled"]:
        told.append(
            f"Unlabelled images that get no label, as they are kept to validate models with: {images:,}. Add --whole "
            "to label these too."
        )
    return told


def left(job: Job, images: Mapping[str, Path] | None) -> Left:
    """The unlabelled images that got no label, each with the reason.

    Args:
        job: a label job that has succeeded.
        images: of its data set, in its order, by their names in the upload; None where they are not known here. Then
            images are named by their numbers, and those of other parts than the training part are not.
    """
    params, entries = job.record["params"], json.loads(job.result())["rows"]
    entry_of = {entry["row"]: entry for entry in entries}
    if images is None:
        names = {row: f"image {row} of {params['dataset']}" for row in entry_of}
    else:
        labels = arrange(list(images)).labels or ()
        names = {row: str(path) for row, path in enumerate(images.values()) if labels[row] is None}
    told = [(name, _reason(entry_of.get(row), params["keep"])) for row, name in names.items()]
    return [(name, reason) for name, reason in told if reason]


def _reason(entry: Mapping[str, Any] | None, keep: float | None) -> str | None:
    """Why an unlabelled image got no label, by what the job says of it; None if it got one."""
    if entry is None:
        return TO_VALIDATE
    if entry["kept"]:
        return None
    if entry["label"] is None:
        return "like no labelled image"
    perhaps = f"perhaps {entry['label']}, with confidence {entry['confidence']:.2f}"
    return f"unsure: {perhaps}" if keep is None else f"not among the surest that --keep {keep:g} takes: {perhaps}"
