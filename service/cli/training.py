"""A data set's own model, trained where the service has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentaug_client import Client, NotFound
from latentaug_client.jobs import LIVING

from latentaug.imaging.phrases import counted
from service.cli import names
from service.cli.progress import console, show


def own_model(client: Client, dataset: str, **options: Any) -> str:
    """The name of this data set's own model, trained as `options` say; which one it is, is said where it is there.

    An earlier command's training that still goes on is waited for.

    Args:
        client: of the service.
        dataset: name of the data set.
        options: how to train it. Each way to train has a model of its own.
    """
    name = names.model_name(dataset, **options)
    try:
        console.print(_reused(client.model(name)), highlight=False, markup=False, soft_wrap=True)
    except NotFound:
        going_on = [
            job for job in client.jobs("train") if job.status in LIVING and job.record["params"]["name"] == name
        ]
        show(going_on[0] if going_on else client.train(dataset, name=name, **options), first=True)
    return name


def _reused(model: Mapping[str, Any]) -> str:
    """Which model is used without being trained, how long it was trained, and how to train another."""
    name, passes, most = model["name"], len(model["curve"]), model["training"].get("epochs")
    limit = f" of at most {most:,}" if most and most > passes else ""
    return (
        f"Using the model {name}, which was trained on these images before, for {counted(passes, 'epoch')}{limit}. To "
        f"train it anew, delete it first: latentaug delete {name}"
    )


def chosen_model(client: Client, dataset: str, model: str | None, **options: Any) -> str:
    """The model that is named, or else the data set's own, trained as `options` say."""
    return own_model(client, dataset, **options) if model is None else model


def check_there(client: Client, model: str | None) -> None:
    """Refuse the name of a model that is not there, before anything is uploaded.

    Raises:
        ValueError: such a name.
    """
    if model is not None:
        names.description(client, model)


def check_free(client: Client, name: str | None) -> None:
    """Refuse a name for a new model that another has, before anything is uploaded and any job is started.

    Raises:
        ValueError: such a name.
    """
    if name is not None and name in [model["name"] for model in (*client.models(), *client.damaged("models"))]:
        raise ValueError(
            f"there is a model named {name} already; give another name with --name, or delete that one: latentaug "
            f"delete {name}"
        )


def check_labels(client: Client, dataset: str, *, labelled: int | None = None, to_spread: bool = False) -> None:
    """Refuse a data set with too few labels, or without images to spread them over, before a model is trained.

    Args:
        client: of the service.
        dataset: name of the data set.
        labelled: how many labelled images are asked for, or None.
        to_spread: whether labels are to be spread over images without one.

    Raises:
        ValueError: such a data set.
    """
    described = client.dataset(dataset)
    if not described["labelled"]:
        raise ValueError(f"no image of {dataset} has a label; put some images of each class into a folder of its own")
    least, most = len(described["classes"]), described["labelled_parts"]["train"]
    if labelled is not None and not least <= labelled <= most:
        raise ValueError(
            f"--labelled is {least} to {most} here, from one image of each class to all labelled images of the part to "
            f"train on, and not {labelled}"
        )
    if to_spread and not described["unlabelled"]:
        raise ValueError(
            f"every image of {dataset} has a label already; put images without one into a folder named unlabelled, or "
            "name their folder with --unlabelled"
        )


def check_untrained(model: str | None, **options: Any) -> None:
    """Refuse to be told how to train a model beside the name of one that is trained already.

    Raises:
        ValueError: both are given.
    """
    if model is not None and options:
        raise ValueError(f"{_typed(options)} says how a model is trained, and --model names one that is; leave one out")


def _typed(options: Mapping[str, Any]) -> str:
    return " and ".join(f"--{option.replace('_', '-')}" for option in options)
