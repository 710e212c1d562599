"""Who has read what, and when.

Reading is a span: everything in (after, upto] was read at that moment. Marks are only added, so the time at which each
person read each message can be computed at any later time, and no row is needed per message and person.
"""

from __future__ import annotations

from datetime import datetime

from bot.adapters.logochat_wire import WireRead
from trial.service import rooms
from trial.service.change import Change
from trial.service.ids import is_bot, moment, number
from trial.service.messages import Seen
from trial.service.models import ReadFrame
from trial.service.problems import NotFound


def mark(change: Change, member: str, room: int, identifier: str) -> None:
    """`member` has read the room up to this message; going back changes nothing.

    Bots are told of each of their messages that was newly read, people of the new mark if it covers one of theirs.
    """
    upto = number("m", identifier)
    since, before = change.row("SELECT since, read_upto FROM members WHERE room = ? AND member = ?", room, member)
    if upto <= since or change.row("SELECT 1 FROM messages WHERE id = ? AND room = ?", upto, room) is None:
        raise NotFound(f"There is no message {identifier} that you can see in room r{room}.")
    after = max(since, before)
    if upto <= after:
        return
    change.db.execute(
        "INSERT INTO read_marks (room, upto, member, after, at) VALUES (?, ?, ?, ?, ?)",
        (room, upto, member, after, change.at),
    )
    change.db.execute("UPDATE members SET read_upto = ? WHERE room = ? AND member = ?", (upto, room, member))
    authors: dict[str, None] = {}
    direct: bool | None = None
    newly = change.rows(
        "SELECT id, sender FROM messages WHERE room = ? AND id > ? AND id <= ? AND sender <> ? ORDER BY id",
        room,
        after,
        upto,
        member,
    )
    for message, sender in newly:
        if not is_bot(sender):
            authors[sender] = None
            continue
        if direct is None:
            direct = rooms.is_direct(change, room)
        event = WireRead(
            event_id="-",
            occurred_at=change.now,
            room_id=f"r{room}",
            direct=direct,
            user_id=member,
            message_id=f"m{message}",
        )
        change.tell_bot(sender, event)
    if authors:
        frame = ReadFrame(room_id=f"r{room}", user_id=member, message_id=identifier, read_at=change.now)
        change.push(authors, frame)


def of(change: Change, seen: Seen) -> tuple[dict[str, datetime], list[str]]:
    """When each reader read a message, and who of those who can see it has not; without its sender and bots."""
    audience = change.rows(
        "SELECT members.member, at FROM members LEFT JOIN read_marks marks ON marks.room = members.room"
        " AND marks.member = members.member AND marks.after < ?1 AND marks.upto >= ?1"
        " WHERE members.room = ?2 AND since < ?1 AND members.member >= 'u' AND members.member <> ?3"
        " ORDER BY length(members.member), members.member",
        seen.id,
        seen.room,
        seen.sender,
    )
    readers = {member: moment(at) for member, at in audience if at is not None}
    return readers, [member for member, at in audience if at is None]
