"""The batcher before a fake operation: what is joined, what is refused, and who is told."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from latentaug.augment.neighbours import Between, go_on
from latentaug.errors import DeadlineExceeded, InvalidInput, TooManyRequests, Unavailable
from service.model_server.batcher import Batcher, GivenUp

Gated = tuple[Batcher[str, Any], "Operation"]


class Operation:
    """Doubles numbers; holds each batch back while its gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[tuple[str, list[Any]]] = []

    def __call__(self, key: str, payloads: Sequence[Any], _: Between = go_on) -> list[Any]:
        self.batches.append((key, list(payloads)))
        self.entered.release()
        assert self.gate.wait(10)
        if "poison" in payloads:
            raise ValueError("poison")
        if "death" in payloads:
            raise SystemExit(1)
        return [InvalidInput("bad") if payload == "bad" else payload * 2 for payload in payloads]


@pytest.fixture
def gated() -> Iterator[Gated]:
    """A batcher whose thread is held inside its first batch until the gate opens."""
    operation = Operation()
    batcher = Batcher[str, Any](operation, max_batch=8, max_queue=20)
    batcher.start()
    batcher.submit("first", 0, 1)
    assert operation.entered.acquire(timeout=5)
    yield batcher, operation
    operation.gate.set()
    batcher.stop()


def results(futures: Sequence[Future[Any]]) -> list[Any]:
    return [future.result(timeout=5) for future in futures]


def test_an_idle_engine_starts_at_once() -> None:
    operation = Operation()
    operation.gate.set()
    batcher = Batcher[str, int](operation, max_batch=8, max_queue=8)
    batcher.start()
    started = time.monotonic()
    assert batcher.submit("a", 21, 1).result(timeout=5) == 42
    assert time.monotonic() - started < 0.5
    batcher.stop()


def test_what_waits_together_is_computed_together(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit("a", n, 1) for n in range(5)]
    operation.gate.set()
    assert results(futures) == [0, 2, 4, 6, 8]
    assert operation.batches[1:] == [("a", [0, 1, 2, 3, 4])]


def test_what_would_not_be_done_in_time_is_refused_when_it_comes(gated: Gated) -> None:
    batcher, operation = gated
    time.sleep(0.2)  # so a sample takes 0.2 s or more, as far as is known
    operation.gate.set()
    while batcher.busy:
        time.sleep(0.01)
    operation.gate.clear()
    held = batcher.submit("a", 1, 1, time.monotonic() + 0.1)  # nothing is before it, so it is taken
    assert operation.entered.acquire(timeout=5)
    now = time.monotonic()
    patient = batcher.submit("a", 2, 4, now + 3600)
    with pytest.raises(TooManyRequests, match="too many to finish within") as refusal:
        batcher.submit("a", 3, 4, now + 1)
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after >= 1
    assert batcher.queued == 4
    operation.gate.set()
    assert results([held, patient]) == [2, 4]


def test_only_like_requests_are_joined_and_the_oldest_goes_first(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit(key, n, 1) for n, key in enumerate("abab")]
    operation.gate.set()
    results(futures)
    assert operation.batches[1:] == [("a", [0, 2]), ("b", [1, 3])]


def test_a_busy_key_does_not_starve_another(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit("a", 1, 8), batcher.submit("b", 2, 1), batcher.submit("a", 3, 8)]
    operation.gate.set()
    results(futures)
    assert [key for key, _ in operation.batches[1:]] == ["a", "b", "a"]


def test_samples_are_counted_and_requests_never_split(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit("a", n, size) for n, size in enumerate([5, 3, 1, 7])]
    operation.gate.set()
    results(futures)
    assert [payloads for _, payloads in operation.batches[1:]] == [[0, 1], [2, 3]]


def test_a_request_over_the_limit_of_a_batch_goes_alone(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit("a", n, size) for n, size in enumerate([1, 15, 1])]
    operation.gate.set()
    results(futures)
    assert [payloads for _, payloads in operation.batches[1:]] == [[0], [1], [2]]


def test_a_full_queue_refuses_and_says_when_to_come_back(gated: Gated) -> None:
    batcher, operation = gated
    kept = [batcher.submit("a", n, 7) for n in (1, 2)] + [batcher.submit("a", 3, 5)]
    with pytest.raises(TooManyRequests, match="19 samples are waiting") as refused:
        batcher.submit("b", 4, 2)
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 60
    fits = batcher.submit("b", 5, 1)
    operation.gate.set()
    assert results([*kept, fits]) == [2, 4, 6, 10]
    assert batcher.queued == 0


def test_an_empty_queue_takes_a_request_of_any_size(gated: Gated) -> None:
    batcher, operation = gated
    future = batcher.submit("a", 1, 1000)
    operation.gate.set()
    assert future.result(timeout=5) == 2


