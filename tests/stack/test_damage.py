"""A log of the embedded Valkey that was cut short or damaged is repaired, and what was lost is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from service.stack.valkey import EmbeddedRedis

Damage = Callable[[bytes], bytes]


def write(home: Path, **values: str) -> None:
    with EmbeddedRedis(home) as url, Redis.from_url(url) as redis:
        for name, value in values.items():
            redis.set(name, value)


def log(home: Path, kind: str) -> Path:
    """The file of the log that holds its beginning, `base`, or what was written since, `incr`."""
    return next((home / "redis" / "appendonlydir").glob(f"*.{kind}.*"))


def kept(home: Path) -> list[Path]:
    return list((home / "redis").glob("appendonlydir-damaged-*"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda log: log[:-5],
        lambda log: log[:-1],
        lambda log: log + bytes(4096),
        lambda log: log[:-20] + b"\xff" * 20,
    ],
    ids=["cut in a value", "cut in its last byte", "zeros after it, as after a power cut", "other bytes at its end"],
)
def test_what_was_written_before_the_damage_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Damage
) -> None:
    write(tmp_path, first="1", second="2")
    file = log(tmp_path, "incr")
    before = file.read_bytes()
    file.write_bytes(damage(before))

    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.get("first") == b"1"
        assert redis.set("third", "3")

    assert "bytes were cut off" in caplog.text
    assert "submit again what is missing" in caplog.text
    (copy,) = kept(tmp_path)
    assert (copy / file.name).read_bytes() == damage(before), "nothing is thrown away"
    write(tmp_path, fourth="4")
    assert len(kept(tmp_path)) == 1, "it is sound now"


def test_a_transaction_that_was_cut_is_taken_off_whole(tmp_path: Path) -> None:
    write(tmp_path, first="1")
    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        pipeline = redis.pipeline(transaction=True)
        pipeline.set("half", "a").set("other half", "b").execute()
    file = log(tmp_path, "incr")
    file.write_bytes(file.read_bytes()[:-30])

    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.get("first") == b"1"
        assert not redis.exists("half")


def test_a_log_of_which_nothing_can_be_used_begins_again_and_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, first="1")
    file = log(tmp_path, "base")
    file.write_bytes(b"nothing of this is a beginning")

    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.dbsize() == 0

    assert "it begins empty" in caplog.text
    assert "submit them again" in caplog.text
    (copy,) = kept(tmp_path)
    assert (copy / file.name).read_bytes() == b"nothing of this is a beginning"


def test_a_sound_log_is_left_alone_however_often_the_server_is_started(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, **{f"number-{number}": "x"})
    assert kept(tmp_path) == []
    with EmbeddedRedis(tmp_path) as url, Redis.from_url(url) as redis:
        assert redis.dbsize() == 3
