"""What is measured for long is kept in a folder, so that it goes on where it was cut short."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from threadpoolctl import threadpool_limits

from latentaug import datasets
from latentaug.datasets import Dataset
from latentaug.evaluation.design import Parts, Scope
from latentaug.evaluation.pool import SPREAD, SPREAD_PIXELS
from latentaug.evaluation.work_units import Cell, Setting, Unit, measure, units
from latentaug.options import Design, TrainingOptions
from latentaug.runtime.settings import load
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import Architecture, chosen
from latentaug.vae.networks import Network, from_bytes, to_bytes
from latentaug.vae.training import fit

_CELLS = TypeAdapter(list[Cell])


def read(name: str) -> Dataset:
    """A built-in data set, from where the service would have it."""
    settings = load()
    return datasets.load(name, ArtefactStore(settings.resolved_store_url), settings.dataset_folders)


def trained(folder: Path, dataset: Dataset, latent_dim: int, options: TrainingOptions, device: str = "cpu") -> Network:
    """A VAE of the training part, trained without labels: the one that an earlier run has kept, or one made now."""
    key = _digest([dataset.checksum, latent_dim, options.model_dump()])
    path, (height, width, channels) = folder / f"vae-{key}.safetensors", dataset.images.shape[1:]
    if not path.is_file():
        train, validation = (dataset.images[rows] for rows in (dataset.train, dataset.validation))
        started = time.monotonic()
        vae = fit(
            train,
            validation,
            latent_dim,
            options,
            device=device,
            on_epoch=lambda epoch: print(f"epoch {epoch.epoch}, {time.monotonic() - started:.0f} s", flush=True),
        ).vae
        _write(path, to_bytes(vae))
    name = chosen(options.architecture, height, width, channels)
    return from_bytes(Architecture(height, width, channels, latent_dim, name=name), path.read_bytes())


def once(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `measure` returns, plain JSON: what an earlier run has kept in the file, or what is measured now."""
    if not path.is_file():
        _write(path, json.dumps(measure()).encode())
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def measured(folder: Path, setting: Setting, checksum: str, processes: int = 1) -> list[Cell]:
    """The cells of all units; those that the folder has are read, the others are measured and kept.

    Args:
        folder: made where missing.
        setting: what to measure.
        checksum: of the data set.
        processes: that measure units side by side, each on a core of its own.
    """
    design = setting.scope.design
    arms = [str(arm) for arm in setting.scope.arms(list(setting.projections))]
    latents = [hashlib.sha256(each.train.tobytes()).hexdigest() for each in setting.projections.values()]
    one_draw = design.model_copy(update={"draws": 1, "classifiers": []}).model_dump()  # more draws go on with the same
    key, every = _digest([checksum, one_draw, arms, latents]), units(design, list(setting.projections))
    folder = folder / f"cells-{key}"
    if processes == 1:
        return [cell for unit in every for cell in _measured(folder, setting, unit)]
    _label_first(setting, every[0])
    context = multiprocessing.get_context("fork")  # shares the images and what is known of them
    cores, own = context.SimpleQueue(), sorted(os.sched_getaffinity(0))
    for i in range(processes):
        cores.put(own[i % len(own)])
    with context.Pool(processes, _begin, (folder, setting, cores)) as pool:
        return [cell for cells in pool.imap(_measured_by_one, every) for cell in cells]


_FORKED = dict[str, tuple[Path, Setting]]()


def _begin(folder: Path, setting: Setting, cores: SimpleQueue[int]) -> None:
    """Keep to one core, so that every library has one thread, and know what is measured."""
    os.sched_setaffinity(0, {cores.get()})
    threadpool_limits(1)  # the parent's threads do not survive a fork
    torch.set_num_threads(1)
    _FORKED["here"] = folder, setting


def _measured_by_one(unit: Unit) -> list[Cell]:
    """One unit's cells, in one of the processes."""
    return _measured(*_FORKED["here"], unit)


def _measured(folder: Path, setting: Setting, unit: Unit) -> list[Cell]:
    """One unit's cells."""
    path = folder / f"{unit.name}.json"
    done = _CELLS.validate_json(path.read_bytes()) if path.is_file() else []
    for cell in measure(setting, unit, tuple(done)):
        done.append(cell)
        _write(path, json.dumps([asdict(cell) for cell in done]).encode())
        print(f"{unit.name} {cell.arm}: {cell.accuracy:.2f} %, {cell.seconds:.0f} s", flush=True)
    return done


def _label_first(setting: Setting, unit: Unit) -> None:
    """Find out which images are alike, which all draws share, before there are processes that would each do so."""
    draw = setting.draw(unit.draw)
    for arm in setting.arms(unit):
        if arm.labeller in (SPREAD, SPREAD_PIXELS):
            draw.newly_labelled(arm, None if arm.latent_dim is None else setting.projections[arm.latent_dim])


def without_a_vae(parts: Parts, design: Design) -> Scope:
    """A design's scope without its methods: for what is to be measured without a VAE's images."""
    return replace(Scope.of(parts, design), methods=())


def seconds(cells: Sequence[Cell]) -> float:
    """What fitting and predicting took in all."""
    return sum(cell.seconds for cell in cells)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
