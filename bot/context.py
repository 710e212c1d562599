"""The one argument of a handler: what happened, and the means to answer.

Nothing leaves the house while a handler runs. Replies are kept here and put into the outbox by the same commit that
holds the handler's own changes and the event's key: all of it happens, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.directory import Member, member_at
from bot.endings import Ending, Endings
from bot.events import BaseEvent, ButtonPressed, MemberJoined, MemberLeft, MessageRead, MessageReceived
from bot.messages import Address, Button, Message, Priority, Typed
from bot.outbox import Outgoing
from bot.storage import Database

E_co = TypeVar("E_co", bound=BaseEvent, covariant=True)


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
        endings: Endings,
        stack: AsyncExitStack,
        command: str | None = None,
        arguments: str = "",
    ) -> None:
        self.event = event
        self.clock = clock
        self.command = command
        self.arguments = arguments
        self._database = database
        self._endings = endings
        self._stack = stack
        self._connection: AsyncConnection | None = None
        self._ending = Ending(event)
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

    async def reply(
        self, text: str, buttons: Sequence[Button] = (), reference: str | None = None, *, typed: Typed = "choices"
    ) -> None:
        """Answer where the event came from; sent after the commit. `typed`: as in `Message`."""
        message = Message(text=text, buttons=tuple(buttons), reference=reference, typed=typed)
        await self.send(self.address, message, topic=reference)

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
            key = f"reply:{self.event.adapter}:{self.event.key}:{len(self._ending.outgoing)}"
        # A token is good for one answer, where its event came from; what comes after it goes the usual way.
        first = not self._ending.outgoing and due_at is None and address == self.address
        token: str | None = None
        if first and isinstance(self.event, MessageReceived | ButtonPressed | MemberJoined):
            token = self.event.reply_token
        self._ending.outgoing.append(Outgoing(address, message, key, priority, topic, due_at, token))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once everything is committed; never if the handler fails."""
        self._ending.callbacks.append(callback)

    async def start_over(self) -> None:
        """Take back everything that was begun here: changes, replies and callbacks. For a handler that refuses."""
        if self._connection is not None:
            await self._database.roll_back(self._connection)
        self._ending = Ending(self.event)

    async def finish(self) -> None:
        """For the dispatcher: write the event's key and the replies. Raises `AlreadyHandled`."""
        speaks = isinstance(self.event, MessageReceived | ButtonPressed)
        if speaks and self._member is not None and not self._member.reachable:
            self._ending.alive = self.actor
        if self._connection is None:
            await self._endings.write(self._ending)
        else:
            await self._endings.write_with(self._connection, self._ending)
