"""What a job says where the store has a fault."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from latentaug import datasets
from latentaug.storage import models
from tests.worker.desk import Desk

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)


@contextmanager
def room_for(most: int) -> Iterator[None]:
    """Let this process write no file of more than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_job_says_which_data_set_is_damaged_and_what_to_do(desk: Desk) -> None:
    description = datasets.create(desk.artefacts, "cracked", IMAGES, None, 2**20)
    desk.artefacts.put(f"datasets/cracked/{description.version}/arrays.safetensors", b"not these")
    work = desk.start("train", {"dataset": "cracked"})

    desk.finish(work)

    error = desk.error(desk.jobs.get(work.record.id))
    assert error.code == "damaged"
    assert error.detail.startswith("the data set 'cracked' is damaged")
    assert error.detail.endswith("delete it and upload it again")


def test_without_room_a_training_fails_in_words_and_leaves_no_part_of_a_model(desk: Desk) -> None:
    datasets.create(desk.artefacts, "whole", IMAGES, None, 2**20)
    work = desk.start("train", {"dataset": "whole", "name": "mine", "latent_dim": 2, "epochs": 1})

    with room_for(500):
        desk.finish(work)
        assert desk.jobs.keep_ended() == 0, "its record does not fit either"

    ended = desk.jobs.get(work.record.id)
    assert (ended.status, desk.error(ended).code) == ("failed", "not_stored")
    assert "no room is left" in desk.error(ended).detail
    assert models.names(desk.artefacts) == []
    assert desk.artefacts.files(f"models/mine/{work.record.id}") == []
    assert desk.jobs.keep_ended() == 1, "once there is room it is written"
    assert desk.artefacts.exists(f"jobs/{work.record.id}/record.json")


def test_what_cannot_be_kept_for_a_later_attempt_stops_no_job(desk: Desk) -> None:
    work = desk.start("train", {"dataset": "digits"})
    work._kept -= 60

    with room_for(500):
        work.keep_now_and_then("checkpoint", lambda: bytes(1000))

    assert work.recall("checkpoint") is None
