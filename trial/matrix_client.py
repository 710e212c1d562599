"""One of the staff at a Matrix client: what they do is said to the homeserver, what is new there becomes frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson

REFERENCE = "kairanban.reference"
"""The bot's field in a message's content: what it belongs to."""
POLL = "org.matrix.msc3381.poll.start"
RESPONSE = "org.matrix.msc3381.poll.response"
TEXT = "org.matrix.msc1767.text"

Frame = Mapping[str, Any]

_PAGE = 100
_TRANSACTIONS = itertools.count(1)
_FILTER = orjson.dumps(
    {
        "account_data": {"types": []},
        "presence": {"types": []},
        "room": {
            "account_data": {"types": []},
            "ephemeral": {"types": []},
            "state": {"types": []},
            "timeline": {"limit": _PAGE, "types": ["m.room.message", "m.room.redaction", POLL]},
        },
    }
).decode()


class Homeserver(Protocol):
    """What a client needs of the network that all share."""

    url: str
    bot: str
    files: int
    frames: int
    commands: int
    pairs: dict[frozenset[str], str]

    def directory(self) -> dict[str, str]: ...

    def acted(self, login: str) -> None: ...

    async def log_in(self, login: str, password: str) -> str: ...

    async def call(
        self,
        method: str,
        path: Sequence[str],
        token: str = "",
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Any: ...

    async def send(
        self, method: str, address: str, token: str, data: bytes | None, query: Mapping[str, str] | None = None
    ) -> Any: ...


class MatrixApplication:
    """One person's client."""

    def __init__(
        self, network: Homeserver, login: str, user_id: str, password: str, on_frame: Callable[[Frame], None]
    ) -> None:
        self._network = network
        self._login = login
        self._password = password
        self._on_frame = on_frame
        self._since = ""
        self._polls: dict[str, str] = {}
        self._invited: set[str] = set()
        self.token = ""
        self.user_id = user_id

    @property
    def signed_in(self) -> bool:
        return bool(self.token)

    async def sign_in(self) -> list[Mapping[str, Any]]:
        """Sign in with ID and password, listen from now on, and say which rooms there are."""
        token = await self._network.log_in(self._login, self._password)
        answer = await self._network.call("GET", ["sync"], token, query={"timeout": "0"})
        self._since = answer["next_batch"]
        self.token = token
        rooms: list[Mapping[str, Any]] = []
        await self._await_rooms(answer)
        for room, joined in answer.get("rooms", {}).get("join", {}).items():
            said = [event for event in joined["timeline"]["events"] if event["type"] == "m.room.message"]
            others = [event for event in said if event["sender"] != self.user_id]
            last = others[-1]["event_id"] if others else None
            rooms.append({"room_id": room, "unread": len(others), "last_message_id": last})
        return rooms

    async def close(self) -> None:
        """There is nothing to hang up."""

    async def look(self) -> bool:
        """Take in what is new; whether there was anything to hear, or will be."""
        query = {"timeout": "0", "since": self._since, "set_presence": "offline", "filter": _FILTER}
        answer = await self._call("GET", ["sync"], query=query)
        self._since = answer["next_batch"]
        await self._await_rooms(answer)
        heard = bool(self._invited)
        for room, joined in answer.get("rooms", {}).get("join", {}).items():
            events = await self._events(room, joined["timeline"])
            buttons = self._buttons(room, events)
            for event in events:
                frame = self._frame(room, event, buttons)
                if frame is not None:
                    heard = True
                    self._network.frames += 1
                    self._on_frame(frame)
        return heard

    async def _await_rooms(self, answer: Mapping[str, Any]) -> None:
        """Note the rooms that this person has been invited to and that the server has not yet let them into."""
        self._invited |= answer.get("rooms", {}).get("invite", {}).keys()
        if self._invited:  # a room in which nothing was said yet does not show up by itself
            joined = await self._network.call("GET", ["joined_rooms"], self.token)
            self._invited.difference_update(joined["joined_rooms"])

    async def _events(self, room: str, timeline: Mapping[str, Any]) -> list[Any]:
        events = list(timeline["events"])
        if timeline.get("limited"):  # more than one answer holds, or a room that is new to this person
            query = {"dir": "b", "from": timeline["prev_batch"], "limit": str(_PAGE)}
            page = await self._call("GET", ["rooms", room, "messages"], query=query)
            events[:0] = reversed(page["chunk"])
        return events

    def _buttons(self, room: str, events: Sequence[Any]) -> dict[str, list[dict[str, str]]]:
        """The choices under each message, which come as a poll after it."""
        found: dict[str, list[dict[str, str]]] = {}
        for event in events:
            if event["type"] == POLL and event["content"]:
                self._polls[event["event_id"]] = room
                found[event["content"]["m.relates_to"]["event_id"]] = [
                    {"label": answer[TEXT], "data": f"{event['event_id']} {answer['id']}"}
                    for answer in event["content"][POLL]["answers"]
                ]
        return found

    def _frame(self, room: str, event: Any, buttons: Mapping[str, list[dict[str, str]]]) -> Frame | None:
        content = event["content"]
        if event["type"] == "m.room.redaction":
            return {"type": "deleted", "room_id": room, "message_id": content.get("redacts") or event.get("redacts")}
        if event["type"] != "m.room.message" or not content:
            return None
        text = content["body"]
        offered = buttons.get(event["event_id"], [])
        if offered:  # the numbered lines are for those whose client shows no polls
            text = text.rsplit("\n\n", 1)[0]
        message = {
            "message_id": event["event_id"],
            "room_id": room,
            "sender": event["sender"],
            "text": text,
            "buttons": offered,
            "reference": content.get(REFERENCE),
        }
        return {"type": "message", "message": message}

    # --------------------------------------------------------------- actions

    async def colleagues(self) -> dict[str, str]:
        """Everybody's user id by staff number, as the city hall's list has them."""
        return self._network.directory()

    async def create_room(self, title: str, members: Sequence[str]) -> str:
        """A new group room with these people; its id."""
        others = [member for member in members if member != self.user_id]
        body = {"name": title, "invite": others, "preset": "private_chat"}
        return str((await self._call("POST", ["createRoom"], body))["room_id"])

    async def pair(self, user_id: str) -> str:
        """The pair talk with a person or the bot; its room id."""
        both = frozenset((self.user_id, user_id))
        pairs = self._network.pairs
        if both not in pairs and user_id == self._network.bot:
            for room in (await self._call("GET", ["joined_rooms"]))["joined_rooms"]:
                joined = (await self._call("GET", ["rooms", room, "joined_members"]))["joined"]
                if joined.keys() == both:
                    pairs[both] = room
        if both not in pairs:
            body = {"is_direct": True, "invite": [user_id], "preset": "trusted_private_chat"}
            pairs[both] = str((await self._call("POST", ["createRoom"], body))["room_id"])
        return pairs[both]

    async def write(self, room: str, **message: Any) -> None:
        """Send text, a stamp or a location, with `quote` if wished."""
        place = message.get("location")
        content: dict[str, Any] = {"msgtype": "m.text", "body": message.get("text") or message.get("stamp") or ""}
        if place is not None:
            uri = f"geo:{place['latitude']},{place['longitude']}"
            content = {"msgtype": "m.location", "body": place["label"], "geo_uri": uri}
        if message.get("quote"):
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": message["quote"]}}
        await self._put(room, "m.room.message", content)

    async def send_file(self, room: str, name: str, content: bytes) -> None:
        """Send one small file."""
        address = f"{self._network.url}/_matrix/media/v3/upload"
        stored = await self._network.send("POST", address, self.token, content, {"filename": name})
        self._network.files += 1
        await self._put(room, "m.room.message", {"msgtype": "m.file", "body": name, "url": stored["content_uri"]})

    async def read(self, room: str, message_id: str) -> None:
        """Everything in the room up to this message is read."""
        await self._call("POST", ["rooms", room, "receipt", "m.read", message_id], {})
        self._act()

    async def press(self, message_id: str, data: str) -> None:
        """Choose in the poll of a message."""
        poll, _, answer = data.partition(" ")
        content = {"m.relates_to": {"rel_type": "m.reference", "event_id": poll}, RESPONSE: {"answers": [answer]}}
        await self._put(self._polls[poll], RESPONSE, content)

    async def _put(self, room: str, kind: str, content: Mapping[str, object]) -> None:
        await self._call("PUT", ["rooms", room, "send", kind, f"t{next(_TRANSACTIONS)}"], content)
        self._act()

    def _act(self) -> None:
        self._network.commands += 1
        self._network.acted(self._login)

    async def _call(
        self, method: str, path: Sequence[str], body: object = None, query: Mapping[str, str] | None = None
    ) -> Any:
        return await self._network.call(method, path, self.token, body, query)
