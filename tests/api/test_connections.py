"""Which connection gives way where there are too many."""

from __future__ import annotations

from service.api.http.connections import ROOM, Connections

MOST = 3


class Connection:
    """Notes whether it gave way."""

    gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


def opened(among: Connections, count: int) -> list[Connection]:
    made = [Connection() for _ in range(count)]
    for connection in made:
        among.opened(connection)
    return made


def test_the_connection_that_has_been_idle_for_longest_gives_way() -> None:
    among = Connections(MOST)
    first, second, *_ = opened(among, MOST + ROOM)
    assert among.asked(first, for_health=False)
    among.answered(first)  # so the second has been idle for longer

    opened(among, 1)

    assert (first.gave_way, second.gave_way) == (False, True)


def test_a_connection_with_a_request_never_gives_way() -> None:
    among = Connections(MOST)
    working = opened(among, MOST)
    assert all(among.asked(each, for_health=False) for each in working)

    idle = opened(among, 3 * ROOM)

    assert not any(each.gave_way for each in working)
    assert [each.gave_way for each in idle] == [True] * 2 * ROOM + [False] * ROOM


def test_beyond_the_most_requests_only_those_after_health_have_a_place() -> None:
    among = Connections(MOST)
    *working, late, probe = opened(among, MOST + 2)
    assert all(among.asked(each, for_health=False) for each in working)

    assert among.asked(probe, for_health=True)
    assert not among.asked(late, for_health=False)
    among.answered(probe)
    among.closed(working[0])
    assert among.asked(late, for_health=False)


def test_where_even_the_room_is_taken_the_newcomer_goes() -> None:
    among = Connections(MOST)
    for each in opened(among, MOST + ROOM):
        assert among.asked(each, for_health=True)

    (newcomer,) = opened(among, 1)

    assert newcomer.gave_way
