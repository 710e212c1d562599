"""Messages: writing, seeing, deleting, forwarding, pressing their buttons, keeping a bookmark.

Who may see a message: the members of its room for whom it does not lie in the hidden past. To everybody else it does
not exist (404), so that ids tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.adapters.logochat_wire import WireButton, WireDeleted, WireLocation, WireMessage
from trial.service import rooms
from trial.service.change import Change, dump, json_list, load
from trial.service.ids import is_bot, moment, number
from trial.service.models import (
    Button,
    DeletedFrame,
    File,
    Location,
    Message,
    MessageFrame,
    Messages,
    Place,
    SendMessage,
    SentBroadcast,
    SentMessage,
)
from trial.service.problems import Conflict, Forbidden, NotFound, Unprocessable

PAGE = 50
LARGEST_PAGE = 200

_COLUMNS = (
    "m.id, m.room, r.kind = 'pair', m.sender, m.sent_at, m.text, m.stamp, m.location, m.files, m.buttons,"
    " m.mentions, m.quote, m.reference, m.deleted"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a message says, before it is sent; ids as the sender wrote them."""

    text: str | None = None
    stamp: str | None = None
    location: Location | Place | None = None
    files: Sequence[File] = ()
    buttons: Sequence[Button] = ()
    mentions: Sequence[str] = ()
    quote: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A message that the caller may see."""

    id: int
    room: int
    sender: str
    message: Message = field(repr=False)


def drafted(given: SendMessage) -> Draft:
    """What a person asked to send."""
    return Draft(
        text=given.text, stamp=given.stamp, location=given.location, quote=given.quote, mentions=given.mentions
    )


def send(change: Change, sender: str, room: int, draft: Draft) -> SentMessage:
    """Write into a room in which `sender` is; everybody in it hears of it, and the bots whom it concerns."""
    members = change.column("SELECT member FROM members WHERE room = ?", room)
    direct, kind = change.row("SELECT kind = 'pair', kind FROM rooms WHERE id = ?", room)
    if kind == "announcements" and not _may_broadcast(change, sender):
        raise Forbidden("Only broadcasts arrive in this room; write in another one.")
    absent = set(draft.mentions).difference(members)
    if absent:
        raise Unprocessable(f"mentions: {', '.join(sorted(absent))[:200]} is not in the room; mention its members.")
    quote = None if draft.quote is None else _quoted(change, sender, room, draft.quote)
    identifier = change.insert(
        "INSERT INTO messages (room, sender, sent_at, text, stamp, location, files, buttons, mentions, quote,"
        " reference) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        room,
        sender,
        change.at,
        draft.text,
        draft.stamp,
        None if draft.location is None else draft.location.model_dump_json(),
        dump([file.model_dump() for file in draft.files]),
        dump([button.model_dump() for button in draft.buttons]),
        dump(list(dict.fromkeys(draft.mentions))),
        quote,
        draft.reference,
    )
    change.db.execute("UPDATE rooms SET last_message = ? WHERE id = ?", (identifier, room))
    for file in draft.files:
        change.insert("INSERT INTO message_files (file, message) VALUES (?, ?)", number("f", file.file_id), identifier)
    message = Message(
        message_id=f"m{identifier}",
        room_id=f"r{room}",
        direct=bool(direct),
        sender=sender,
        sent_at=change.now,
        text=draft.text,
        stamp=draft.stamp,
        location=None if draft.location is None else Place.model_construct(**draft.location.model_dump()),
        files=list(draft.files),
        buttons=list(draft.buttons),
        mentions=list(dict.fromkeys(draft.mentions)),
        quote=draft.quote,
        reference=draft.reference,
    )
    change.push(members, MessageFrame(message=message))
    for bot in _concerned(members, message):
        change.tell_bot(bot, _as_event(message))
    return SentMessage(message_id=message.message_id, room_id=message.room_id, sent_at=change.now)


def broadcast(change: Change, sender: str, text: str) -> SentBroadcast:
    """The service's own all-staff broadcast: one message in the room in which everybody is."""
    if not _may_broadcast(change, sender):
        raise Forbidden("This account may not send to all staff; the administrator can grant it (can_broadcast).")
    room = rooms.announcements(change)
    recipients = change.row("SELECT COUNT(*) FROM members WHERE room = ?", room)[0]
    sent = send(change, sender, room, Draft(text=text))
    return SentBroadcast(**sent.model_dump(), recipients=recipients)


