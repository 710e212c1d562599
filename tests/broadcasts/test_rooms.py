"""The plan of rooms, as properties."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from broadcasts.rooms import plan

people = st.lists(st.integers(1, 60), unique=True, max_size=40)
sizes = st.integers(1, 12)


@given(people, sizes)
def test_new_rooms_are_as_few_and_as_equal_as_can_be(wanted: list[int], size: int) -> None:
    filled = Counter(plan({}, wanted, size=size).values())
    assert sum(filled.values()) == len(wanted)
    assert len(filled) == -(-len(wanted) // size)
    assert max(filled.values(), default=0) <= size
    assert max(filled.values(), default=0) - min(filled.values(), default=0) <= 1


@given(st.lists(people, min_size=1, max_size=6), sizes)
def test_through_every_change_of_the_roster_nobody_moves_and_no_room_is_too_full(
    rosters: list[list[int]], size: int
) -> None:
    seats: dict[int, int] = {}
    rooms = 0
    for wanted in rosters:
        before = seats
        seats = plan(before, wanted, size=size, rooms=rooms)
        rooms = max(rooms, max(seats.values(), default=-1) + 1)
        assert seats.keys() == set(wanted)
        assert all(seats[member] == before[member] for member in wanted if member in before)
        assert max(Counter(seats.values()).values(), default=0) <= size


@given(people, people, sizes)
def test_a_room_is_opened_only_when_all_are_full(first: list[int], then: list[int], size: int) -> None:
    seats = plan({}, first, size=size)
    rooms = max(seats.values(), default=-1) + 1
    grown = plan(seats, [*first, *(member + 100 for member in then)], size=size, rooms=rooms)
    opened = max(grown.values(), default=-1) + 1
    if rooms and opened > rooms:
        assert opened == -(-len(grown) // size)


@given(people, sizes, sizes)
def test_a_lowered_limit_moves_only_those_who_do_not_fit(wanted: list[int], size: int, lower: int) -> None:
    before = plan({}, wanted, size=size)
    after = plan(before, wanted, size=lower)
    assert after.keys() == before.keys()
    assert max(Counter(after.values()).values(), default=0) <= lower
    kept = Counter(room for member, room in after.items() if before[member] == room)
    assert all(kept[room] >= min(count, lower) for room, count in Counter(before.values()).items())


def test_a_newcomer_takes_the_emptiest_room() -> None:
    assert plan({1: 0, 2: 0, 3: 1}, [1, 2, 3, 4], size=3)[4] == 1


def test_neighbours_on_the_list_share_a_room() -> None:
    assert plan({}, [1, 2, 3, 4], size=2) == {1: 0, 2: 0, 3: 1, 4: 1}
