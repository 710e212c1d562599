"""What people do: the operations below /v1."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from trial.service import accounts, files, messages, models, notes, reads, rooms, uploads
from trial.service.calls import DOWNLOAD, UPLOAD, Call, Route


class Query(BaseModel):
    """Query parameters; unknown ones are refused like unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UserQuery(Query):
    query: str = Field(default="", max_length=100)
    limit: int = Field(default=100, ge=1, le=1_000)
    cursor: str | None = None


class PageQuery(Query):
    before: str | None = None
    limit: int = Field(default=messages.PAGE, ge=1, le=messages.LARGEST_PAGE)


def _me(call: Call) -> models.Me:
    return accounts.me(call.change, call.who)


def _users(call: Call, given: UserQuery) -> models.Users:
    return accounts.people(call.change, given.query, given.limit, given.cursor)


# -------------------------------------------------------------------- rooms


def _rooms(call: Call) -> models.Rooms:
    mine = call.change.column("SELECT room FROM members WHERE member = ? ORDER BY room", call.who)
    return models.Rooms(rooms=[rooms.view(call.change, room, call.who) for room in mine])


def _create_room(call: Call, given: models.CreateRoom) -> models.Room:
    room = rooms.create(call.change, call.who, given.title, given.members, given.history)
    return rooms.view(call.change, room, call.who)


def _room(call: Call) -> models.Room:
    return rooms.view(call.change, _entered(call), call.who)


def _add(call: Call, given: models.ChangeMembers) -> None:
    rooms.add(call.change, _entered(call), call.who, given.members)


def _remove(call: Call, given: models.ChangeMembers) -> None:
    rooms.remove(call.change, _entered(call), call.who, given.members)


def _leave(call: Call) -> None:
    rooms.leave(call.change, _entered(call), call.who)


def _pair(call: Call, given: models.OpenPair) -> models.Room:
    return rooms.view(call.change, rooms.pair(call.change, call.who, given.user_id), call.who)


# ----------------------------------------------------------------- messages


def _history(call: Call, given: PageQuery) -> models.Messages:
    return messages.history(call.change, call.who, _entered(call), given.before, given.limit)


def _send(call: Call, given: models.SendMessage) -> models.SentMessage:
    return messages.send(call.change, call.who, _entered(call), messages.drafted(given))


def _delete(call: Call) -> None:
    orphans = messages.delete(call.change, call.who, call.path["message"])
    if orphans:
        call.change.after_commit(lambda: call.core.folder.remove(orphans))


def _reads(call: Call) -> models.Reads:
    seen = messages.see(call.change, call.who, call.path["message"])
    readers, unread = reads.of(call.change, seen)
    return models.Reads(message_id=f"m{seen.id}", readers=list(readers), unread=unread, read_at=readers)


def _press(call: Call, given: models.Press) -> None:
    messages.press(call.change, call.who, call.path["message"], given.data)


def _forward(call: Call, given: models.Forward) -> models.SentMessage:
    room = rooms.enter(call.change, given.room_id, call.who)
    return messages.forward(call.change, call.who, call.path["message"], room)


def _mark(call: Call, given: models.MarkRead) -> None:
    reads.mark(call.change, call.who, _entered(call), given.message_id)


def _bookmark(call: Call) -> None:
    messages.bookmark(call.change, call.who, call.path["message"])


def _forget(call: Call) -> None:
    messages.forget(call.change, call.who, call.path["message"])


def _bookmarks(call: Call) -> models.Messages:
    return messages.bookmarks(call.change, call.who)


def _broadcast(call: Call, given: models.Broadcast) -> models.SentBroadcast:
    return messages.broadcast(call.change, call.who, given.text)


# ---------------------------------------------------------- notes and files


def _notes(call: Call) -> models.Notes:
    return notes.in_room(call.change, _entered(call))


def _write_note(call: Call, given: models.WriteNote) -> models.Note:
    return notes.write(call.change, call.who, _entered(call), given)


