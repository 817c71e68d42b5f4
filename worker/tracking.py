"""Experiment tracking: what a job was asked and what came of it, as a run on an MLflow server.

It is imported in a job's process once the job has succeeded, and only where `settings.mlflow_uri` is set: MLflow takes
seconds to import.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import RequestException

from latentaug.errors import LatentaugError, NotFound
from latentaug.options import NOTIFYING
from latentaug.runtime.jobs import JobRecord
from latentaug.storage.objects import ArtefactStore

EXPERIMENT = "latentaug"
"""Name of the experiment that the runs belong to."""
REQUEST_SECONDS, RETRIES = 10, 1
"""Longest wait for one answer of the server, and how often it is asked again: the next job waits meanwhile."""
SHOWN = (".png", ".md", ".csv", ".json")
"""Suffixes of the files that a run holds. The images themselves stay with the job: they may be gigabytes."""
RECORD = "record.json"
"""The job's own file, which the run says in its own way."""
MEASURED = ("evaluate", "recommend")
"""The kinds of jobs whose result has a row for each arm."""
FIGURES = "figures"
"""The folder of an evaluation's further pictures."""
NOTE, NAME = "mlflow.note.content", "mlflow.runName"
_METRICS_AT_ONCE, _PARAMS_AT_ONCE, _LONGEST_VALUE = 1000, 100, 500  # MLflow's own bounds

_log = logging.getLogger(__name__)


def track(record: JobRecord, artefacts: ArtefactStore, uri: str) -> None:
    """Write a job that has succeeded to an MLflow server. If that fails, a line in the log says so, and nothing else.

    The run has the job's parameters; every number of its result, the loss of each epoch and the accuracy of each arm as
    metrics; its report as the run's description; and its pictures, tables and JSON as artefacts.

    Args:
        record: the job, with its result.
        artefacts: the store that holds its files.
        uri: of the server.
    """
    os.environ |= {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(RETRIES),
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    try:
        _write(MlflowClient(uri), record, artefacts)
    except (MlflowException, RequestException, LatentaugError, OSError) as error:
        _log.warning("job %s has no run in MLflow: %s", record.id, error)


def _write(client: MlflowClient, record: JobRecord, artefacts: ArtefactStore) -> None:
    folder = f"jobs/{record.id}"
    found = json.loads(artefacts.get(f"{folder}/result.json"))
    ours = {"latentaug.job_id": record.id, "latentaug.kind": record.kind}
    tags = {NAME: _name(record), NOTE: _note(record, artefacts), **ours}
    run = client.create_run(_experiment(client), tags={name: text for name, text in tags.items() if text})
    run_id = run.info.run_id
    asked = {name: value for name, value in record.params.items() if name not in NOTIFYING}
    params = [Param(name, str(value)[:_LONGEST_VALUE]) for name, value in _flat(asked)]
    for start in range(0, len(params), _PARAMS_AT_ONCE):
        client.log_batch(run_id, params=params[start : start + _PARAMS_AT_ONCE])
    metrics = list(_metrics(record, found))
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS_AT_ONCE])
    with TemporaryDirectory() as place:
        for within in (folder, f"{folder}/{FIGURES}"):
            for name in artefacts.files(within):
                if name.endswith(SHOWN) and name != RECORD:
                    Path(place, name).write_bytes(artefacts.get(f"{within}/{name}"))
        client.log_artifacts(run_id, place)
    client.set_terminated(run_id, "FINISHED")


def _experiment(client: MlflowClient) -> str:
    """The id of our experiment, which is made by whoever is first."""
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    try:
        return str(client.create_experiment(EXPERIMENT))
    except MlflowException:  # another worker was faster
        known = client.get_experiment_by_name(EXPERIMENT)
        if known is None:
            raise
        return str(known.experiment_id)


def _name(record: JobRecord) -> str:
    return f"{record.kind} {record.params.get('name') or record.params['dataset']}"


def _note(record: JobRecord, artefacts: ArtefactStore) -> str:
    """What a person would read first: the report, or what the job says of its model or its images."""
    try:
        return artefacts.get(f"jobs/{record.id}/report.md").decode()
    except NotFound:
        return str((record.result or {}).get("advice", ""))


def _metrics(record: JobRecord, found: Mapping[str, Any]) -> Iterator[Metric]:
    """Every number of the job's summary, the curve of a training, and the accuracies and gains of an evaluation."""
    now = int(time.time() * 1000)
    for name, value in _flat(record.result or {}):
        if _is_number(value):
            yield Metric(_key(f"result/{name}"), float(value), now, 0)
    for epoch in found.get("curve", []):
        for name, value in epoch.items():
            if name != "epoch" and _is_number(value):
                yield Metric(_key(name), float(value), now, int(epoch["epoch"]))
    for row in found.get("rows", []) if record.kind in MEASURED else []:
        arm = _key(f"{row['classifier']} {row['name']}")
        yield Metric(f"accuracy/{arm}", float(row["accuracy"]), now, 0)
        if row["gain"]:
            yield Metric(f"gain/{arm}", float(row["gain"]["mean"]), now, 0)


def _flat(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """The values in mappings within mappings, each by its path; what is None is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name}.")
        elif value is not None:
            yield f"{within}{name}", value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(name: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "-", name)
