"""What the adapter remembers of rooms: whose pair talk each is, and in which order the bot's messages stand there.

All of it can be asked of the homeserver again; nothing here must survive a restart. A receipt for an event says that
everything before it is read too, so who knows the order of the bot's messages knows which of them a receipt means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.adapters.matrix import wire

LOOK_BACK = 200
"""The bot's messages in a room that are remembered after a start: a first receipt reaches so far back."""


@dataclass(slots=True)
class Room:
    """One room. `sent` are the ids of the bot's messages in the server's order, once `loaded`."""

    id: str
    loaded: bool = False
    sent: list[str] = field(default_factory=list)
    upto: dict[str, int] = field(default_factory=dict)
    """How many of `sent` stand at or before an event; for every event of the bot, and for others that were asked."""
    reported: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """The last receipt of each person that the webhook brought; the last message read before it, and with it."""
    confirmed: dict[str, str] = field(default_factory=dict)
    """The last message that each person has read, as catching up reported it and the log has it."""
    choices: tuple[str, tuple[str, ...]] | None = None
    """The message that has buttons, and their data, if it is the last thing that the bot said here."""
    latest: int = 0
    """When the bot spoke last, by the server's clock in milliseconds."""
    meanwhile: list[Mapping[str, Any]] = field(default_factory=list)
    """What the bot has said since the server was asked, which its answer may not have."""

    def load(self, events: Sequence[Mapping[str, Any]], key: bytes) -> None:
        """Take the bot's messages as the server tells them, oldest first, in place of what was known."""
        self.loaded = True
        self.sent, self.upto, self.choices, self.latest = [], {}, None, 0
        for event in events:
            self._append(event, key)
        meanwhile, self.meanwhile = self.meanwhile, []
        for event in meanwhile:
            self.note(event, key)

    def note(self, event: Mapping[str, Any], key: bytes) -> None:
        """The bot has said something here. If it is not the latest thing, something was missed: forget it all."""
        if not self.loaded:
            self.meanwhile = [*self.meanwhile[-LOOK_BACK:], event]
            return
        if event["event_id"] not in self.upto:
            if event["origin_server_ts"] < self.latest:
                self.loaded = False
                return
            self._append(event, key)
        elif event["origin_server_ts"] == self.latest:
            self._offer(event, key)

    def _append(self, event: Mapping[str, Any], key: bytes) -> None:
        if event["type"] == wire.MESSAGE:
            self.sent.append(event["event_id"])
        self.upto[event["event_id"]] = len(self.sent)
        self.latest = max(self.latest, event["origin_server_ts"])
        self._offer(event, key)

    def _offer(self, event: Mapping[str, Any], key: bytes) -> None:
        is_poll = event["type"] in wire.POLLS
        self.choices = wire.choices(event["content"], self.id, key) if is_poll else None

    def report(self, person: str, event: str) -> Sequence[str] | None:
        """The messages that a receipt means beyond those reported before; None if the order is not known.

        The same receipt twice says the same twice: the log may have refused it the first time.
        """
        if not self.loaded:
            return None
        receipt, before, last = self.reported.get(person, ("", "", ""))
        before = before if receipt == event else last
        already = self.upto.get(before, 0)
        if already >= len(self.sent):
            return ()
        position = self.upto.get(event)
        messages = None if position is None else self.sent[already:position]
        if messages:
            self.reported[person] = (event, before, messages[-1])
        return messages


