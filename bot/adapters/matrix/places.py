"""Where the bot speaks: rooms that it makes, pair talk with each person, and who is in them.

A room is named by an alias made of its key: after a crash the same key finds the room that is already there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from bot.adapters.matrix import wire
from bot.adapters.matrix.homeserver import Homeserver, MatrixProblem
from bot.adapters.matrix.rooms import Rooms
from bot.texts import Texts

log = structlog.get_logger(__name__)

_AT_ONCE = 4
UPHEAVAL = "kairanban.rooms"
OWN_TALKS = 5
"""Pair talks that are made with one person, one after the other, should the bot be kept from speaking in each."""
_INSIDE = frozenset({"join", "invite"})


class Places:
    """Rooms of the bot `user`."""

    def __init__(self, homeserver: Homeserver, user: str, rooms: Rooms, texts: Texts | None = None) -> None:
        self._texts = texts or Texts("bot")
        self._homeserver = homeserver
        self._user = user
        self._localpart, _, self._server = user[1:].partition(":")
        self._rooms = rooms
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._saving = asyncio.Lock()
        self._saved: dict[str, list[str]] | None = None
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    # ------------------------------------------------------------- pair talk

    async def direct(self, person: str) -> str:
        """The room of the pair talk with a person, who is in it or invited; made if there is none."""
        room = self._rooms.direct(person)
        if room is not None and self._rooms.is_inside(person):
            if self._rooms.unsaved:
                await self._save_directs()
            return room
        async with self._making[person]:
            room = self._rooms.direct(person)
            if room is None:
                room = await self._make_direct(person)
            elif not self._rooms.is_inside(person):
                await self._make_sure_of(person, room)
            self._rooms.moved(person, inside=True)
        await self._save_directs()
        return room

    async def _make_direct(self, person: str) -> str:
        await self._look_for(person)
        wishes = {"is_direct": True, "invite": [person], "preset": "private_chat"}
        for key in (f"direct {person}", *(f"direct {person} {number}" for number in range(2, OWN_TALKS + 1))):
            room, is_new = await self._make(key, wishes)
            if not self._rooms.is_mute(room):
                break
        if is_new:
            self._rooms[room].load((), b"")  # nothing has been said there yet
        else:
            await self._make_sure_of(person, room)
        self._rooms.add_direct(person, room, first=True)
        return room

    async def _look_for(self, person: str) -> None:
        """Raise `MatrixProblem` if the homeserver knows nobody of this id."""
        # Synapse would invite somebody who does not exist, and a typing mistake in the roster would never show.
        try:
            # The name alone: of the whole profile, Synapse also says 404 for somebody who has left it empty.
            await self._homeserver.call("GET", "profile", person, "displayname")
        except MatrixProblem as problem:
            # Where profiles are hidden from strangers, this is said of everybody; the invitation will tell.
            if problem.errcode != "M_FORBIDDEN":
                raise

    async def _make_sure_of(self, person: str, room: str) -> None:
        """Invite somebody who has left the pair talk, or never was in it."""
        try:
            state = await self._homeserver.call("GET", "rooms", room, "state", wire.MEMBER, person)
        except MatrixProblem as problem:
            if problem.errcode != "M_NOT_FOUND":
                raise
            state = {}
        if state.get("membership") not in _INSIDE:
            await self._invite(room, person)

    async def _save_directs(self) -> None:
        """Keep the list of pair talks where clients keep theirs; those who wait share one write."""
        async with self._saving:
            self._rooms.unsaved = False
            directs = self._rooms.directs()
            if directs != self._saved:
                await self._homeserver.call("PUT", "user", self._user, "account_data", "m.direct", body=directs)
                self._saved = directs

    async def answer_invitations(self) -> bool:
        """Join where people of our own server invite us, but no room that we cannot read; whether there was any."""
        answered = bool(self._rooms.invitations)
        for room, (person, direct) in list(self._rooms.invitations.items()):
            try:
                await self._answer(room, person, direct=direct)
            except MatrixProblem as problem:
                if problem.is_passing:
                    raise
                log.warning("matrix.invitation_failed", room=room, error=str(problem))  # taken back meanwhile, perhaps
            del self._rooms.invitations[room]
        return answered

    async def _answer(self, room: str, person: str, *, direct: bool) -> None:
        if person.partition(":")[2] != self._server:
            log.info("matrix.stranger_declined", room=room, person=person)
            await self._homeserver.call("POST", "rooms", room, "leave", body={})
            return
        # Where invitations are accepted by themselves, the server has joined us already, and this changes nothing.
        await self._homeserver.call("POST", "rooms", room, "join", body={})
        if await self._homeserver.call_unless("M_NOT_FOUND", "GET", "rooms", room, "state", "m.room.encryption", ""):
            log.info("matrix.encrypted_room_left", room=room, person=person)
            await self._homeserver.call("POST", "rooms", room, "leave", body={})
            if direct:
                await self.direct(person)  # here we can talk
            return
        if await self._take_over(room):
            return
        if direct and self._rooms.add_direct(person, room):
            await self._save_directs()

    # ------------------------------------------- what changes under our feet

    async def settle(self) -> None:
        """Come into the rooms that have replaced others, and tell people where a room was encrypted."""
        for old, new in list(self._rooms.ended.items()):
            try:
                await self._homeserver.call("POST", "rooms", new, "join", body={})
            except MatrixProblem as problem:
                if problem.is_passing:
                    raise
                # Somebody will invite us, as clients do for everybody; until then we speak in a room of our own.
                log.info("matrix.replacement_closed", room=old, replacement=new, error=str(problem))
                del self._rooms.ended[old]
                self._rooms.mute(old)
                continue
            await self._move(old, new)
        for room in list(self._rooms.untold):
            await self._tell_of_encryption(room)
            self._rooms.untold.discard(room)

    async def find_replacement(self, room: str) -> bool:
        """Whether another room has taken the place of this one, as its own state says, and the bot is in it now."""
        state = await self._homeserver.call_unless("M_NOT_FOUND", "GET", "rooms", room, "state", wire.TOMBSTONE, "")
        replacement = state.get("replacement_room")
        if not isinstance(replacement, str) or not replacement:
            return False
        self._rooms.end(room, replacement)
        await self.settle()
        return self._rooms.current(room) != room

    async def _take_over(self, room: str) -> bool:
        """Whether this new room stands in the place of one of ours: both of them have to say so."""
        create = await self._homeserver.call_unless("M_NOT_FOUND", "GET", "rooms", room, "state", "m.room.create", "")
        before = create.get("predecessor")
        old = before.get("room_id") if isinstance(before, dict) else None
        if not isinstance(old, str) or not old:
            return False
        try:
            end = await self._homeserver.call("GET", "rooms", old, "state", wire.TOMBSTONE, "")
        except MatrixProblem as problem:
            if problem.is_passing:
                raise
            return False
        if end.get("replacement_room") != room:
            return False
        was_direct = self._rooms.person(old) is not None
        await self._move(old, room)
        return was_direct

    async def _move(self, old: str, new: str) -> None:
        if await self._homeserver.call_unless("M_NOT_FOUND", "GET", "rooms", new, "state", wire.ENCRYPTION, ""):
            self._rooms.encrypt(new)
        self._rooms.replace(old, new)
        log.info("matrix.room_replaced", room=old, replacement=new)
        await self._save_upheaval()
        if self._rooms.person(new) is not None:
            await self._save_directs()

    async def _tell_of_encryption(self, room: str) -> None:
        """Say in clear, once, what must not be found out by silence; and open a talk that can be read."""
        await self._save_upheaval()
        content = {"msgtype": "m.text", "body": self._texts("matrix.encrypted")}
        key = hashlib.sha256(f"encrypted {room}".encode()).hexdigest()[:40]
        person = self._rooms.person(room)
        try:
            await self._homeserver.call("PUT", "rooms", room, "send", wire.MESSAGE, key, body=content)
            if person is not None:
                await self.direct(person)
        except MatrixProblem as problem:
            if problem.is_passing:
                raise
            log.warning("matrix.encryption_not_told", room=room, error=str(problem))

    async def _save_upheaval(self) -> None:
        upheaval = self._rooms.upheaval()
        await self._homeserver.call("PUT", "user", self._user, "account_data", UPHEAVAL, body=upheaval)

    async def recall(self) -> None:
        """Learn again which rooms were encrypted or replaced."""
        kept = await self._homeserver.call_unless("M_NOT_FOUND", "GET", "user", self._user, "account_data", UPHEAVAL)
        self._rooms.recall(kept)

    # ---------------------------------------------------------------- rooms

    async def create(self, title: str, members: Sequence[str], *, key: str) -> str:
        """A room with these members; the same key gives the same room."""
        # Whoever is invited sees what was said since; whoever joins later sees no old alarm that looks new.
        history = {"type": "m.room.history_visibility", "content": {"history_visibility": "invited"}}
        room, is_new = await self._make(
            f"room {key}",
            {"name": title, "invite": list(members), "preset": "private_chat", "initial_state": [history]},
        )
        room = self._rooms.current(room)
        if not is_new:
            await self.bring_in(room, members)
        return room

    async def _make(self, key: str, wishes: Mapping[str, Any]) -> tuple[str, bool]:
        """The room of a key, and whether it was made just now."""
        alias = f"{self._localpart}_{hashlib.sha256(key.encode()).hexdigest()[:24]}"
        try:
            made = await self._homeserver.call(
                "POST", "createRoom", body={**wishes, "room_alias_name": alias}, patience=12
            )
        except MatrixProblem as problem:
            if problem.errcode != "M_ROOM_IN_USE":
                raise
            found = await self._homeserver.call("GET", "directory", "room", f"#{alias}:{self._server}")
            return str(found["room_id"]), False
        return str(made["room_id"]), True

    async def members(self, room: str) -> list[str]:
        """Who is in a room or invited, without the bot."""
        room = self._rooms.current(room)
        answer = await self._homeserver.call("GET", "rooms", room, "members", query={"not_membership": "leave"})
        return [
            event["state_key"]
            for event in answer["chunk"]
            if event["content"].get("membership") in _INSIDE and event["state_key"] != self._user
        ]

    async def bring_in(self, room: str, members: Sequence[str]) -> None:
        """Invite those who are not in the room."""
        room = self._rooms.current(room)
        present = set(await self.members(room)) if members else set()
        await self._all(self._invite(room, person) for person in members if person not in present)

    async def take_out(self, room: str, members: Sequence[str]) -> None:
        """Remove those who are in the room."""
        room = self._rooms.current(room)
        present = set(await self.members(room)) if members else set()
        await self._all(
            self._homeserver.call("POST", "rooms", room, "kick", body={"user_id": person})
            for person in members
            if person in present
        )

    async def _invite(self, room: str, person: str) -> None:
        await self._homeserver.call("POST", "rooms", room, "invite", body={"user_id": person})

    async def _all(self, calls: Any) -> None:
        """Make all calls, a few at once; the first failure is raised when they are done."""

        async def one(call: Any) -> None:
            async with self._at_once:
                await call

        results = await asyncio.gather(*map(one, calls), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
