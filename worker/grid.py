"""What the parts of an evaluate job share: its data set and design, and the files that they keep for one another.

kept/architecture-<latent_dim>.json        what decides the shape of a VAE's weights
kept/vae-<latent_dim>.safetensors          weights of a VAE
kept/projection-<latent_dim>.safetensors   both parts of the data set in its latent space
kept/cells/<unit>.json                     the cells of a unit so far

A process goes on from one sub-job to the next of the same job, and reads the data set and each VAE once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from latentaug import datasets
from latentaug.datasets import Dataset
from latentaug.errors import Conflict, NotFound
from latentaug.evaluation.design import Parts
from latentaug.evaluation.training_sets import Projection
from latentaug.evaluation.work_units import Cell, Unit
from latentaug.options import Design, EvaluateParams
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import LATENT_DIMS, Architecture, chosen
from latentaug.vae.codec import Codec, read_vae
from latentaug.vae.networks import Network, from_bytes, to_bytes
from worker.vaes import device
from worker.work import Work

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What a process has read for a job.

    Attributes:
        dataset: some or all of its images have labels.
        parts: its training and test part.
        projections: by latent dimension.
    """

    dataset: Dataset
    parts: Parts
    projections: dict[int, Projection] = field(default_factory=dict)


@lru_cache(maxsize=1)  # of one job at a time, so that a process holds no more than that
def _load(job: str, name: str, store: ArtefactStore, folders: tuple[Path, ...]) -> Loaded:
    """Read a job's data set.

    Raises:
        NotFound: no such data set.
        InvalidInput: it has no labels.
    """
    dataset = datasets.load(name, store, folders)
    return Loaded(dataset, Parts.of(dataset))


@dataclass(frozen=True)
class Grid:
    """An evaluate job's data set and design, and its files in the store.

    Attributes:
        work: an attempt at the job or at one of its sub-jobs.
        params: the job's.
        loaded: what this process has read for the job, this time or before.
        design: what is measured.
    """

    work: Work
    params: EvaluateParams
    loaded: Loaded
    design: Design

    @staticmethod
    def of(work: Work, params: EvaluateParams) -> Grid:
        """Read the data set, unless this process has read it for the job before.

        Raises:
            NotFound: no such data set.
            InvalidInput: it has no labels.
        """
        job, folders = work.record.parent or work.record.id, work.settings.dataset_folders
        return Grid(work, params, _load(job, params.dataset, work.artefacts, folders), design_of(params))

    @property
    def dataset(self) -> Dataset:
        """The data set, with labels."""
        return self.loaded.dataset

    @property
    def parts(self) -> Parts:
        """Its training and test part."""
        return self.loaded.parts

    @property
    def latent_dims(self) -> list[int]:
        """Latent dimensions of the VAEs to train; none where stored models are given."""
        if self.params.model:
            return []
        return self.params.latent_dims or [
            LATENT_DIMS[chosen(self.params.architecture, *self.dataset.images.shape[1:])]
        ]

    def has_vae(self, latent_dim: int) -> bool:
        """Whether its VAE is trained, and the data set projected with it."""
        return self.work.recall(_projection_file(latent_dim)) is not None

    def keep_vae(self, vae: Network) -> None:
        """Keep a VAE, and both parts of the data set in its latent space."""
        latent_dim = vae.architecture.latent_dim
        self.work.keep(_vae_file(latent_dim), to_bytes(vae))
        self.work.keep(_architecture_file(latent_dim), _ARCHITECTURE.dump_json(vae.architecture))
        images, where = self.parts.training.images, device(self.work.settings)
        projection = Projection.of(vae, images, self.parts.test_images, where)
        tensors = save_tensors({"train": projection.train, "test": projection.test})
        self.work.keep(_projection_file(latent_dim), tensors)

    def read_models(self) -> list[int]:
        """Keep the stored models' VAEs, and return their latent dimensions.

        Raises:
            NotFound: a model was deleted.
            Conflict: one was trained on other data, or two have one latent dimension.
        """
        vaes = [self._model(name) for name in self.params.model or []]
        dims = [vae.architecture.latent_dim for vae in vaes]
        if len(set(dims)) < len(dims):
            raise Conflict(f"the models have the latent dimensions {dims}; name one of each")
        for vae in vaes:
            self.keep_vae(vae)
        return dims

    def projections(self, latent_dims: Sequence[int]) -> dict[int, Projection]:
        """VAEs with the data set in their latent spaces, by latent dimension.

        Raises:
            NotFound: one is not kept.
        """
        known = self.loaded.projections
        for latent_dim in latent_dims:
            if latent_dim not in known:
                known[latent_dim] = self._projection(latent_dim)
        return {latent_dim: known[latent_dim] for latent_dim in latent_dims}

    def cells(self, unit: Unit) -> list[Cell]:
        """The cells of a unit that have been measured, as far as this release can read what another one has kept."""
        try:
            return _CELLS.validate_json(self.work.recall(_cells_file(unit)) or b"[]", extra="ignore")
        except ValueError as error:
            _log.warning("cells are measured anew, as those that were kept cannot be read: %s", error)
            return []

    def keep_cells(self, unit: Unit, cells: Sequence[Cell]) -> None:
        """Keep all cells of a unit that have been measured so far."""
        self.work.keep(_cells_file(unit), json.dumps([asdict(cell) for cell in cells]).encode())

    def _projection(self, latent_dim: int) -> Projection:
        kept = self.work.recall(_projection_file(latent_dim))
        if kept is None:
            raise NotFound(f"the VAE of latent_dim {latent_dim} is no longer kept; start the job again")
        latents = load_tensors(kept)
        where = device(self.work.settings)
        return Projection(Codec(self._vae(latent_dim), where), latents["train"], latents["test"])

    def _vae(self, latent_dim: int) -> Network:
        architecture, weights = (self.work.recall(file(latent_dim)) or b"" for file in (_architecture_file, _vae_file))
        return from_bytes(_ARCHITECTURE.validate_json(architecture), weights)

    def _model(self, name: str) -> Network:
        store = self.work.artefacts
        model = models.describe(store, name)
        if model.dataset_checksum != self.dataset.checksum:
            raise Conflict(
                f"model {name!r} was trained on other data than {self.dataset.name!r} holds, perhaps on its test "
                "images; give latent_dims instead, or a model trained on this data set"
            )
        return read_vae(store, model)


_CELLS = TypeAdapter(list[Cell])
_ARCHITECTURE = TypeAdapter(Architecture)


def design_of(params: EvaluateParams) -> Design:
    """What an evaluate job measures."""
    return Design.model_validate({name: getattr(params, name) for name in Design.model_fields})


def _architecture_file(latent_dim: int) -> str:
    return f"architecture-{latent_dim}.json"


def _vae_file(latent_dim: int) -> str:
    return f"vae-{latent_dim}.safetensors"


def _projection_file(latent_dim: int) -> str:
    return f"projection-{latent_dim}.safetensors"


def _cells_file(unit: Unit) -> str:
    return f"cells/{unit.name}.json"
