"""Train in several processes of this machine, one GPU each, through torchrun.

`fit_on_several` takes the arguments of `training.fit` and does the same. It writes the images into a temporary folder,
starts `python -m torch.distributed.run ... -m worker.torchrun FOLDER`, passes on what the first process prints, and
reads the result from the folder. The processes end when this one ends, and if one of them dies the others end too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import distributed

from latentaug.datasets.selection import Images, Selection
from latentaug.errors import BY_CODE, LatentaugError, NotFound, Unavailable
from latentaug.options import TrainingOptions
from latentaug.runtime.jobs import JobError
from latentaug.runtime.lifeline import tied
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import Architecture
from latentaug.vae.distributed import Ranks
from latentaug.vae.networks import from_bytes, to_bytes
from latentaug.vae.training import EpochMetrics, Trained, fit

SILENCE = timedelta(minutes=10)
"""How long a process waits for another one's part of a step before it gives up."""
STOP_TIMEOUT = 10.0
"""Seconds that torchrun has to end its processes before all are killed."""
TRAIN, VALIDATION = "train.npy", "validation.npy"
"""Where the images are in the folder."""
_PIECE = 2**24


class _Task(BaseModel):
    """What the processes are to do, in `task.json`."""

    latent_dim: int | None
    options: TrainingOptions
    device: str
    mapped: bool = False
    """Whether the images stay in their files."""


class _Result(BaseModel):
    """What they have made, in `result.json`; the weights are in a file beside it."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    architecture: Architecture
    options: TrainingOptions
    history: list[EpochMetrics]
    best_epoch: int


def fit_on_several(
    processes: int,
    threads: int,
    train: Images,
    validation: Images,
    latent_dim: int | None,
    options: TrainingOptions,
    *,
    device: str,
    on_epoch: Callable[[EpochMetrics], None],
    checkpoint: bytes | None = None,
    on_checkpoint: Callable[[Callable[[], bytes]], None],
) -> Trained:
    """Train as `training.fit` does, in `processes` processes that have `threads` threads each.

    `device` is `cpu` for all of them, or `cuda` for one GPU each, of which there must be at least as many as processes.

    Raises:
        Unavailable: a process died.
        LatentaugError: what `fit` raises in the processes.
    """
    with TemporaryDirectory(prefix="latentaug-train-") as name:
        folder = Path(name)
        _write(folder / TRAIN, train)
        _write(folder / VALIDATION, validation)
        files = ArtefactStore(folder.as_uri())
        task = _Task(latent_dim=latent_dim, options=options, device=device, mapped=isinstance(train, Selection))
        files.put("task.json", task.model_dump_json().encode())
        if checkpoint is not None:
            files.put("checkpoint", checkpoint)
        with _running(folder, processes, threads) as told:
            for line in told:
                on_checkpoint(lambda: files.get("checkpoint"))
                on_epoch(EpochMetrics(**json.loads(line)))
        return _trained(files)


def _write(path: Path, images: Images) -> None:
    """Write images as npy, some after others where they are not in memory."""
    if not isinstance(images, Selection):
        np.save(path, images, allow_pickle=False)
        return
    file = np.lib.format.open_memmap(path, "w+", np.uint8, images.shape)
    step = max(1, _PIECE // max(1, file[:1].size))
    for start in range(0, len(images), step):
        file[start : start + step] = images[start : start + step]
    file.flush()


def _read(path: Path, *, mapped: bool) -> Images:
    """The images that `_write` wrote."""
    if not mapped:
        images: NDArray[np.uint8] = np.load(path, allow_pickle=False)
        return images
    file = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    return Selection(file, np.arange(len(file)))


@contextmanager
def _running(folder: Path, processes: int, threads: int) -> Iterator[Iterator[str]]:
    """Run the processes; yield the lines that the first of them prints. They are stopped if the block ends early."""
    command = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", "worker.torchrun"]
    with subprocess.Popen(  # noqa: S603 (our own command)
        tied([sys.executable, "-m", *command, str(folder)]),
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as torchrun:
        try:
            yield iter(torchrun.stdout or ())
            torchrun.wait()
        finally:
            _stop(torchrun)
    files = ArtefactStore(folder.as_uri())
    if torchrun.returncode and not files.exists("result.json"):  # a process may break while it ends; that harms nothing
        raise _error(files)


def _stop(torchrun: subprocess.Popen[str]) -> None:
    """End torchrun, which ends its processes."""
    if torchrun.poll() is None:
        torchrun.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            torchrun.wait(STOP_TIMEOUT)
    with suppress(ProcessLookupError):  # processes that it has left behind, if any, are in its session
        os.killpg(torchrun.pid, signal.SIGKILL)


def _error(files: ArtefactStore) -> LatentaugError:
    """Return why the processes failed."""
    try:
        error = JobError.model_validate_json(files.get("error.json"))
    except NotFound:
        return Unavailable("a training process died; the worker's log says why. Submit the job again")
    return BY_CODE[error.code](error.detail)


def _trained(files: ArtefactStore) -> Trained:
    result = _Result.model_validate_json(files.get("result.json"))
    vae = from_bytes(result.architecture, files.get("weights"))
    return Trained(vae, result.options, result.history, result.best_epoch)


def main(folder: Path) -> None:
    """Train this process's part. The first process prints each epoch's metrics, and writes checkpoint and result."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    files = ArtefactStore(folder.as_uri())
    task = _Task.model_validate_json(files.get("task.json"))
    device = torch.device(task.device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=SILENCE)
    group = Ranks()
    first = group.rank == 0
    checkpoint = files.get("checkpoint") if files.exists("checkpoint") else None
    distributed.barrier()  # all have read it before the first writes the next

    def tell(metrics: EpochMetrics) -> None:
        if first:
            print(json.dumps(asdict(metrics)), flush=True)

    def keep(make: Callable[[], bytes]) -> None:
        if first:
            files.put("checkpoint", make())

    try:
        trained = fit(
            _read(folder / TRAIN, mapped=task.mapped),
            _read(folder / VALIDATION, mapped=task.mapped),
            task.latent_dim,
            task.options,
            device=str(device),
            on_epoch=tell,
            checkpoint=checkpoint,
            on_checkpoint=keep,
            group=group,
        )
    except LatentaugError as error:
        if first:
            files.put("error.json", JobError(code=error.code, detail=error.detail).model_dump_json().encode())
        raise
    if first:
        _leave(files, trained)
    distributed.barrier()  # so that none ends, and takes the others with it, before the result is there
    distributed.destroy_process_group()


def _leave(files: ArtefactStore, trained: Trained) -> None:
    result = _Result(
        architecture=trained.vae.architecture,
        options=trained.options,
        history=trained.history,
        best_epoch=trained.best_epoch,
    )
    files.put("weights", to_bytes(trained.vae))
    files.put("result.json", result.model_dump_json().encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
