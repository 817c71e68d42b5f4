"""Measure whether augmentation helps (paper section 4), with VAEs trained here without labels or stored models.

The job comes here three times: to split into a sub-job for each VAE to train, then into one for each unit to measure,
and at last to put together what they have measured. In between no process waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from latentaug.evaluation.design import Scope
from latentaug.evaluation.evaluate import conclude
from latentaug.evaluation.plots import gains_plot
from latentaug.evaluation.report import to_csv, to_markdown
from latentaug.evaluation.work_units import units
from latentaug.options import EvaluateParams
from latentaug.runtime.jobs import JobError, JobRecord
from worker.figures import figures
from worker.grid import Grid
from worker.sub_jobs import MeasureTask, TrainTask, task_of
from worker.vaes import device
from worker.work import Failed, Work

TRAINING_SHARE = 0.3
"""What training takes of the progress, where VAEs are trained here."""
CONCLUDING = 0.99
LONGEST_FIRST = ("cnn", "mlp", "svm", "knn")
"""The order of units, so that no process is left with a long one when the others have nothing more to do."""


def evaluate(work: Work, params: EvaluateParams) -> dict[str, Any] | None:
    """Take the job's next step: return None if it was split into sub-jobs, and the verdicts at the end.

    Files: `result.json`, `report.md`, `report.csv`, `report.png`, `figures/<name>.png`.

    Raises:
        InvalidInput: the data set has no labels, or the parameters do not fit it.
        TooFewImages: a class or the data set is too small.
        Conflict: a model was trained on other data.
        Failed: no VAE could be trained, or no unit could be measured to its end.
    """
    grid = Grid.of(work, params)
    Scope.of(grid.parts, grid.design)  # refuses what cannot be measured before anything is computed
    tasks = [(task_of(sub_job), sub_job) for sub_job in work.sub_jobs()]
    trained = {task.latent_dim: sub_job for task, sub_job in tasks if isinstance(task, TrainTask)}
    measured = {task: sub_job for task, sub_job in tasks if isinstance(task, MeasureTask)}
    if grid.latent_dims and not trained:
        work.fan_out({f"vae-{dim}": TrainTask(latent_dim=dim) for dim in grid.latent_dims}, 0.0, TRAINING_SHARE)
        return None
    if not measured:
        _fan_out_units(grid, trained)
        return None
    return _conclude(grid, trained, measured)


def _fan_out_units(grid: Grid, trained: Mapping[int, JobRecord]) -> None:
    if trained:
        latent_dims = [dim for dim in grid.latent_dims if trained[dim].error is None]
        if not latent_dims:
            raise _failed("VAE", trained.values())
    else:
        latent_dims = grid.read_models()
    longest_first = sorted(units(grid.design, latent_dims), key=lambda unit: LONGEST_FIRST.index(unit.classifier))
    tasks = {
        f"{i:04}-{unit.name}": MeasureTask(latent_dims=tuple(latent_dims), unit=unit)
        for i, unit in enumerate(longest_first)
    }
    grid.work.fan_out(tasks, TRAINING_SHARE if trained else 0.0, CONCLUDING)


def _conclude(
    grid: Grid, trained: Mapping[int, JobRecord], measured: Mapping[MeasureTask, JobRecord]
) -> dict[str, Any]:
    """Write the report on all cells and return the verdicts."""
    work = grid.work
    failures = {task.unit: sub_job.error.detail for task, sub_job in measured.items() if sub_job.error}
    if len(failures) == len(measured):
        raise _failed("unit", measured.values())
    work.report(CONCLUDING, "writing the report", final=True)
    latent_dims = next(iter(measured)).latent_dims
    cells = [cell for task in measured for cell in grid.cells(task.unit)]
    left_out = [
        f"Everything of latent_dim {dim} was left out, because its VAE could not be trained: {sub_job.error.detail}"
        for dim, sub_job in trained.items()
        if sub_job.error
    ]
    found = conclude(grid.parts, latent_dims, grid.design, cells, failures=failures, device=device(work.settings))
    result = replace(
        found,
        warnings=[*found.warnings, *left_out],
        dataset=grid.dataset.name,
        dataset_checksum=grid.dataset.checksum,
        model=grid.params.model,
    )
    work.put("report.md", to_markdown(result))
    work.put("report.csv", to_csv(result))
    work.put("report.png", gains_plot(result))
    damaged = {unit.latent_dim for unit in failures}
    shown = next((dim for dim in latent_dims if dim not in damaged), None)
    for name, figure in figures(grid, shown, result).items():
        work.put(f"figures/{name}.png", figure)
    written = result.to_json()
    work.put_json("result.json", written)
    return {"verdicts": written["verdicts"], "best": written["best"]}


def _failed(what: str, sub_jobs: Iterable[JobRecord]) -> Failed:
    """What the job says when all of them have failed: why the first has."""
    error = next(sub_job.error for sub_job in sub_jobs if sub_job.error)
    return Failed(JobError(code=error.code, detail=f"every {what} has failed, the first so: {error.detail}"))