class Rooms:
    """Every room that was heard of, and which of them are pair talk. Nothing is `known` before `learn`."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._people: dict[str, str] = {}
        self._directs: dict[str, list[str]] = {}
        self._inside: set[str] = set()
        self.invitations: dict[str, tuple[str, bool]] = {}
        """Rooms that the bot was invited to and has not looked into: by whom, and whether as pair talk."""
        self.known = False
        self.encrypted: set[str] = set()
        """Rooms in which nothing of ours may stand, for all else there is encrypted."""
        self.replaced: dict[str, str] = {}
        """Rooms that have ended, and those in which people go on."""
        self.ended: dict[str, str] = {}
        """The same, where the bot has not come into the new one yet."""
        self.untold: set[str] = set()
        """Encrypted rooms in which people have not been told what that means."""
        self.unsaved = False
        """Whether the pair talks stand in another order than was saved."""
        self._mute: set[str] = set()

    def learn(self, directs: Mapping[str, Any]) -> None:
        """Take over the account data `m.direct`: the rooms of each person, the one to write to first."""
        self.known = True
        for person, rooms in directs.items():
            for room in rooms if isinstance(rooms, list) else ():
                self.add_direct(person, str(room))

    def directs(self) -> dict[str, list[str]]:
        """The account data `m.direct`."""
        return {person: list(rooms) for person, rooms in self._directs.items()}

    def note_invitation(self, event: Any, bot: str, room: str | None = None) -> bool:
        """Note an event by which the bot is invited, and say whether it is one. `room` where it does not tell."""
        match event:
            case {
                "type": "m.room.member",
                "state_key": str(invited),
                "sender": str(by),
                "content": {"membership": "invite", **more},
            } if invited == bot:
                self.invitations[room or str(event.get("room_id"))] = (by, more.get("is_direct") is True)
                return True
        return False

    def add_direct(self, person: str, room: str, *, first: bool = False) -> bool:
        """A room is the pair talk with a person; whether that is new."""
        rooms = self._directs.setdefault(person, [])
        if room in rooms:
            return False
        rooms.insert(0 if first else len(rooms), room)
        self._people[room] = person
        return True

    def drop_direct(self, room: str) -> None:
        """The bot is in this room no longer."""
        self._rooms.pop(room, None)
        person = self._people.pop(room, None)
        if person is not None:
            self._directs[person].remove(room)

    def direct(self, person: str) -> str | None:
        """Where the person is written to: the pair talk in which they spoke last, if the bot may speak there."""
        return next((room for room in self._directs.get(person, ()) if room not in self._mute), None)

    def prefer(self, person: str, room: str) -> None:
        """Somebody speaks to us in this one of their pair talks."""
        rooms = self._directs.get(person, [])
        if room in self._mute or room not in rooms or rooms[0] == room:
            return
        rooms.remove(room)
        rooms.insert(0, room)
        self.unsaved = True

    def mute(self, room: str) -> None:
        """The bot may not speak here, or had better not: their other pair talks come first from now on."""
        self._mute.add(room)
        self.step_back(room)

    def is_mute(self, room: str) -> bool:
        """Whether nothing is said here."""
        return room in self._mute

    def step_back(self, room: str) -> None:
        """Other pair talks of the same person come first."""
        rooms = self._directs.get(self._people.get(room, ""), [])
        if room in rooms and rooms[-1] != room:
            rooms.remove(room)
            rooms.append(room)
            self.unsaved = True

    def encrypt(self, room: str) -> None:
        """A room is encrypted from now on."""
        if room not in self.encrypted:
            self.encrypted.add(room)
            self.untold.add(room)
        self.mute(room)

    def end(self, room: str, replacement: str) -> None:
        """People go on in another room, into which the bot has still to come."""
        if room != replacement and self.current(replacement) != room and room not in self.replaced:
            self.ended[room] = replacement

    def replace(self, room: str, replacement: str) -> None:
        """The bot is in the new room, which is whose the old one was."""
        self.ended.pop(room, None)
        self.replaced[room] = replacement
        person = self._people.get(room)
        if person is not None:
            self.mute(room)
            self.add_direct(person, replacement, first=True)
            self.unsaved = True

    def current(self, room: str) -> str:
        """The room that stands in the place of this one now; itself, if none does."""
        for _ in range(len(self.replaced)):
            if room not in self.replaced:
                break
            room = self.replaced[room]
        return room

    def upheaval(self) -> dict[str, Any]:
        """What is to be remembered of rooms that were encrypted or replaced."""
        return {"encrypted": sorted(self.encrypted), "replaced": self.replaced}

    def recall(self, kept: Mapping[str, Any]) -> None:
        """Take over what `upheaval` gave once; after `learn`."""
        replaced, encrypted = kept.get("replaced"), kept.get("encrypted")
        for old, new in replaced.items() if isinstance(replaced, dict) else ():
            if isinstance(new, str) and old != new:
                self.replaced[str(old)] = new
                self.mute(str(old))
        for room in encrypted if isinstance(encrypted, list) else ():
            self.encrypted.add(str(room))
            self.mute(str(room))

    def person(self, room: str) -> str | None:
        """Whose pair talk a room is; None for a room of several."""
        return self._people.get(room)

    def is_inside(self, person: str) -> bool:
        """Whether somebody is known to be in their pair talk, or invited."""
        return person in self._inside

    def moved(self, person: str, *, inside: bool) -> None:
        """Somebody has come into their pair talk, or has left it."""
        if inside:
            self._inside.add(person)
        else:
            self._inside.discard(person)

    def __getitem__(self, room: str) -> Room:
        found = self._rooms.get(room)
        if found is None:
            found = self._rooms[room] = Room(room)
        return found
