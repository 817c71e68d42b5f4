"""A data set's own model, trained where the service has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentaug_client import Client, NotFound
from latentaug_client.jobs import LIVING

from service.cli import names
from service.cli.progress import show


def own_model(client: Client, dataset: str, **options: Any) -> str:
    """The name of this data set's own model. An earlier command's training that still goes on is waited for.

    Args:
        client: of the service.
        dataset: name of the data set.
        options: how to train it.

    Raises:
        ValueError: there are options, but the model is there already.
    """
    name = names.model_name(dataset)
    try:
        client.model(name)
    except NotFound:
        going_on = [
            job for job in client.jobs("train") if job.status in LIVING and job.record["params"]["name"] == name
        ]
        show(going_on[0] if going_on else client.train(dataset, name=name, **options))
        return name
    if options:
        raise ValueError(
            f"these images have the model {name} already, so {_typed(options)} would change nothing; leave that out, "
            f"or delete the model first: latentaug delete {name}"
        )
    return name


def chosen_model(client: Client, dataset: str, model: str | None, **options: Any) -> str:
    """The model that is named, which must be there, or else the data set's own, trained as `options` say."""
    if model is None:
        return own_model(client, dataset, **options)
    return str(names.description(client, model)["name"])


def check_labels(client: Client, dataset: str, *, to_spread: bool = False) -> None:
    """Refuse a data set without labels, or also one without images to spread them over, before a model is trained.

    Raises:
        ValueError: such a data set.
    """
    described = client.dataset(dataset)
    if not described["labelled"]:
        raise ValueError(f"no image of {dataset} has a label; put some images of each class into a folder of its own")
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