def _rewrite_note(call: Call, given: models.RewriteNote) -> models.Note:
    return notes.rewrite(call.change, call.who, call.path["note"], given)


def _take_note_away(call: Call) -> None:
    notes.take_away(call.change, call.who, call.path["note"])


def _files(call: Call) -> models.RoomFiles:
    return files.in_room(call.change, call.who, _entered(call))


def _entered(call: Call) -> int:
    return rooms.enter(call.change, call.path["room"], call.who)


ROUTES = (
    Route("GET", "/v1/me", "Who am I", _me, answer=models.Me),
    Route("GET", "/v1/users", "Find people", _users, query=UserQuery, answer=models.Users),
    Route("GET", "/v1/rooms", "My rooms", _rooms, answer=models.Rooms),
    Route("POST", "/v1/rooms", "Make a room", _create_room, body=models.CreateRoom, answer=models.Room, status=201),
    Route("GET", "/v1/rooms/{room}", "One room", _room, answer=models.Room),
    Route("POST", "/v1/rooms/{room}/members", "Bring members in", _add, body=models.ChangeMembers, status=204),
    Route("DELETE", "/v1/rooms/{room}/members", "Take members out", _remove, body=models.ChangeMembers, status=204),
    Route("POST", "/v1/rooms/{room}/leave", "Leave a room", _leave, status=204),
    Route("POST", "/v1/pairs", "The pair talk with somebody", _pair, body=models.OpenPair, answer=models.Room),
    Route("GET", "/v1/rooms/{room}/messages", "Read back", _history, query=PageQuery, answer=models.Messages),
    Route(
        "POST",
        "/v1/rooms/{room}/messages",
        "Write",
        _send,
        body=models.SendMessage,
        answer=models.SentMessage,
        status=201,
    ),
    Route("POST", "/v1/rooms/{room}/read", "Mark as read", _mark, body=models.MarkRead, status=204),
    Route("DELETE", "/v1/messages/{message}", "Take back", _delete, status=204),
    Route("GET", "/v1/messages/{message}/reads", "Who has read", _reads, answer=models.Reads),
    Route("POST", "/v1/messages/{message}/buttons", "Press a button", _press, body=models.Press, status=204),
    Route(
        "POST",
        "/v1/messages/{message}/forward",
        "Forward",
        _forward,
        body=models.Forward,
        answer=models.SentMessage,
        status=201,
    ),
    Route("PUT", "/v1/messages/{message}/bookmark", "Keep a bookmark", _bookmark, status=204),
    Route("DELETE", "/v1/messages/{message}/bookmark", "Take a bookmark away", _forget, status=204),
    Route("GET", "/v1/bookmarks", "My bookmarks", _bookmarks, answer=models.Messages),
    Route(
        "POST",
        "/v1/broadcasts",
        "Write to all staff",
        _broadcast,
        body=models.Broadcast,
        answer=models.SentBroadcast,
        status=201,
    ),
    Route("GET", "/v1/rooms/{room}/notes", "Notes of a room", _notes, answer=models.Notes),
    Route(
        "POST",
        "/v1/rooms/{room}/notes",
        "Write a note",
        _write_note,
        body=models.WriteNote,
        answer=models.Note,
        status=201,
    ),
    Route("PUT", "/v1/notes/{note}", "Rewrite a note", _rewrite_note, body=models.RewriteNote, answer=models.Note),
    Route("DELETE", "/v1/notes/{note}", "Take a note away", _take_note_away, status=204),
    Route("GET", "/v1/rooms/{room}/files", "Files of a room", _files, answer=models.RoomFiles),
    Route(
        "POST",
        "/v1/rooms/{room}/files",
        "Send files",
        uploads.receive,
        answer=models.SentFiles,
        status=201,
        special=True,
        takes=UPLOAD,
    ),
    Route("GET", "/v1/files/{file}", "One file", uploads.hand_out, special=True, gives=DOWNLOAD),
)
