"""The examples in the client's docstrings are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import latentaug_client
import numpy as np
import pytest
from latentaug_client import Client, async_client, sampler
from latentaug_client import client as waiting_client
from latentaug_client.payloads import read_labelled


@pytest.mark.parametrize(
    "module", [latentaug_client, waiting_client, async_client, sampler], ids=lambda module: module.__name__
)
def test_the_examples_are_true(
    module: ModuleType, url: str, client: Client, images: np.ndarray, labels: np.ndarray
) -> None:
    given = {"url": url, "client": client, "images": images, "labels": labels, "np": np, "read_labelled": read_labelled}
    found = doctest.testmod(module, extraglobs=given)
    assert found.attempted
    assert not found.failed