def test_a_cancelled_request_frees_its_place_and_is_not_computed(gated: Gated) -> None:
    batcher, operation = gated
    gone = batcher.submit("a", 1, 20)
    assert gone.cancel()
    assert batcher.queued == 0
    stays = batcher.submit("a", 2, 20)
    operation.gate.set()
    assert stays.result(timeout=5) == 4
    assert operation.batches[1:] == [("a", [2])]


def test_an_answered_request_is_let_go_of_without_the_garbage_collector() -> None:
    class Key:
        """Stands for a model."""

    batcher = Batcher[Key, int](lambda _, payloads, __: list(payloads), max_batch=8, max_queue=8)
    batcher.start()
    key = Key()
    held = weakref.ref(key)
    gc.disable()
    try:
        assert batcher.submit(key, 1, 1).result(timeout=5) == 1
        del key
        assert eventually(lambda: held() is None)
    finally:
        gc.enable()
        batcher.stop()


def test_so_is_a_request_that_failed_or_was_given_up() -> None:
    class Images:
        """Stand for a body."""

    def fail(_: str, __: Sequence[Images], between: Between) -> Sequence[object]:
        time.sleep(0.02)
        between()
        raise InvalidInput("broken")

    batcher = Batcher[str, Images](fail, max_batch=8, max_queue=8)
    batcher.start()
    gc.disable()
    try:
        for deadline, error in ((math.inf, InvalidInput), (time.monotonic() + 0.01, DeadlineExceeded)):
            images = Images()
            held = weakref.ref(images)
            with pytest.raises(error):
                batcher.submit("a", images, 1, deadline).result(timeout=5)
            del images
            assert eventually(lambda held=held: held() is None)
    finally:
        gc.enable()
        batcher.stop()


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within a second."""
    end = time.monotonic() + 1
    while not true() and time.monotonic() < end:
        time.sleep(0.001)
    return true()


def test_an_expired_request_is_not_computed(gated: Gated) -> None:
    batcher, operation = gated
    late = batcher.submit("a", 1, 1, deadline=time.monotonic() + 0.01)
    timely = batcher.submit("a", 2, 1, deadline=time.monotonic() + 60)
    time.sleep(0.02)
    operation.gate.set()
    with pytest.raises(DeadlineExceeded):
        late.result(timeout=5)
    assert timely.result(timeout=5) == 4
    assert operation.batches[1:] == [("a", [2])]


def test_a_poison_request_fails_alone(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit("a", payload, 1) for payload in (1, "poison", 3)]
    operation.gate.set()
    assert results([futures[0], futures[2]]) == [2, 6]
    with pytest.raises(ValueError, match="poison"):
        futures[1].result(timeout=5)
    assert len(operation.batches) == 1 + 1 + 3
    assert batcher.submit("a", 5, 1).result(timeout=5) == 10


def test_one_bad_request_is_told_without_computing_the_others_twice(gated: Gated) -> None:
    batcher, operation = gated
    futures = [batcher.submit("a", payload, 1) for payload in (1, "bad")]
    operation.gate.set()
    assert futures[0].result(timeout=5) == 2
    with pytest.raises(InvalidInput):
        futures[1].result(timeout=5)
    assert len(operation.batches) == 2


def test_when_the_thread_dies_everyone_is_told() -> None:
    operation, deaths = Operation(), list[BaseException]()
    batcher = Batcher[str, Any](operation, max_batch=8, max_queue=20, on_death=deaths.append)
    batcher.start()
    futures = [batcher.submit("a", "death", 1), batcher.submit("b", 1, 1)]
    operation.gate.set()
    for future in futures:
        with pytest.raises(Unavailable):
            future.result(timeout=5)
    assert isinstance(deaths[0], SystemExit)
    assert not batcher.alive
    with pytest.raises(Unavailable):
        batcher.submit("a", 1, 1)


def test_stopping_finishes_the_batch_in_hand_and_fails_the_rest(gated: Gated) -> None:
    batcher, operation = gated
    waiting = batcher.submit("a", 1, 1)
    threading.Timer(0.05, operation.gate.set).start()
    batcher.stop()
    with pytest.raises(Unavailable):
        waiting.result(timeout=5)
    assert len(operation.batches) == 1


def test_every_answer_goes_to_its_own_request_under_load() -> None:
    seen: list[list[int]] = []
    batcher = Batcher[int, int](
        lambda key, payloads, _: [key * 10_000 + payload for payload in payloads],
        max_batch=16,
        max_queue=10**6,
        on_batch=lambda _key, sizes, _waited, _seconds: seen.append(list(sizes)),
    )
    batcher.start()
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda n: batcher.submit(n % 3, n, 1 + n % 7), range(2000)))
    assert results(futures) == [n % 3 * 10_000 + n for n in range(2000)]
    assert sum(map(len, seen)) == 2000
    assert all(sum(sizes) <= 16 for sizes in seen)
    batcher.stop()


def test_an_idle_batcher_uses_no_processor_time() -> None:
    batcher = Batcher[str, int](Operation(), max_batch=8, max_queue=8)
    batcher.start()
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.01
    batcher.stop()


class Long:
    """Computes one payload in pieces, each of which waits for its turn, and any other at once."""

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)
        self.pieces = 0
        self.done: list[Any] = []

    def __call__(self, key: str, payloads: Sequence[Any], between: Between) -> list[Any]:
        for _ in range(1000 if "long" in payloads else 1):
            between()
            if "long" in payloads:
                assert self.turns.acquire(timeout=10)
                self.pieces += 1
        self.done += payloads
        return list(payloads)


@pytest.fixture
def long() -> Iterator[tuple[Batcher[str, Any], Long, Future[Any]]]:
    """A batcher within the first piece of a request that is larger than a batch."""
    operation = Long()
    batcher = Batcher[str, Any](operation, max_batch=8, max_queue=20)
    batcher.start()
    future = batcher.submit("a", "long", 1000, time.monotonic() + 60)
    operation.turns.release()
    while operation.pieces < 1:
        time.sleep(0.01)
    yield batcher, operation, future
    operation.turns.release(2000)
    batcher.stop()


Pieces = tuple[Batcher[str, Any], Long, Future[Any]]


def test_requests_no_larger_than_a_batch_go_between_the_pieces_of_a_larger_one(long: Pieces) -> None:
    batcher, operation, future = long
    quick = [batcher.submit("a", n, 4) for n in range(3)]
    operation.turns.release()
    assert quick[0].result(timeout=5) == 0
    operation.turns.release(2)
    assert results(quick) == [0, 1, 2]
    assert not future.done()
    assert operation.done == [0, 1, 2]
    operation.turns.release(2000)
    assert future.result(timeout=5) == "long"


def test_a_larger_request_takes_no_place_and_no_time_from_smaller_ones(long: Pieces) -> None:
    batcher, operation, _ = long
    other = batcher.submit("a", "long", 1000)
    quick = batcher.submit("b", 1, 8, time.monotonic() + 5)
    assert other.cancel()
    operation.turns.release(2)
    assert quick.result(timeout=5) == 1


def test_two_larger_requests_never_run_at_once(long: Pieces) -> None:
    batcher, operation, future = long
    other = batcher.submit("b", 2, 1000)
    operation.turns.release(500)
    time.sleep(0.1)
    assert not other.done()
    operation.turns.release(2000)
    assert results([future, other]) == ["long", 2]


def test_work_whose_caller_has_left_ends_between_two_pieces(long: Pieces) -> None:
    batcher, operation, future = long
    assert not future.cancel(), "it is being computed"
    operation.turns.release(5)
    assert batcher.submit("b", 7, 1000).result(timeout=5) == 7
    assert isinstance(future.exception(timeout=5), GivenUp)
    assert operation.pieces < 5


def test_work_whose_time_is_over_ends_between_two_pieces() -> None:
    seen: list[int] = []

    def compute(key: str, payloads: Sequence[Any], between: Between) -> list[Any]:
        while payloads == ["endless"]:
            between()
            time.sleep(0.01)
        return list(payloads)

    batcher = Batcher[str, Any](compute, max_batch=8, max_queue=20, on_batch=lambda _, sizes, *__: seen.extend(sizes))
    batcher.start()
    for size in (1, 1000):
        late = batcher.submit("a", "endless", size, time.monotonic() + 0.1)
        with pytest.raises(DeadlineExceeded):
            late.result(timeout=5)
    assert batcher.submit("a", 1, 1).result(timeout=5) == 1
    assert seen == [1], "what was given up says nothing about the speed"
    batcher.stop()


def test_a_batch_goes_on_while_anyone_waits_for_it() -> None:
    queued, inside, left = threading.Event(), threading.Event(), threading.Event()

    def compute(key: str, payloads: Sequence[Any], between: Between) -> list[Any]:
        if payloads == ["first"]:
            assert queued.wait(5)
        else:
            inside.set()
            assert left.wait(5)
            between()
        return list(payloads)

    batcher = Batcher[str, Any](compute, max_batch=8, max_queue=20)
    batcher.start()
    batcher.submit("a", "first", 1)
    gone, stays = batcher.submit("a", 1, 1), batcher.submit("a", 2, 1)
    queued.set()
    assert inside.wait(5)
    assert not gone.cancel()
    left.set()
    assert results([gone, stays]) == [1, 2]
    batcher.stop()


def test_what_goes_in_between_may_kill_the_thread_and_everyone_is_told() -> None:
    inside = threading.Event()

    def compute(key: str, payloads: Sequence[Any], between: Between) -> list[Any]:
        if "death" in payloads:
            raise SystemExit(1)
        while True:
            inside.set()
            between()

    batcher = Batcher[str, Any](compute, max_batch=8, max_queue=20)
    batcher.start()
    outer = batcher.submit("a", "long", 1000)
    assert inside.wait(5)
    inner = batcher.submit("b", "death", 1)
    for future in (outer, inner):
        with pytest.raises(Unavailable):
            future.result(timeout=5)
    batcher.stop()
