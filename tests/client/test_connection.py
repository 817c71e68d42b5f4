"""One client in several processes, and what cannot be a URL or a key."""

from __future__ import annotations

import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest
from latentaug_client import Client, JobFailed, NotFound

from tests.client.conftest import MODEL


def _ink(client: Client, images: np.ndarray) -> int:
    return int(client.augment(images, model=MODEL, method="noise", seed=1).images.sum())


def test_children_of_a_process_may_use_its_client(client: Client, images: np.ndarray) -> None:
    here = _ink(client, images)  # so that it has an open connection, which no child may read from
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.starmap(_ink, [(client, images)] * 8) == [here] * 8
    processes = [multiprocessing.get_context("fork").Process(target=_ink, args=(client, images)) for _ in range(4)]
    for process in processes:
        process.start()
    assert _ink(client, images) == here
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def test_clients_jobs_and_errors_can_be_pickled(client: Client) -> None:
    copy = pickle.loads(pickle.dumps(client))
    assert [model["name"] for model in copy.models()] == [model["name"] for model in client.models()]
    copy.close()
    with pytest.raises(NotFound) as missing:
        client.model("nobody")
    assert str(pickle.loads(pickle.dumps(missing.value))) == str(missing.value)
    failed = JobFailed({"kind": "train", "id": "0", "status": "cancelled"})
    assert str(pickle.loads(pickle.dumps(failed))) == str(failed) == "the train job 0 cancelled"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost", "", "http://", "ftp://host", None])
def test_a_url_says_how_to_reach_the_service(url: Any) -> None:
    with pytest.raises(ValueError, match=r"give one such as http://127\.0\.0\.1:8000"):
        Client(url)


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "a\rb"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="give the key alone") as refused:
        Client("http://127.0.0.1:8000", key)
    assert key not in str(refused.value)


def test_a_key_that_was_read_from_a_file_ends_in_a_line_break(url: str) -> None:
    with Client(url, "key\n") as client:
        client.models()


@pytest.mark.parametrize("model", ["", None])
def test_a_model_must_be_named(client: Client, images: np.ndarray, model: str) -> None:
    with pytest.raises(ValueError, match="name a model"):
        client.augment(images, model=model)
