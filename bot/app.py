"""The bot: all parts joined, started and stopped in the right order.

Ten lines are enough for one:

    from bot import Bot, Context, Router
    from bot.adapters.terminal import Terminal
    from bot.events import MessageReceived

    router = Router()

    @router.command("ping", help="pong と返します / answers pong")
    async def ping(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("pong")

    Bot(router, adapters=[Terminal()]).run()
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web
from sqlalchemy import func, select

from bot.activity import Activity
from bot.adapter import Adapter, Listens
from bot.clock import Clock, SystemClock
from bot.database_health import DatabaseHealth
from bot.dispatch import Dispatcher, DispatchPolicy
from bot.errors import ConfigurationError
from bot.events import Event
from bot.help import with_help
from bot.inbox import Inbox, Record, SqliteInbox
from bot.metrics import Metrics
from bot.outbox import Outbox
from bot.readiness import Check, mute_sender
from bot.router import Router
from bot.serving import serving
from bot.storage import Database
from bot.tables import deliveries
from bot.texts import Texts
from bot.web import BODY_LIMIT, build_server

log = structlog.get_logger(__name__)


class Bot:
    """A router, the platforms it speaks on, and everything between them.

    Without `database` and `inbox` the bot keeps both in the folder `storage` (`kairanban.sqlite3`, `inbox.sqlite3`)
    and makes missing tables itself; without `storage` either, in a temporary folder that goes when it stops, which is
    enough to try things out. A database or inbox that is handed in belongs to the caller: its tables are there, and
    the caller closes it.
    """

    def __init__(
        self,
        router: Router,
        adapters: Sequence[Adapter],
        *,
        storage: Path | str | None = None,
        database: Database | None = None,
        inbox: Inbox | None = None,
        outbox: Outbox | None = None,
        clock: Clock | None = None,
        activity: Activity | None = None,
        texts: Texts | None = None,
        policy: DispatchPolicy | None = None,
        body_limit: int = BODY_LIMIT,
        given_up: Callable[[Record], None] = lambda record: None,
    ) -> None:
        names = [adapter.name for adapter in adapters]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"Each adapter needs a name of its own; given were {', '.join(names)}.")
        self.clock = clock or SystemClock()
        self.activity = activity or Activity()
        self.metrics = Metrics()
        self.adapters = {adapter.name: adapter for adapter in adapters}
        self.texts = texts or Texts("bot")
        self.router = with_help(router, self.texts)
        self._policy = policy or DispatchPolicy()
        self._body_limit = body_limit
        self._given_up = given_up
        self._storage = storage
        self._given_database, self._given_inbox, self._given_outbox = database, inbox, outbox
        self._parts: AsyncExitStack | None = None
        self._listeners: list[asyncio.Task[None]] = []

    # ---------------------------------------------------------------- life

    async def start(self) -> None:
        """Open everything and begin to work. What was opened is closed again if something cannot be."""
        async with AsyncExitStack() as parts:
            await self._open(parts)
            self._parts = parts.pop_all()

    async def _open(self, parts: AsyncExitStack) -> None:
        storage = self._storage
        if storage is None and (self._given_database is None or self._given_inbox is None):
            storage = parts.enter_context(tempfile.TemporaryDirectory(prefix="kairanban-"))
        if self._given_database is None:
            assert storage is not None
            await asyncio.to_thread(Path(storage).mkdir, parents=True, exist_ok=True)
            self.database = Database.open(f"sqlite+aiosqlite:///{Path(storage) / 'kairanban.sqlite3'}")
            parts.push_async_callback(self.database.close)
            await self.database.create_tables()
        else:
            self.database = self._given_database
        if self._given_inbox is None:
            assert storage is not None
            self.inbox: Inbox = SqliteInbox(Path(storage) / "inbox.sqlite3", self.clock)
            await self.inbox.open()
            parts.push_async_callback(self.inbox.close)
        else:
            self.inbox = self._given_inbox
        self.metrics.watch_backlog(lambda: self.inbox.backlog)
        for adapter in self.adapters.values():
            await adapter.open()
            parts.push_async_callback(adapter.close)
        self.outbox = self._given_outbox or Outbox(self.database, self.adapters, self.clock, self.activity)
        self.health = DatabaseHealth(self.database, self.clock, self._policy.database_pause)
        self.health.on_change(self._ring_when_well)
        self.outbox.on_trouble(self.health.note)
        self.dispatcher = Dispatcher(
            self.router,
            inbox=self.inbox,
            database=self.database,
            outbox=self.outbox,
            clock=self.clock,
            activity=self.activity,
            texts=self.texts,
            metrics=self.metrics,
            policy=self._policy,
            health=self.health,
            given_up=self._given_up,
        )
        await self.outbox.start()
        parts.push_async_callback(self.outbox.stop)
        await self.dispatcher.start()
        parts.push_async_callback(self.dispatcher.stop)
        listening = [adapter for adapter in self.adapters.values() if isinstance(adapter, Listens)]
        self._listeners = [asyncio.create_task(adapter.listen(self.take)) for adapter in listening]
        parts.push_async_callback(self._stop_listening)

    async def stop(self) -> None:
        """Stop working and give everything back; what is unfinished goes on at the next start."""
        if self._parts is not None:
            parts, self._parts = self._parts, None
            await parts.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)

    # ---------------------------------------------------------------- work

    async def take(self, events: Sequence[Event]) -> None:
        """Put events into the inbox, as a webhook would; returns once they are on disk."""
        new = await self.inbox.append(events)
        for event in events:
            self.metrics.events.labels(event.adapter, event.type, "received").inc()
        if new < len(events):
            self.metrics.events.labels(events[0].adapter, "any", "repeated").inc(len(events) - new)

    async def idle(self) -> None:
        """Return when nothing is under way: every event that is due is handled and every message that is due sent."""
        await self.activity.idle()

    def web_server(self) -> web.Server:
        """aiohttp's server with the webhooks, `/healthz`, `/readyz` and `/metrics`; the bot must be started."""
        return build_server(
            list(self.adapters.values()),
            self.inbox,
            self.clock,
            self.metrics,
            checks=self.checks,
            refresh=self._count,
            remarks=self._platforms,
            body_limit=self._body_limit,
        )

    @property
    def checks(self) -> Mapping[str, Check]:
        """Whether each part can do its work; the bot must be started."""
        return {
            "database": self.health.readiness,
            "inbox": self.inbox.readiness,
            "dispatch": self._dispatch_alive,
            "outbox": self._outbox_sends,
        }

    async def _dispatch_alive(self) -> str | None:
        return None if self.dispatcher.is_alive else "a loop has ended; the log says why. Start the bot again."

    async def _outbox_sends(self) -> str | None:
        if not self.outbox.is_alive:
            return "a sender has ended; the log says why. Start the bot again."
        return await mute_sender(self.database, self.outbox, self.clock)

    def _ring_when_well(self, reason: str | None) -> None:
        if reason is None:
            self.outbox.ring()

    def _platforms(self) -> list[str]:
        """How each platform stands, a line each."""
        return [
            f"platform {name}: ok"
            if standing.since is None
            else f"platform {name}: {standing.state} since {standing.since:%Y-%m-%d %H:%M:%S} UTC"
            for name, standing in self.outbox.standings.items()
        ]

    async def _count(self) -> None:
        for name, standing in self.outbox.standings.items():
            self.metrics.platform_up.labels(name).set(not standing.is_down)
        self.metrics.failed.set(await self.inbox.count_failed())
        table = deliveries.c
        async with self.database.snapshot() as db:
            rows = await db.execute(
                select(table.adapter, table.state, func.count()).group_by(table.adapter, table.state)
            )
            counts = rows.all()
        self.metrics.deliveries.clear()
        for adapter, state, count in counts:
            self.metrics.deliveries.labels(adapter, state).set(count)

    # ----------------------------------------------------------------- run

    def run(self, *, host: str = "127.0.0.1", port: int | None = None) -> None:
        """Start, work until the end, and stop: the whole life of a small bot in one call.

        With `port` the webhooks are served there until SIGINT or SIGTERM. Without, the bot works until its listening
        adapters have no more to say and everything is answered: until the end of input in a terminal.
        """
        if port is None and not any(isinstance(adapter, Listens) for adapter in self.adapters.values()):
            raise ConfigurationError("None of the adapters listens by itself. Serve webhooks: Bot(...).run(port=8080).")
        if not structlog.is_configured():
            _log_no_variables()
        with suppress(KeyboardInterrupt):
            asyncio.run(self._run(host, port))

    async def _run(self, host: str, port: int | None) -> None:
        async with self:
            ending = asyncio.Event()
            loop = asyncio.get_running_loop()
            with suppress(NotImplementedError):  # Windows has no signal handlers in the loop
                loop.add_signal_handler(signal.SIGTERM, ending.set)
            if port is None:
                async with asyncio.TaskGroup() as tasks:
                    end = tasks.create_task(self._listened(ending))
                    await ending.wait()
                    end.cancel()
            else:
                async with serving(self.web_server(), host, port):
                    await ending.wait()

    async def _listened(self, ending: asyncio.Event) -> None:
        """Set `ending` once every listener has no more to say and all is answered."""
        await asyncio.gather(*self._listeners)
        await self.idle()
        ending.set()


def _log_no_variables() -> None:
    """structlog's own choice shows the variables of every frame under an error, and tokens may be among them."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])
