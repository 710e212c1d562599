"""The one argument of a handler: what happened, and the means to answer.

Nothing leaves the house while a handler runs. Replies are kept here and put into the outbox by the same commit that
holds the handler's own changes and the event's key: all of it happens, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import handled
from bot.clock import Clock
from bot.directory import Member, member_at
from bot.events import BaseEvent, ButtonPressed, MemberJoined, MemberLeft, MessageRead, MessageReceived
from bot.messages import Address, Button, Message, Priority
from bot.outbox import Outbox
from bot.storage import Database
from bot.unreachable import mark_reachable

E_co = TypeVar("E_co", bound=BaseEvent, covariant=True)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    address: Address
    message: Message
    key: str
    priority: Priority
    topic: str | None
    due_at: datetime | None
    reply_token: str | None


class AlreadyHandled(Exception):
    """Somebody else's commit holds this event's effects; ours must not."""


class Context(Generic[E_co]):
    """What a handler is given.

    `command` is the name of the command, without its slash, in small letters and normal width, or None; `arguments`
    is what follows it as typed, or what follows the prefix in a button's data.
    """

    def __init__(
        self,
        event: E_co,
        *,
        clock: Clock,
        database: Database,
        outbox: Outbox,
        stack: AsyncExitStack,
        command: str | None = None,
        arguments: str = "",
    ) -> None:
        self.event = event
        self.clock = clock
        self.command = command
        self.arguments = arguments
        self._database = database
        self._outbox = outbox
        self._stack = stack
        self._connection: AsyncConnection | None = None
        self._outgoing: list[_Outgoing] = []
        self._callbacks: list[Callable[[], None]] = []
        self._member: Member | None = None
        self._asked_for_member = False

    @property
    def address(self) -> Address:
        """Where a reply goes: the person in pair talk, the room otherwise."""
        return Address(
            adapter=self.event.adapter, kind="person" if self.event.direct else "room", id=self.event.conversation
        )

    @property
    def actor(self) -> str | None:
        """The platform's id of the person who did it, or None where the event names nobody."""
        match self.event:
            case MessageReceived(sender=person) | ButtonPressed(sender=person):
                return person
            case MessageRead(reader=person):
                return person
            case MemberJoined(member=person) | MemberLeft(member=person):
                return person
        return None

    async def db(self) -> AsyncConnection:
        """The write transaction of this event, opened on first use.

        On SQLite nobody else writes until the handler returns, and others' handlers may share its commit: look and
        wait first, write last, and never wait for a network in between.
        """
        if self._connection is None:
            self._connection = await self._stack.enter_async_context(self._database.transaction(shared=True))
        return self._connection

    async def member(self) -> Member | None:
        """The member of staff who did it, or None for a stranger."""
        if not self._asked_for_member and (actor := self.actor) is not None:
            if self._connection is not None:
                self._member = await member_at(self._connection, self.event.adapter, actor)
            else:
                async with self._database.snapshot() as db:
                    self._member = await member_at(db, self.event.adapter, actor)
        self._asked_for_member = True
        return self._member

    async def reply(self, text: str, buttons: Sequence[Button] = (), reference: str | None = None) -> None:
        """Answer where the event came from; sent after the commit."""
        await self.send(self.address, Message(text=text, buttons=tuple(buttons), reference=reference), topic=reference)

    async def send(
        self,
        address: Address,
        message: Message,
        *,
        priority: Priority = Priority.REPLY,
        key: str | None = None,
        topic: str | None = None,
        due_at: datetime | None = None,
    ) -> None:
        """Send `message` after the commit, not before `due_at`.

        `key` makes the delivery unique for ever; without one it is unique to this event and its place among the
        event's messages, so that a handler that is tried again sends nothing twice.
        """
        if key is None:
            key = f"reply:{self.event.adapter}:{self.event.key}:{len(self._outgoing)}"
        # A token is good for one answer, where its event came from; what comes after it goes the usual way.
        first = not self._outgoing and due_at is None and address == self.address
        token: str | None = None
        if first and isinstance(self.event, MessageReceived | ButtonPressed | MemberJoined):
            token = self.event.reply_token
        self._outgoing.append(_Outgoing(address, message, key, priority, topic, due_at, token))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once everything is committed; never if the handler fails."""
        self._callbacks.append(callback)

    async def start_over(self) -> None:
        """Take back everything that was begun here: changes, replies and callbacks. For a handler that refuses."""
        if self._connection is not None:
            await self._database.roll_back(self._connection)
        self._outgoing.clear()
        self._callbacks.clear()

    async def finish(self) -> None:
        """For the dispatcher: write the event's key and the replies. Raises `AlreadyHandled`."""
        db = await self.db()
        if not await handled.record(db, [self.event], self.clock.now()):
            raise AlreadyHandled(self.event.key)
        if self._member is not None and not self._member.reachable:
            await self._note_alive(db)
        for item in self._outgoing:
            await self._outbox.enqueue(
                db,
                item.address,
                item.message,
                key=item.key,
                priority=item.priority,
                topic=item.topic,
                due_at=item.due_at,
                reply_token=item.reply_token,
            )
        for callback in self._callbacks:
            self._database.after_commit(db, callback)

    async def _note_alive(self, db: AsyncConnection) -> None:
        """Whoever speaks to us at an address is there, though it has refused a message before."""
        if isinstance(self.event, MessageReceived | ButtonPressed):
            await mark_reachable(db, self.event.adapter, self.event.sender)
