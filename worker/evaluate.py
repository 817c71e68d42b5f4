"""Measure whether augmentation helps (paper section 4), on VAEs trained here without labels or on a model that exists."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from latentaug import datasets, models
from latentaug.datasets import Dataset
from latentaug.errors import Conflict, InvalidInput
from latentaug.evaluation import Cell, Parts, Protocol
from latentaug.evaluation import evaluate as measure
from latentaug.figures import gains_plot
from latentaug.job_params import EvaluateParams
from latentaug.report import to_csv, to_markdown
from latentaug.training import EpochMetrics
from latentaug.vae import VAE, Architecture, from_bytes, to_bytes
from worker.augment import architecture
from worker.vaes import train_vae
from worker.work import Work, remaining

TRAINING_SHARE = 0.3
"""Of the progress, where VAEs are trained here."""
CELLS = "cells.json"


def evaluate(work: Work, params: EvaluateParams) -> dict[str, Any]:
    """Train or read the VAEs, measure every cell, write the report; return the verdicts.

    Files: `result.json`, `report.md`, `report.csv`, `report.png`.
    """
    dataset = datasets.load(params.dataset, work.artefacts, work.settings)
    if dataset.labels is None:
        raise InvalidInput(f"{dataset.name!r} has no labels, so no classifier can be measured; upload it with labels")
    vaes = _train(work, params, dataset) if params.model is None else _read(work, params.model, dataset)
    result = _measure(work, params, dataset, vaes)
    work.put("report.md", to_markdown(result))
    work.put("report.csv", to_csv(result))
    work.put("report.png", gains_plot(result))
    work.put_json("result.json", result)
    return {"verdicts": result["verdicts"], "best": result["best"]}