def history(change: Change, member: str, room: int, before: str | None, limit: int) -> Messages:
    """A page of what `member` may see in the room: the newest, or those older than `before`."""
    since = change.row("SELECT since FROM members WHERE room = ? AND member = ?", room, member)[0]
    end = 2**62 if before is None else number("m", before)
    found = change.rows(
        f"SELECT {_COLUMNS} FROM messages m JOIN rooms r ON r.id = m.room"  # noqa: S608 # our own column names
        " WHERE m.room = ? AND m.id > ? AND m.id < ? ORDER BY m.id DESC LIMIT ?",
        room,
        since,
        end,
        limit + 1,
    )
    page = [_message(row) for row in reversed(found[:limit])]
    return Messages(messages=page, next_before=page[0].message_id if len(found) > limit else None)


def see(change: Change, member: str, identifier: str) -> Seen:
    """A message by its id; NotFound when it does not exist for `member`."""
    row = change.row(
        f"SELECT {_COLUMNS} FROM messages m JOIN rooms r ON r.id = m.room"  # noqa: S608 # our own column names
        " JOIN members ON members.room = m.room AND member = ? AND since < m.id WHERE m.id = ?",
        member,
        number("m", identifier),
    )
    if row is None:
        raise NotFound(f"There is no message {identifier} that you can see.")
    return Seen(row[0], row[1], row[3], _message(row))


def delete(change: Change, member: str, identifier: str) -> list[int]:
    """Take one's own message back, its content with it; a second time changes nothing.

    Returns the numbers of the files that no message shows any more, and whose rows are gone.
    """
    seen = see(change, member, identifier)
    if seen.sender != member:
        raise Forbidden(f"Only {seen.sender}, who wrote {identifier}, can take it back.")
    if seen.message.deleted:
        return []
    change.db.execute(
        "UPDATE messages SET deleted = 1, text = NULL, stamp = NULL, location = NULL, files = NULL, buttons = NULL,"
        " mentions = NULL WHERE id = ?",
        (seen.id,),
    )
    change.db.execute("DELETE FROM bookmarks WHERE message = ?", (seen.id,))
    members = change.column("SELECT member FROM members WHERE room = ?", seen.room)
    change.push(members, DeletedFrame(room_id=f"r{seen.room}", message_id=identifier))
    for bot in _concerned(members, seen.message):
        event = WireDeleted(
            event_id="-",
            occurred_at=change.now,
            room_id=f"r{seen.room}",
            direct=seen.message.direct,
            user_id=member,
            message_id=identifier,
        )
        change.tell_bot(bot, event)
    return _drop_files(change, seen)


def forward(change: Change, member: str, identifier: str, room: int) -> SentMessage:
    """Send a message's content on into another room, as one's own; buttons and mentions stay behind."""
    message = _alive(see(change, member, identifier)).message
    draft = Draft(text=message.text, stamp=message.stamp, location=message.location, files=message.files)
    return send(change, member, room, draft)


def press(change: Change, member: str, identifier: str, data: str) -> None:
    """Press a button; the bot that sent it is told, each time."""
    seen = _alive(see(change, member, identifier))
    if data not in [button.data for button in seen.message.buttons]:
        raise Unprocessable(f"data: message {identifier} has no such button; send the data of one of its buttons.")
    present = change.row("SELECT 1 FROM members WHERE room = ? AND member = ?", seen.room, seen.sender)
    if present is None:
        raise Conflict(f"{seen.sender} has left the room, so its buttons no longer work.")
    change.insert(
        "INSERT INTO presses (message, member, data, at) VALUES (?, ?, ?, ?)", seen.id, member, data, change.at
    )
    event = WireButton(
        event_id="-",
        occurred_at=change.now,
        room_id=f"r{seen.room}",
        direct=seen.message.direct,
        user_id=member,
        message_id=identifier,
        data=data,
    )
    change.tell_bot(seen.sender, event)


