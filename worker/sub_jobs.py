"""The sub-jobs of an evaluate job: each trains one VAE or measures one unit, in whichever process is free first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from latentaug.evaluation.work_units import Setting, Unit, measure
from latentaug.options import EvaluateParams
from latentaug.runtime.jobs import JobRecord, Json
from latentaug.vae.training import EpochMetrics
from worker.grid import Grid
from worker.vaes import device, train_vae
from worker.work import Work


class TrainTask(BaseModel):
    """Train the VAE of one latent dimension, without labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["train"] = "train"
    latent_dim: int


class MeasureTask(BaseModel):
    """Measure one unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["measure"] = "measure"
    latent_dims: tuple[int, ...]
    """The latent dimensions of all VAEs that there are."""
    unit: Unit


_TASK: TypeAdapter[TrainTask | MeasureTask] = TypeAdapter(
    Annotated[TrainTask | MeasureTask, Field(discriminator="task")]
)


def task_of(sub_job: JobRecord) -> TrainTask | MeasureTask:
    """Return what a sub-job does."""
    return _TASK.validate_python(sub_job.params)


def do_sub_job(work: Work, params: EvaluateParams) -> Json:
    """Do a sub-job's task, with the parameters of its job; what it makes is in the store."""
    grid, task = Grid.of(work, params), task_of(work.record)
    if isinstance(task, TrainTask):
        _train(grid, task.latent_dim)
    else:
        _measure(grid, task)
    return {}


def _train(grid: Grid, latent_dim: int) -> None:
    """Train a VAE on the training part, without labels, unless an earlier attempt has done so."""
    work = grid.work
    if grid.has_vae(latent_dim):
        return

    def on_epoch(metrics: EpochMetrics) -> None:
        stage = f"training a VAE of {latent_dim} dimensions, epoch {metrics.epoch}"
        work.report(metrics.epoch / metrics.epochs, stage, None, {"latent_dim": latent_dim, **asdict(metrics)})

    grid.keep_vae(train_vae(work, grid.dataset, latent_dim, grid.params, on_epoch).vae)


def _measure(grid: Grid, task: MeasureTask) -> None:
    """Measure a unit's cells and keep each at once; what an earlier attempt has kept is not measured again."""
    unit = task.unit
    projections = grid.projections(task.latent_dims if unit.latent_dim is None else [unit.latent_dim])
    setting = Setting.of(grid.parts, projections, grid.design, device(grid.work.settings))
    cells = setting.known(unit, grid.cells(unit))
    total = len(setting.arms(unit))
    stage = f"draw {unit.draw + 1} of {grid.design.draws}, {unit.space} space, {unit.classifier}"
    for cell in measure(setting, unit, list(cells)):
        cells.append(cell)
        grid.keep_cells(unit, cells)
        grid.work.count(cells=1)
        grid.work.report(len(cells) / total, stage, None, asdict(cell))
