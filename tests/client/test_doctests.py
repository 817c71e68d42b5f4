"""The examples in the client's docstrings are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import latentaug_client
import numpy as np
import pytest
from latentaug_client import sampler


@pytest.mark.parametrize("module", [latentaug_client, sampler], ids=lambda module: module.__name__)
def test_the_examples_are_true(module: ModuleType, url: str) -> None:
    found = doctest.testmod(module, extraglobs={"url": url, "np": np})
    assert found.attempted
    assert not found.failed
