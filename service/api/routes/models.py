"""The trained models."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from pydantic import BaseModel
from starlette.responses import Response

from latentaug.datasets import label_names
from latentaug.errors import Damaged, InvalidInput, LatentaugError, Newer, NotFound
from latentaug.latent_map.pca import principal_plane, sample
from latentaug.options import NAME
from latentaug.storage import models
from latentaug.storage.models import ModelDescription, ProjectedDataset
from latentaug.storage.objects import ArtefactStore
from service.api.access import AnyKey, MayAdminister
from service.api.context import FromContext
from service.api.http import contract
from service.api.http.options import DamagedName, NoOptions, Once, Projection, ProjectionOptions
from service.api.http.request_log import logger
from service.api.own import FromOwn

router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelList(BaseModel):
    """All models, by name."""

    models: list[ModelDescription]
    damaged: list[DamagedName]


@router.get("", dependencies=[AnyKey, NoOptions], responses=contract.problems(503))
async def list_models(own: FromOwn) -> ModelList:
    """List all models, by name; those whose description cannot be read stand in `damaged`, each with what to do."""
    return await to_thread.run_sync(_all, own.store)


@router.get("/{model}", dependencies=[AnyKey], responses=contract.problems(404, 409, 503))
async def describe_model(model: str, own: FromOwn) -> ModelDescription:
    """Describe one model: its shape, data set, sigma, training curve, checksums, and the job that made it."""
    return await own.model(model)


@router.get("/{model}/projection", dependencies=[AnyKey, Once], responses=contract.problems(404, 409, 503))
async def project_model(
    model: str,
    options: Annotated[ProjectionOptions, Query()],
    context: FromContext,
    own: FromOwn,
) -> Projection:
    """Show the images that a model was trained on as points on a plane, by principal components (PCA) or by UMAP."""
    description = await own.model(model)
    project = _project if options.method == "pca" else _project_by_umap
    return await context.on_pixels(lambda: project(own.store, description, options.limit))


@router.delete(
    "/{model}",
    status_code=204,
    response_class=Response,
    dependencies=[MayAdminister],
    responses=contract.problems(404, 409, 503, 507),
)
async def delete_model(model: str, context: FromContext, own: FromOwn) -> Response:
    """Delete a model that no unfinished job uses; its name is free at once."""
    own.forget(model)
    await to_thread.run_sync(_check_exists, own.store, model)
    path, delete = own.path(f"models/{model}"), partial(models.delete, own.store, model)
    await context.on_jobs(lambda: context.jobs.delete_unused(path, delete))
    own.forget(model)
    try:
        await context.model_servers.unload(own.qualified(model))
    except LatentaugError as error:
        # A model server that does not answer has nothing loaded, or drops it when asked for the next version.
        logger.warning("a model server could not be told that a model was deleted: %s", error.detail)
    return Response(status_code=204)


def _project(store: ArtefactStore, description: ModelDescription, limit: int) -> Projection:
    projected = models.read_projected(store, description)
    plane = principal_plane(projected.latents)
    shown = np.sort(sample(len(projected.latents), limit))
    return Projection(
        points=plane.project(projected.latents[shown]).round(4).tolist(),
        rows=projected.rows[shown].tolist(),
        labels=_labels(projected, description, shown),
        mean=plane.mean.tolist(),
        components=plane.components.tolist(),
        explained=plane.explained.tolist(),
    )


def _project_by_umap(store: ArtefactStore, description: ModelDescription, limit: int) -> Projection:
    places = models.read_places(store, description)
    if places is None:
        raise InvalidInput(
            f"the model {description.name!r} has no UMAP; train a model where umap-learn is installed "
            "(pip install 'latentaug[umap]'), or use method=pca",
            fields=[("method", "this model has no UMAP")],
        )
    projected = models.read_projected(store, description)
    shown = sample(len(projected.latents), min(limit, len(places)))
    return Projection(
        points=places[: len(shown)].round(4).tolist(),
        rows=projected.rows[shown].tolist(),
        labels=_labels(projected, description, shown),
        latents=projected.latents[shown].round(4).tolist(),
    )


def _labels(
    projected: ProjectedDataset, description: ModelDescription, shown: NDArray[np.int64]
) -> list[str | None] | None:
    return None if projected.labels is None else label_names(projected.labels[shown], description.classes)


def _check_exists(store: ArtefactStore, name: str) -> None:
    """Refuse a name that no model has; a damaged one can still be deleted."""
    if not NAME.fullmatch(name):
        raise NotFound.named("models", name)
    models.check_exists(store, name)


def _all(store: ArtefactStore) -> ModelList:
    found = ModelList(models=[], damaged=[])
    for name in models.names(store):
        try:
            found.models.append(models.describe(store, name))
        except NotFound:  # deleted since it was listed
            continue
        except (Damaged, Newer) as error:
            found.damaged.append(DamagedName(name=name, detail=error.detail))
    return found
