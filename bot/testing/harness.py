"""A bot under test: real router, inbox, database, workers and outbox; only the platform and the clock are play.

    async with Harness(router, members=[Entry("0001", "青木 花子", "総務課", addresses={"fake": "alice"})]) as harness:
        reply = await harness.say("alice", "/ping")
        assert reply.text == "pong"

Every call returns once all is quiet again, so a test needs no waiting of its own. Time passes only in `advance`.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from bot.activity import Activity
from bot.alarms import Alarms
from bot.app import Bot
from bot.clock import TOKYO, ManualClock
from bot.directory import Entry, save
from bot.dispatch import DispatchPolicy
from bot.events import ButtonPressed, Event, MessageRead, MessageReceived
from bot.inbox import SqliteInbox
from bot.outbox import Outbox
from bot.router import Router
from bot.serving import serving
from bot.testing.blank import blank_database
from bot.testing.platform import FakePlatform, SentMessage
from bot.texts import Texts

START = datetime(2023, 7, 3, 9, 0, tzinfo=TOKYO)
"""A Monday morning at the office."""


class Harness:
    """The pipeline on a temporary folder.

    `router` may be a function from the harness to a router, for handlers that need `harness.database` or
    `harness.outbox`: `Harness(lambda harness: build_router(Broadcasts(harness.database, harness.outbox)))`.
    """

    def __init__(
        self,
        router: Router | Callable[[Harness], Router],
        *,
        members: Iterable[Entry] = (),
        start: datetime = START,
        texts: Texts | None = None,
        policy: DispatchPolicy | None = None,
    ) -> None:
        self._router = router
        self._members = list(members)
        self._texts = texts
        self._policy = policy
        self._numbers = count(1)
        self._parts = AsyncExitStack()
        self.clock = ManualClock(start)
        self.activity = Activity()
        self.platform = FakePlatform(self.clock)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as parts:
            await self._open(parts)
            self._parts = parts.pop_all()
        await self.idle()
        return self

    async def _open(self, parts: AsyncExitStack) -> None:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="kairanban-harness-")))
        self.database = await blank_database(folder / "kairanban.sqlite3")
        parts.push_async_callback(self.database.close)
        async with self.database.transaction() as db:
            await save(db, self._members)
        self.inbox = SqliteInbox(folder / "inbox.sqlite3", self.clock, durability="process")
        await self.inbox.open()
        parts.push_async_callback(self.inbox.close)
        self.outbox = Outbox(
            self.database,
            {self.platform.name: self.platform},
            self.clock,
            self.activity,
            random=Random(0),  # noqa: S311 - the same waits between retries in every run
        )
        self.alarms = Alarms(
            self.database,
            self.outbox,
            [self.platform.name],
            self.clock,
            self.activity,
            self._texts or Texts("bot"),
        )
        router = self._router if isinstance(self._router, Router) else self._router(self)
        self.bot = Bot(
            router,
            [self.platform],
            database=self.database,
            inbox=self.inbox,
            outbox=self.outbox,
            clock=self.clock,
            activity=self.activity,
            texts=self._texts,
            policy=self._policy,
        )
        await parts.enter_async_context(self.bot)
        await self.alarms.start()
        parts.push_async_callback(self.alarms.stop)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._parts.aclose()

    # ------------------------------------------------------------ what people do

    async def say(self, person: str, text: str, *, room: str | None = None) -> SentMessage:
        """Somebody writes to the bot, in pair talk or in `room`; the last message they got there in answer.

        AssertionError if there was none; where silence is right, use `post`.
        """
        answers = await self.post(person, text, room=room)
        assert answers, f"There was no answer to {text!r}."
        return answers[-1]

    async def post(self, person: str, text: str, *, room: str | None = None) -> list[SentMessage]:
        """Like `say`, with every answer in that conversation, which may be none."""
        return await self._answers(
            MessageReceived(
                adapter=self.platform.name,
                key=self._number("e"),
                conversation=room or person,
                direct=room is None,
                occurred_at=self.clock.now(),
                sender=person,
                message_id=self._number("in"),
                text=text,
            )
        )

    async def press(self, person: str, message: SentMessage, button: str) -> list[SentMessage]:
        """Somebody presses a button of a message, named by its label or its data; the answers they get."""
        data = next((b.data for b in message.buttons if button in {b.label, b.data}), None)
        assert data is not None, f"The message has no button {button!r}, only {[b.label for b in message.buttons]}."
        direct = message.address.kind == "person"
        return await self._answers(
            ButtonPressed(
                adapter=self.platform.name,
                key=self._number("e"),
                conversation=person if direct else message.address.id,
                direct=direct,
                occurred_at=self.clock.now(),
                sender=person,
                message_id=message.id,
                data=data,
            )
        )

    async def read(self, person: str, message: SentMessage) -> None:
        """Somebody reads a message of the bot."""
        direct = message.address.kind == "person"
        await self.receive(
            MessageRead(
                adapter=self.platform.name,
                key=self._number("e"),
                conversation=person if direct else message.address.id,
                direct=direct,
                occurred_at=self.clock.now(),
                reader=person,
                message_id=message.id,
            )
        )

    async def receive(self, *events: Event) -> None:
        """Any events, as if a webhook had brought them."""
        await self.bot.take(events)
        await self.idle()

    # ---------------------------------------------------------- what is to be seen

    @property
    def sent(self) -> list[SentMessage]:
        """Everything the platform got, in its order."""
        return self.platform.sent

    def sent_to(self, address_id: str) -> Sequence[SentMessage]:
        """What a person or a room got."""
        return [message for message in self.sent if message.address.id == address_id]

    async def idle(self) -> None:
        """Return when all is quiet."""
        await self.activity.idle()

    async def advance(self, duration: timedelta) -> None:
        """Let time pass, halting at every moment that somebody waits for until all is quiet again."""
        await self.idle()
        end = self.clock.now() + duration
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.idle()
        self.clock.advance_to(end)
        await self.idle()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The bot's web application on a free loopback port; gives its address."""
        async with serving(self.bot.web_server(), "127.0.0.1", 0) as port:
            yield f"http://127.0.0.1:{port}"

    async def _answers(self, event: Event) -> list[SentMessage]:
        before = len(self.sent)
        await self.receive(event)
        return [message for message in self.sent[before:] if message.address.id == event.conversation]

    def _number(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers)}"
