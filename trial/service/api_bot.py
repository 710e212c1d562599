"""What bots do: the operations below /bot/v1, as `bot.adapters.logochat_wire` describes them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from bot.adapters import logochat_wire as wire
from trial.service import accounts, files, messages, models, reads, rooms, uploads
from trial.service.calls import DOWNLOAD, Call, Route
from trial.service.messages import Draft
from trial.service.problems import Conflict, Forbidden, TooLarge


class UserQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=500, ge=1, le=1_000)
    cursor: str | None = None


class FileQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)


def _send(call: Call, given: models.BotMessage) -> wire.MessageAnswer:
    if given.room_id is not None:
        room = rooms.enter(call.change, given.room_id, call.who)
    else:
        assert given.user_id is not None
        room = rooms.pair(call.change, call.who, given.user_id)
    draft = Draft(
        text=given.text,
        files=[_file(call, each) for each in given.files],
        buttons=[models.Button(label=button.label, data=button.data) for button in given.buttons],
        mentions=given.mentions,
        quote=given.quote,
        reference=given.reference,
    )
    if sum(file.size for file in draft.files) > call.core.limits.bytes_per_send:
        raise TooLarge(f"At most {call.core.limits.bytes_per_send // 1_000_000} MB in one message; send fewer files.")
    sent = messages.send(call.change, call.who, room, draft)
    return wire.MessageAnswer(message_id=sent.message_id, room_id=sent.room_id, sent_at=sent.sent_at)


def _file(call: Call, given: wire.SendFile) -> models.File:
    found = files.put_there(call.change, call.who, given.sha256, given.name)
    if found is None:
        raise Conflict(f"files: {given.name} is not there; put it with PUT {wire.BOT_PREFIX}/files/{given.sha256}.")
    return found


def _delete(call: Call) -> None:
    orphans = messages.delete(call.change, call.who, call.path["message"])
    if orphans:
        call.change.after_commit(lambda: call.core.folder.remove(orphans))


def _files(call: Call) -> wire.FilesAnswer:
    seen = messages.see(call.change, call.who, call.path["message"])
    return wire.FilesAnswer(files=[wire.FileAnswer(**file.model_dump()) for file in seen.message.files])


def _reads(call: Call) -> wire.ReadsAnswer:
    seen = messages.see(call.change, call.who, call.path["message"])
    if seen.sender != call.who:
        raise Forbidden("A bot learns who has read its own messages, not those of people.")
    readers, unread = reads.of(call.change, seen)
    return wire.ReadsAnswer(message_id=f"m{seen.id}", readers=list(readers), unread=unread)


def _create_room(call: Call, given: models.BotRoom) -> wire.RoomAnswer:
    return _answer(call, rooms.create(call.change, call.who, given.title, given.members, given.history))


def _room(call: Call) -> wire.RoomAnswer:
    return _answer(call, rooms.enter(call.change, call.path["room"], call.who))


def _add(call: Call, given: models.BotMembers) -> None:
    rooms.add(call.change, rooms.enter(call.change, call.path["room"], call.who), call.who, given.members)


def _remove(call: Call, given: models.BotMembers) -> None:
    rooms.remove(call.change, rooms.enter(call.change, call.path["room"], call.who), call.who, given.members)


def _users(call: Call, given: UserQuery) -> wire.UsersAnswer:
    found = accounts.people(call.change, "", given.limit, given.cursor)
    users = [wire.UserAnswer(**user.model_dump()) for user in found.users]
    return wire.UsersAnswer(users=users, next_cursor=found.next_cursor)


def _answer(call: Call, room: int) -> wire.RoomAnswer:
    title = call.change.row("SELECT title FROM rooms WHERE id = ?", room)[0]
    return wire.RoomAnswer(room_id=f"r{room}", title=title, members=rooms.people(call.change, room))


_BOT = wire.BOT_PREFIX

ROUTES = (
    Route(
        "POST",
        f"{_BOT}/messages",
        "Write",
        _send,
        "bot",
        body=models.BotMessage,
        answer=wire.MessageAnswer,
        status=201,
    ),
    Route(
        "PUT",
        f"{_BOT}/files/{{sha256}}",
        "Put a file there",
        uploads.put,
        "bot",
        query=FileQuery,
        status=204,
        special=True,
        takes=DOWNLOAD,
    ),
    Route("DELETE", f"{_BOT}/messages/{{message}}", "Take back", _delete, "bot", status=204),
    Route("GET", f"{_BOT}/messages/{{message}}/files", "Its files", _files, "bot", answer=wire.FilesAnswer),
    Route(
        "GET",
        f"{_BOT}/messages/{{message}}/files/{{file}}",
        "One of its files",
        uploads.hand_out,
        "bot",
        special=True,
        gives=DOWNLOAD,
    ),
    Route("GET", f"{_BOT}/messages/{{message}}/reads", "Who has read", _reads, "bot", answer=wire.ReadsAnswer),
    Route(
        "POST",
        f"{_BOT}/rooms",
        "Make a room",
        _create_room,
        "bot",
        body=models.BotRoom,
        answer=wire.RoomAnswer,
        status=201,
    ),
    Route("GET", f"{_BOT}/rooms/{{room}}", "One room", _room, "bot", answer=wire.RoomAnswer),
    Route(
        "POST", f"{_BOT}/rooms/{{room}}/members", "Bring members in", _add, "bot", body=models.BotMembers, status=204
    ),
    Route(
        "DELETE",
        f"{_BOT}/rooms/{{room}}/members",
        "Take members out",
        _remove,
        "bot",
        body=models.BotMembers,
        status=204,
    ),
    Route("GET", f"{_BOT}/users", "All people", _users, "bot", query=UserQuery, answer=wire.UsersAnswer),
)