def bookmark(change: Change, member: str, identifier: str) -> None:
    """Keep a bookmark; twice is once."""
    seen = _alive(see(change, member, identifier))
    change.db.execute("INSERT OR IGNORE INTO bookmarks (member, message) VALUES (?, ?)", (member, seen.id))


def forget(change: Change, member: str, identifier: str) -> None:
    """Take a bookmark away; nothing happens if there is none."""
    values = (member, number("m", identifier))
    change.db.execute("DELETE FROM bookmarks WHERE member = ? AND message = ?", values)


def bookmarks(change: Change, member: str) -> Messages:
    """The messages that `member` keeps and can still see, oldest first."""
    found = change.rows(
        f"SELECT {_COLUMNS} FROM bookmarks b JOIN messages m ON m.id = b.message"  # noqa: S608 # our own column names
        " JOIN rooms r ON r.id = m.room JOIN members ON members.room = m.room AND members.member = b.member"
        " AND since < m.id WHERE b.member = ? ORDER BY m.id",
        member,
    )
    return Messages(messages=[_message(row) for row in found])


def _message(row: Any) -> Message:
    (
        identifier,
        room,
        direct,
        sender,
        sent_at,
        text,
        stamp,
        location,
        files,
        buttons,
        mentions,
        quote,
        reference,
        gone,
    ) = row
    return Message(
        message_id=f"m{identifier}",
        room_id=f"r{room}",
        direct=bool(direct),
        sender=sender,
        sent_at=moment(sent_at),
        text=text,
        stamp=stamp,
        location=None if location is None else Place.model_validate_json(location),
        files=load(files),
        buttons=load(buttons),
        mentions=load(mentions),
        quote=None if quote is None else f"m{quote}",
        reference=reference,
        deleted=bool(gone),
    )


def _alive(seen: Seen) -> Seen:
    if seen.message.deleted:
        raise Conflict(f"Message {seen.message.message_id} was deleted.")
    return seen


def _quoted(change: Change, member: str, room: int, identifier: str) -> int:
    try:
        seen = see(change, member, identifier)
    except NotFound as problem:
        raise Unprocessable(f"quote: {problem.detail}") from None
    if seen.room != room:
        raise Unprocessable(f"quote: {identifier} is in another room; forward it instead.")
    return seen.id


def _may_broadcast(change: Change, member: str) -> bool:
    return bool(change.row("SELECT can_broadcast FROM people WHERE id = ?", number("u", member))[0])


def _concerned(members: Sequence[str], message: Message) -> list[str]:
    """The bots that hear of a message: the one it was written to in pair talk, and those it mentions."""
    candidates = members if message.direct else message.mentions
    return [member for member in candidates if is_bot(member) and member != message.sender and member in members]


def _as_event(message: Message) -> WireMessage:
    place = message.location
    return WireMessage(
        event_id="-",
        occurred_at=message.sent_at,
        room_id=message.room_id,
        direct=message.direct,
        user_id=message.sender,
        message_id=message.message_id,
        text=message.text or "",
        location=None if place is None else WireLocation(**place.model_dump()),
        files=len(message.files),
    )


def _drop_files(change: Change, seen: Seen) -> list[int]:
    files = [number("f", file.file_id) for file in seen.message.files]
    if not files:
        return []
    change.db.execute("DELETE FROM message_files WHERE message = ?", (seen.id,))
    orphans = change.column(
        "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM message_files WHERE file = value)",
        json_list(files),
    )
    change.db.execute("DELETE FROM bot_files WHERE file IN (SELECT value FROM json_each(?))", (json_list(orphans),))
    change.db.execute("DELETE FROM files WHERE id IN (SELECT value FROM json_each(?))", (json_list(orphans),))
    return orphans
