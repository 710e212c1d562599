"""Rooms and who is in them: the 350, the 300, and what those who join midway may see.

- A room holds at most 350 people; bots are in it besides them.
- A person is in at most 300 rooms. Talks of two people count, a talk with a bot does not: a full list of rooms must
  not keep the bot's answer from its person. The room of announcements counts for nobody.
- `since` of a member is the last message that stays hidden from them: 0 where the history is shown.

Source of both figures: `reference/trial.md`, function 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.adapters.logochat_wire import ROOM_SIZE, ROOMS_PER_USER, WireJoined, WireLeft
from trial.service.change import Change, json_list
from trial.service.ids import is_bot, number
from trial.service.models import History, Kind, MemberFrame, Room
from trial.service.problems import Conflict, Forbidden, NotFound, Unprocessable

ANNOUNCEMENTS = "一斉連絡"


def create(
    change: Change, creator: str, title: str, members: Sequence[str], history: History, *, kind: Kind = "group"
) -> int:
    """A new group room with `members` and its creator."""
    everybody = list(dict.fromkeys([creator, *members]))
    check_known(change, everybody)
    room = change.insert(
        "INSERT INTO rooms (kind, title, history, creator) VALUES (?, ?, ?, ?)", kind, title, history, creator
    )
    _bring_in(change, room, everybody, since=0, counts=True)
    _announce(change, room, everybody, by=creator)
    return room


def pair(change: Change, one: str, other: str) -> int:
    """The pair talk of two, made when it is not there yet; not with oneself, not of two bots.

    404 for somebody who does not exist, as for a room: whoever writes learns that it is the address.
    """
    if one == other:
        raise Unprocessable("user_id: a pair talk needs somebody else; this is your own id.")
    key = " ".join(sorted((one, other)))
    found = change.row("SELECT id FROM rooms WHERE pair = ?", key)
    if found is not None:
        return int(found[0])
    if unknown := _unknown(change, [other]):
        raise NotFound(f"user_id: {_nobody(unknown)}")
    with_bot = is_bot(one) or is_bot(other)
    if is_bot(one) and is_bot(other):
        raise Unprocessable("user_id: two bots have no pair talk; name a person.")
    room = change.insert(
        "INSERT INTO rooms (kind, title, history, creator, pair) VALUES ('pair', '', 'shown', ?, ?)", one, key
    )
    _bring_in(change, room, [one, other], since=0, counts=not with_bot)
    _announce(change, room, [one, other], by=one, direct=True)
    return room


def announcements(change: Change) -> int:
    """The one room in which everybody is and only broadcasts arrive."""
    found = change.row("SELECT id FROM rooms WHERE kind = 'announcements'")
    if found is not None:
        return int(found[0])
    return change.insert(
        "INSERT INTO rooms (kind, title, history, creator) VALUES ('announcements', ?, 'hidden', '')", ANNOUNCEMENTS
    )


def add(change: Change, room: int, by: str, members: Sequence[str]) -> None:
    """Bring `members` into a group; those who are in it already stay as they are."""
    _group(change, room, "joins")
    check_known(change, members)
    inside = set(people_and_bots(change, room))
    new = [member for member in dict.fromkeys(members) if member not in inside]
    hidden, last = change.row("SELECT history = 'hidden', last_message FROM rooms WHERE id = ?", room)
    _bring_in(change, room, new, since=last if hidden else 0, counts=True)
    _announce(change, room, new, by=by)


def remove(change: Change, room: int, by: str, members: Sequence[str]) -> None:
    """Take `members` out of a group; those who are not in it are passed over. For its creator only."""
    creator = _group(change, room, "is taken out of")
    if creator != by:
        raise Forbidden(f"Only {creator}, who made the room, may take members out; others may leave it themselves.")
    check_known(change, members)
    _take_out(change, room, by, members)


def leave(change: Change, room: int, member: str) -> None:
    """Take oneself out of a group."""
    _group(change, room, "leaves")
    _take_out(change, room, member, [member])


def enter(change: Change, identifier: str, member: str) -> int:
    """The number of a room in which `member` is.

    404 for a room that does not exist, 403 for one of other people's.
    """
    room = number("r", identifier)
    if change.row("SELECT 1 FROM members WHERE room = ? AND member = ?", room, member) is None:
        if change.row("SELECT 1 FROM rooms WHERE id = ?", room) is None:
            raise NotFound(f"There is no room {identifier}.")
        raise Forbidden(f"You are not in room {identifier}; ask one of its members to bring you in.")
    return room


def people_and_bots(change: Change, room: int) -> list[str]:
    """Everybody in the room, in the order of their ids."""
    members = change.column("SELECT member FROM members WHERE room = ?", room)
    return sorted(members, key=lambda member: (member[0], len(member), member))


def people(change: Change, room: int) -> list[str]:
    """The people in the room, without bots."""
    return [member for member in people_and_bots(change, room) if not is_bot(member)]


def is_direct(change: Change, room: int) -> bool:
    """Whether the room is a pair talk."""
    return bool(change.row("SELECT kind = 'pair' FROM rooms WHERE id = ?", room)[0])


def view(change: Change, room: int, member: str) -> Room:
    """The room as `member` sees it."""
    title, kind, history, since, upto, last = change.row(
        "SELECT title, kind, history, since, read_upto, last_message FROM rooms JOIN members ON room = id"
        " WHERE id = ? AND member = ?",
        room,
        member,
    )
    unread = change.row(
        "SELECT COUNT(*) FROM messages WHERE room = ? AND id > ? AND sender <> ? AND NOT deleted",
        room,
        max(since, upto),
        member,
    )[0]
    members = people_and_bots(change, room)
    return Room(
        room_id=f"r{room}",
        title=title or ", ".join(_names(change, [other for other in members if other != member])),
        kind=kind,
        direct=kind == "pair",
        history=history,
        members=members if kind != "announcements" else [],
        unread=unread,
        last_message_id=f"m{last}" if last > since else None,
    )


def check_known(change: Change, members: Iterable[str]) -> None:
    """422 that names those who do not exist."""
    if unknown := _unknown(change, members):
        raise Unprocessable(f"members: {_nobody(unknown)}")


def _unknown(change: Change, members: Iterable[str]) -> list[str]:
    """The first five of those who do not exist."""
    return change.column(
        "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM people WHERE"
        " id = CAST(substr(value, 2) AS INTEGER) AND 'u' || id = value) AND NOT EXISTS (SELECT 1 FROM bots WHERE"
        " id = CAST(substr(value, 2) AS INTEGER) AND 'b' || id = value) LIMIT 5",
        json_list(members),
    )


def _nobody(unknown: Sequence[str]) -> str:
    names = ", ".join(repr(str(one)[:40]) for one in unknown)
    return f"nobody has the id {names}; GET the users to learn their ids."


def _names(change: Change, members: Iterable[str]) -> list[str]:
    return change.column(
        "SELECT CASE WHEN value >= 'u' THEN (SELECT name FROM people WHERE id = CAST(substr(value, 2) AS INTEGER))"
        " ELSE (SELECT name FROM bots WHERE id = CAST(substr(value, 2) AS INTEGER)) END FROM json_each(?)",
        json_list(members),
    )


def _group(change: Change, room: int, verb: str) -> str:
    """The creator of a group room; 409 for the other kinds, whose members never change."""
    kind, creator = change.row("SELECT kind, creator FROM rooms WHERE id = ?", room)
    if kind != "group":
        raise Conflict(f"Nobody {verb} this room: its members never change. Make a group room instead.")
    return str(creator)


def _bring_in(change: Change, room: int, members: Sequence[str], *, since: int, counts: bool) -> None:
    newcomers = json_list(members)
    size = change.row(
        "SELECT (SELECT COUNT(*) FROM members WHERE room = ?1 AND member >= 'u')"
        " + (SELECT COUNT(*) FROM json_each(?2) WHERE value >= 'u')",
        room,
        newcomers,
    )[0]
    if size > ROOM_SIZE:
        raise Conflict(f"A room holds at most {ROOM_SIZE} members; this would make it {size}. Use another room.")
    if counts:
        full = change.column(
            "SELECT value FROM json_each(?) WHERE value >= 'u'"
            " AND (SELECT COUNT(*) FROM members WHERE member = value AND counts) >= ? LIMIT 5",
            newcomers,
            ROOMS_PER_USER,
        )
        if full:
            raise Conflict(f"A user is in at most {ROOMS_PER_USER} rooms; {', '.join(full)} must leave one first.")
    # Who comes back has not unread what they read before they left.
    change.db.execute(
        "INSERT INTO members (room, member, since, read_upto, counts) SELECT ?1, value, ?3, COALESCE("
        "(SELECT MAX(upto) FROM read_marks WHERE room = ?1 AND member = value), 0), ?4 FROM json_each(?2)",
        (room, newcomers, since, counts),
    )


def _take_out(change: Change, room: int, by: str, members: Sequence[str]) -> None:
    present = people_and_bots(change, room)
    gone = [member for member in dict.fromkeys(members) if member in present]
    change.db.execute(
        "DELETE FROM members WHERE room = ? AND member IN (SELECT value FROM json_each(?))", (room, json_list(gone))
    )
    for member in gone:
        change.push(present, MemberFrame(type="left", room_id=f"r{room}", user_id=member))
        for bot in present:
            if is_bot(bot) and bot != by:
                event = WireLeft(event_id="-", occurred_at=change.now, room_id=f"r{room}", user_id=member)
                change.tell_bot(bot, event)


def _announce(change: Change, room: int, new: Sequence[str], *, by: str, direct: bool = False) -> None:
    """Tell the room and its bots who is new; no bot is told of what it did itself.

    Newcomers hear of themselves alone: a new room of 350 is 350 frames, not 122,500.
    """
    if not new:
        return
    present = people_and_bots(change, room)
    listeners = [bot for bot in present if is_bot(bot) and bot != by]
    old = [member for member in present if member not in new]
    for member in new:
        change.push([member, *old], MemberFrame(type="joined", room_id=f"r{room}", user_id=member))
    for bot in listeners:
        # A bot that comes in is told once that it is in; who was there before it, it can ask.
        whom = [bot] if bot in new and not direct else [member for member in new if member != bot]
        for member in whom:
            event = WireJoined(event_id="-", occurred_at=change.now, room_id=f"r{room}", direct=direct, user_id=member)
            change.tell_bot(bot, event)
