"""Who sits in which room: a pure plan.

An audience that is larger than a room gets as many rooms as it needs, and gets the same ones next time: whoever has a
seat keeps it, newcomers take the emptiest room, and a room is opened only when all are full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil


def plan(seated: Mapping[int, int], wanted: Sequence[int], *, size: int, rooms: int = 0) -> dict[int, int]:
    """The room, numbered from 0, of every member in `wanted`.

    `seated` says who sits where now, `rooms` how many rooms there are (also empty ones). Those who are no longer
    wanted lose their seat. Rooms that are made anew are balanced: their sizes differ by at most one, and members that
    stand side by side in `wanted` share a room. No room ever has more than `size` members.
    """
    rooms = max(rooms, max(seated.values(), default=-1) + 1)
    if rooms == 0:
        return _deal(wanted, ceil(len(wanted) / size))
    seats: dict[int, int] = {}
    filled = [0] * rooms
    newcomers: list[int] = []
    for member in wanted:
        room = seated.get(member)
        # Above the size: the platform has lowered its limit since the room was filled.
        if room is None or filled[room] == size:
            newcomers.append(member)
        else:
            seats[member] = room
            filled[room] += 1
    for member in newcomers:
        room = min(range(len(filled)), key=filled.__getitem__)
        if filled[room] == size:
            room = len(filled)
            filled.append(0)
        seats[member] = room
        filled[room] += 1
    return seats


def _deal(wanted: Sequence[int], rooms: int) -> dict[int, int]:
    """Cut the row of members into `rooms` pieces as equal as can be."""
    return {member: position * rooms // len(wanted) for position, member in enumerate(wanted)}
