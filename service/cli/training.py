"""A data set's own model, trained where the service has none."""

from __future__ import annotations

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
        typed = " and ".join(f"--{option.replace('_', '-')}" for option in options)
        raise ValueError(
            f"these images have the model {name} already, so {typed} would change nothing; leave that out, or delete "
            f"the model first: latentaug delete {name}"
        )
    return name
