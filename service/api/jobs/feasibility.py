"""Whether a job can work at all, told from descriptions alone: what never can is refused before it waits in a queue."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import urlsplit

from latentaug import addresses
from latentaug.augment.counts import check_job, most_of_a_job
from latentaug.augment.labelling import check_size
from latentaug.datasets import DatasetDescription
from latentaug.errors import Conflict, InvalidInput, TooFewImages, TooLarge
from latentaug.options import AugmentParams, EvaluateParams, LabelParams, Recipe, RecommendParams
from latentaug.runtime.jobs import JobRecord
from latentaug.runtime.settings import PREFIX, Settings
from latentaug.storage.models import ModelDescription


def check_webhook(url: str | None, settings: Settings) -> None:
    """Refuse a webhook that would never be sent. Where a name leads is looked up only when it is sent.

    Raises:
        InvalidInput: the service signs no webhooks, or the address is not public and not allowed.
    """
    if url is None:
        return
    if settings.webhook_secret is None:
        message = (
            f"this service sends no webhooks; whoever runs it can set {PREFIX}WEBHOOK_SECRET, or leave webhook out"
        )
        raise InvalidInput(message, fields=[("webhook", message)])
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:  # another name
        return
    allowed = addresses.networks(settings.webhook_networks or "")
    if not addresses.may_reach(address, allowed):
        message = (
            f"{host} is not a public address; give one that is, or have whoever runs the service allow this one with "
            f"{PREFIX}WEBHOOK_NETWORKS"
        )
        raise InvalidInput(message, fields=[("webhook", message)])


def check_train(dataset: DatasetDescription) -> None:
    """Refuse to train on next to nothing.

    Raises:
        TooFewImages: fewer than two training images.
    """
    if dataset.parts["train"] < 2:
        message = f"{dataset.name!r} has {dataset.parts['train']} training images; training takes at least 2, add some"
        raise TooFewImages(message, fields=[("dataset", message)])


def check_evaluate(params: EvaluateParams, dataset: DatasetDescription, described: Sequence[ModelDescription]) -> None:
    """Refuse an evaluation that cannot be drawn, or whose models are of other data or of one latent dimension.

    Raises:
        InvalidInput: a data set without labels, or two models of one latent dimension.
        TooFewImages: fewer labelled images than classes, more than the training part has, or none to test on.
        Conflict: a model that was trained on another data set.
    """
    if not dataset.classes:
        message = f"{dataset.name!r} has no labels to measure accuracy by; upload it with labels"
        raise InvalidInput(message, fields=[("dataset", message)])
    if not dataset.parts["test"]:
        message = (
            f"{dataset.name!r} has one labelled image of each class and so none to test on; label some more images"
        )
        raise TooFewImages(message, fields=[("dataset", message)])
    least, most = len(dataset.classes), dataset.labelled_parts["train"]
    if params.labelled is not None and not least <= params.labelled <= most:
        whole = "all labelled images of the training part" if dataset.unlabelled else "the whole training part"
        message = f"labelled is {params.labelled}; with {least} classes use {least} to {most}, {whole}"
        raise TooFewImages(message, fields=[("labelled", message)])
    if not described:
        check_train(dataset)
    for model in described:
        if model.dataset != dataset.name:
            raise Conflict(
                f"model {model.name!r} was trained on {model.dataset!r}, not on {dataset.name!r}: its VAE may have "
                "seen the test images; name a model of this data set, or none to train one"
            )
        _check_shape(dataset, model)
    dims = [model.latent_dim for model in described]
    if len(set(dims)) < len(dims):
        message = f"the models have the latent dimensions {dims}; name one of each"
        raise InvalidInput(message, fields=[("model", message)])


def check_beside(other: JobRecord, dataset: DatasetDescription) -> None:
    """Refuse to draw an evaluation beside a job that is none of its data set, or has no result.

    Raises:
        Conflict: such a job.
    """
    if (other.kind, other.status) != ("evaluate", "succeeded"):
        raise Conflict(f"job {other.id} in beside is no finished evaluation; name another, or wait for it")
    if other.params["dataset"] != dataset.name:
        raise Conflict(
            f"job {other.id} in beside evaluated {other.params['dataset']!r}; name evaluations of {dataset.name!r}"
        )


def check_augment(params: AugmentParams, dataset: DatasetDescription, model: ModelDescription, most_bytes: int) -> None:
    """Refuse to augment images that the model does not take, by more neighbours than there are, or into too many.

    Grey and colour are converted, as in a request.

    Raises:
        Conflict: a model for images of another size.
        TooFewImages: a class that cannot have k neighbours among the images that are taken, or among all where it is
            not known how many are to train on.
        TooLarge: more new images than fit into a file of `most_bytes`.
    """
    if (dataset.height, dataset.width) != (model.height, model.width):
        _refuse_shape(dataset, model)
    sources = dataset.images if params.whole else dataset.parts["train"]
    shape = (model.height, model.width, model.channels)
    check_job(_at_least(params, dataset, sources), max(1, sources), shape, most_bytes)
    if params.method == "noise":
        return
    alone = dataset.train_counts if not params.whole else None
    known = dict(zip(dataset.classes, alone or dataset.class_counts or (), strict=False))  # empty where not known
    sizes = known if dataset.classes else {"": sources}
    name, size = min(sizes.items(), key=lambda item: item[1], default=("", params.k + 1))
    if size <= params.k:
        images = "image" if size == 1 else "images"
        labelled = f"labelled {images}" if dataset.unlabelled else images
        part = "image" if params.whole else "training image"
        are = f"there is {size} {part}" if size == 1 else f"there are {size} {part}s"
        among = "to train on" if alone else "in all"
        where = f"class {name!r} has {size} {labelled} {among}" if name else are
        advice = f"use k up to {size - 1}, add images" if size > 1 else "add images"
        sought = "1 neighbour" if params.k == 1 else f"{params.k} neighbours"
        message = f"{where}, too few to find {sought} among; {advice}, or use noise, which needs none"
        raise TooFewImages(message, fields=[("k", message)])


def check_label(params: LabelParams, dataset: DatasetDescription, model: ModelDescription) -> None:
    """Refuse to spread labels where there are none, or nothing to spread them over.

    Raises:
        InvalidInput: a data set without labels, or without unlabelled images.
        TooLarge: more images times classes than labels are spread over.
        Conflict: a model for images of another shape.
    """
    _check_shape(dataset, model)
    labelled = dataset.labelled if params.whole else dataset.labelled_parts["train"]
    images = dataset.images if params.whole else dataset.parts["train"]
    if not labelled:
        message = f"{dataset.name!r} has no label to spread; upload it with at least one labelled image of each class"
        raise InvalidInput(message, fields=[("dataset", message)])
    if labelled == images:
        message = (
            f"every {'image' if params.whole else 'training image'} of {dataset.name!r} has a label already; upload it "
            "together with unlabelled images, in a folder named unlabelled or with the label -1"
        )
        raise InvalidInput(message, fields=[("dataset", message)])
    check_size(images, len(dataset.classes))


def check_recommend(params: RecommendParams, dataset: DatasetDescription, model: ModelDescription | None) -> None:
    """Refuse a recommendation that has nothing to learn from, or whose model is of other data.

    Raises:
        InvalidInput: a data set without labels.
        TooFewImages: fewer labelled images than classes, or more than the training part has.
        Conflict: a model that was trained on another data set.
    """
    most = dataset.labelled_parts["train"]
    if not most:
        message = f"{dataset.name!r} has no labels to spread or to judge by; upload it with labels for some images"
        raise InvalidInput(message, fields=[("dataset", message)])
    least = len(dataset.classes)
    if params.labelled is not None and not least <= params.labelled <= most:
        message = f"labelled is {params.labelled}; with {least} classes use {least} to {most}, all labelled ones"
        raise TooFewImages(message, fields=[("labelled", message)])
    if model is not None:
        if model.dataset != dataset.name:
            raise Conflict(
                f"model {model.name!r} was trained on {model.dataset!r}, not on {dataset.name!r}: its VAE may have "
                "seen the test images; name a model of this data set, or none"
            )
        _check_shape(dataset, model)


def recipe_of(recommend: JobRecord) -> Recipe:
    """The recipe that a recommend job found.

    Raises:
        Conflict: a job of another kind, or one that has not succeeded.
    """
    if (recommend.kind, recommend.status) != ("recommend", "succeeded") or recommend.result is None:
        raise Conflict(
            f"job {recommend.id} in recipe is no recommend job that has succeeded; wait for it, or give a recipe"
        )
    return Recipe.model_validate(recommend.result["recipe"])


def check_recipe(
    params: AugmentParams, recipe: Recipe, dataset: DatasetDescription, model: ModelDescription | None, most_bytes: int
) -> None:
    """Refuse a recipe that this data set cannot have.

    Raises:
        InvalidInput: a data set without labels.
        Conflict: a model for images of another shape.
        TooLarge: more images than fit into a file of `most_bytes`, even if no image were newly labelled.
    """
    if not dataset.classes:
        message = f"{dataset.name!r} has no labels, so a recipe has nothing to start from; upload it with labels"
        raise InvalidInput(message, fields=[("dataset", message)])
    if model is not None:
        _check_shape(dataset, model)
    labelled = dataset.labelled if params.whole else dataset.labelled_parts["train"]
    shape = (dataset.height, dataset.width, dataset.channels)
    wanted, most = labelled * recipe.growth, most_of_a_job(shape, most_bytes)
    if wanted > most:
        raise TooLarge(
            f"this recipe makes at least {wanted} images, and one job makes at most {most} of this size; give fewer "
            "copies"
        )


def _at_least(params: AugmentParams, dataset: DatasetDescription, sources: int) -> int:
    """How many new images a job makes at least, as far as that is known without the labels."""
    counts = dataset.class_counts or []
    if params.per_class is not None:
        return params.per_class * sum(count > 0 for count in counts)
    if params.balance is not None:
        return sum(max(0, int(params.balance) - count) for count in counts) if params.balance.isdecimal() else 0
    return sources * (params.per_image or params.children)


def _check_shape(dataset: DatasetDescription, model: ModelDescription) -> None:
    if (dataset.height, dataset.width, dataset.channels) != (model.height, model.width, model.channels):
        _refuse_shape(dataset, model)


def _refuse_shape(dataset: DatasetDescription, model: ModelDescription) -> NoReturn:
    images = [dataset.height, dataset.width, dataset.channels]
    taken = [model.height, model.width, model.channels]
    raise Conflict(
        f"{dataset.name!r} has images of {images} (height, width, channels), model {model.name!r} takes {taken}; "
        "choose a model that was trained on images of this shape"
    )
