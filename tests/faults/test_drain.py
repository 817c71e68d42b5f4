"""SIGTERM under load: what was begun is finished, and callers who try again notice nothing."""

from __future__ import annotations

import os
import signal
import threading
import time

import httpx
import numpy as np
import pytest
from latentaug_client import Client, LatentaugError
from latentaug_client.retries import Retries
from numpy.typing import NDArray

from bench.chaos.asks import Answer, send
from bench.chaos.parts import Part
from bench.chaos.work import PAPER
from tests.faults.conftest import Ground
from tests.waiting import within

CALLERS = 8
ON_ITS_WAY = 0.1
"""Seconds before the signal by which a request must have been sent to have been begun for certain."""
HEAL = 60.0
PARTS: tuple[Part, ...] = ("API", "stack")


class Watched:
    """Requests that are sent one after the other, each with when it was sent and what came."""

    def __init__(self, url: str, ground: Ground) -> None:
        self.sent: list[tuple[float, Answer, bytes]] = []
        self._asks = list(ground.stage.right.items())
        self._url = url
        self.over = threading.Event()

    def ask(self, first: int) -> None:
        number = first
        with httpx.Client(base_url=self._url) as client:
            while not self.over.is_set():
                ask, right = self._asks[number % len(self._asks)]
                began = time.monotonic()
                self.sent.append((began, send(client, ask), right))
                number += 1


@pytest.mark.parametrize("part", PARTS)
def test_every_request_that_was_begun_is_answered(ground: Ground, part: Part) -> None:
    stack = ground.stage.stack
    assert within(HEAL, stack.ready)
    watched = Watched(stack.url, ground)
    callers = [threading.Thread(target=watched.ask, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(ground.rng.uniform(1.5, 3))
    told = time.monotonic()
    os.kill(stack.parts()[part][0], signal.SIGTERM)
    time.sleep(ON_ITS_WAY)
    watched.over.set()
    for caller in callers:
        caller.join()

    begun = [(answer, right) for began, answer, right in watched.sent if began < told - ON_ITS_WAY]
    assert len(begun) >= CALLERS
    assert [answer.status for answer, _ in begun] == [200] * len(begun)
    assert all(answer.body == right for answer, right in begun)
    assert within(HEAL, stack.ready)


def test_a_client_that_tries_again_sees_no_failure_while_the_api_is_replaced(ground: Ground) -> None:
    stack = ground.stage.stack
    assert within(HEAL, stack.ready)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    answers, failures = list[NDArray[np.float32]](), list[LatentaugError]()
    over = threading.Event()

    def ask() -> None:
        with Client(stack.url, retries=Retries(attempts=10)) as client:
            while not over.is_set():
                try:
                    answers.append(client.encode(images, model=PAPER).latents)
                except LatentaugError as error:
                    failures.append(error)

    callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(1)
    old = stack.parts()["API"][0]
    os.kill(old, signal.SIGTERM)
    replaced = within(HEAL, lambda: old not in stack.parts()["API"] and stack.ready())
    time.sleep(1)
    over.set()
    for caller in callers:
        caller.join()

    assert replaced
    assert failures == []
    assert all(np.array_equal(answer, answers[0]) for answer in answers)
