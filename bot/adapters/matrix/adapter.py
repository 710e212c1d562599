"""Matrix: an application service on a homeserver such as Synapse, speaking as one user of its namespace.

The homeserver puts transactions to `/webhooks/matrix/_matrix/app/v1/transactions/…`: `/webhooks/matrix` stands at the
end of the registration's `url`. Their ids say nothing, because Synapse on SQLite begins to count anew at every start:
an event's own id is its key. `Matrix.listen` fetches what never arrived.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import structlog

from bot.adapter import Capabilities, Delivery, Outcome, Reply, Retry
from bot.adapters.bodies import events_in
from bot.adapters.matrix import wire
from bot.adapters.matrix.account import Account
from bot.adapters.matrix.catching_up import CatchingUp
from bot.adapters.matrix.homeserver import Homeserver, MatrixProblem
from bot.adapters.matrix.places import Places
from bot.adapters.matrix.reading import Reader, Unplaced
from bot.adapters.matrix.rooms import Rooms
from bot.adapters.matrix.speaking import Speaker
from bot.bilingual import both
from bot.bounds import EVENTS_AT_ONCE
from bot.clock import Clock, SystemClock
from bot.errors import ConfigurationError, InboxUnavailable
from bot.events import Event
from bot.texts import Texts

log = structlog.get_logger(__name__)

TRANSACTION_LIMIT = 16 * 1_024 * 1_024
"""Bytes of one transaction: a hundred events of 64 KiB and what comes with them. Refused, it would come for ever."""
RECEIPTS_AT_ONCE = 10_000
"""Receipts that are looked at in one transaction; more are fetched, a room at a time."""
FIRST_RETRY = timedelta(seconds=1)
LAST_RETRY = timedelta(minutes=1)

Take = Callable[[Sequence[Event]], Awaitable[None]]


class Matrix:
    """One bot on one homeserver.

    `homeserver` is its address for clients, such as `https://matrix.example.jp`; `as_token` and `hs_token` stand in
    the registration that `kairanban matrix registration` writes, as does `appservice`, its id. `user` is the bot's full
    id. Every `catch_up_every` the homeserver is asked for what it may have dropped. `stamp_with_clock` gives events the
    clock's time in place of the server's, for rehearsals in virtual time.
    """

    def __init__(
        self,
        homeserver: str,
        as_token: str,
        hs_token: str,
        user: str,
        *,
        name: str = "matrix",
        appservice: str = "kairanban",
        display_name: str = "回覧板",
        clock: Clock | None = None,
        texts: Texts | None = None,
        room_size: int = 350,
        timeout: timedelta = timedelta(seconds=10),
        concurrency: int = 8,
        catch_up_every: timedelta = timedelta(minutes=1),
        stamp_with_clock: bool = False,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            room_size=room_size,
            native_receipts=True,
            buttons=wire.POLL_ANSWERS,
            text_length=10_000,
            deletes=True,
            idempotent=True,
            concurrency=concurrency,
            body_limit=TRANSACTION_LIMIT,
        )
        root = _checked_root(homeserver)
        _check_user(user)
        for what, token in (("as_token", as_token), ("hs_token", hs_token)):
            if not token or not token.isascii() or any(letter.isspace() for letter in token):
                raise ConfigurationError(both("bot", "adapter.matrix_secret", what=what, name=name))
        self.user = user
        self._authorization = f"Bearer {hs_token}".encode()
        self._key = wire.button_key(hs_token)
        self._clock = clock or SystemClock()
        self._every = catch_up_every
        self._gap = asyncio.Event()
        self._being_readied = asyncio.Lock()
        self._one_at_a_time = asyncio.Lock()
        self._take: Take | None = None
        self._homeserver = Homeserver(root, as_token, user, timeout=timeout, on_gap=self._gap.set)
        self._rooms = Rooms()
        self._reader = Reader(
            name, user, display_name, self._key, self._rooms, self._clock if stamp_with_clock else None
        )
        self._account = Account(self._homeserver, user, display_name, appservice)
        texts = texts or Texts("bot")
        self._places = Places(self._homeserver, user, self._rooms, texts)
        self._speaker = Speaker(self._homeserver, user, self._key, self._rooms, self._places, texts)
        self._catching_up = CatchingUp(self._homeserver, user, self._key, self._rooms, self._reader, self._places)

    def __repr__(self) -> str:
        return f"<Matrix {self.name}: {self.user}>"

    # ------------------------------------------------------------- incoming

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the homeserver's token came with it; Matrix signs no bodies."""
        given = headers.get("Authorization")
        if given is None:  # a plain dict is case-sensitive, HTTP is not
            given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._authorization)

    def answer(self, method: str, path: str, body: bytes) -> Reply | None:
        """What an application service answers: transactions, a ping, and whether a user or an alias is ours."""
        match method, *path.removeprefix("/_matrix/app/v1/").split("/"):
            case "PUT", "transactions", _:
                return Reply(events=True)
            case "POST", "ping":
                return Reply()
            case "GET", "users", user if unquote(user) == self.user:
                return Reply()
            case "GET", "users" | "rooms", _:
                return Reply(b'{"errcode":"M_NOT_FOUND","error":"The bot makes its rooms before it names them."}', 404)
        return None

    def parse(self, body: bytes) -> Sequence[Event]:
        """The events of a transaction. What cannot be placed yet is left to `listen`, which is rung."""
        events, transaction = events_in(body, "transaction")
        if not self._rooms.known:
            self._gap.set()  # whose pair talk a room is will be known in a moment; until then the homeserver keeps it
            return []
        found: list[Event] = []
        for raw in events:
            if self._rooms.note_invitation(raw, self.user):
                self._gap.set()
                continue
            try:
                event = self._reader.read(raw)
            except Unplaced:
                self._gap.set()
                continue
            if event is not None:
                found.append(event)
        if self._rooms.ended or self._rooms.untold:
            self._gap.set()
        return found + self._reads(transaction.get("ephemeral"), EVENTS_AT_ONCE - len(found))

    def _reads(self, ephemeral: object, most: int) -> list[Event]:
        """What the receipts say, up to `most`: the first ones after a start say everything that was read before."""
        reads: dict[str, Event] = {}
        if wire.receipts_in(ephemeral) > RECEIPTS_AT_ONCE:
            self._gap.set()
            return []
        for each in ephemeral if isinstance(ephemeral, list) else ():
            if not isinstance(each, dict) or each.get("type") != "m.receipt":
                continue
            room = self._rooms[str(each.get("room_id"))]
            for event, person, at in self._reader.receipts(each.get("content")):
                messages = room.report(person, event)
                if messages is None:
                    self._gap.set()
                    continue
                if len(reads) + len(messages) > most:
                    self._gap.set()  # the homeserver tells it again, a room at a time
                    return list(reads.values())
                for message in messages:
                    read = self._reader.has_read(room.id, message, person, at)
                    reads.setdefault(read.key, read)
        return list(reads.values())

    async def listen(self, take: Take) -> None:
        """Fetch what never arrived: now, after every gap, and once in a while."""
        self._take = take
        reachable = False
        retry = FIRST_RETRY
        while True:
            self._gap.clear()
            try:
                await self.catch_up()
                if not reachable:
                    reachable = await self._account.is_reachable()
            except (MatrixProblem, InboxUnavailable) as error:
                log.warning("matrix.catching_up_failed", adapter=self.name, error=str(error))
                reachable = False
            except Exception:  # an answer like no other must not be the last one that was asked for
                log.exception("matrix.answer_not_understood", adapter=self.name)
                reachable = False
            retry = FIRST_RETRY if reachable else min(retry * 2, LAST_RETRY)
            await self._rest(self._every if reachable else min(retry, self._every))

    async def catch_up(self) -> int:
        """Fetch now what has not arrived; how many events that were, those included that had arrived after all.

        While `listen` runs. Raises `MatrixProblem`, and `InboxUnavailable`.
        """
        if self._take is None:
            return 0
        async with self._one_at_a_time:
            await self._ready()
            return await self._catching_up.run(self._take)

    async def _rest(self, pause: timedelta) -> None:
        timer = self._clock.call_at(self._clock.now() + pause, self._gap.set)
        try:
            await self._gap.wait()
        finally:
            timer.cancel()

    async def _ready(self) -> None:
        """Have an account and the list of pair talks; at the first need, and again until it works."""
        async with self._being_readied:
            if not self._rooms.known:
                directs = await self._account.prepare()
                await self._catching_up.begin()
                await self._places.recall()
                self._rooms.learn(directs)

    # ------------------------------------------------------------- outgoing

    async def open(self) -> None:
        await self._homeserver.open(self.capabilities.concurrency + 4)

    async def close(self) -> None:
        await self._homeserver.close()

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send or take back each delivery."""
        return [await self._carry_out(delivery) for delivery in batch]

    async def _carry_out(self, delivery: Delivery) -> Outcome:
        try:
            await self._ready()
            return await self._speaker.carry_out(delivery)
        except MatrixProblem as problem:
            return problem.as_outcome()
        except (KeyError, TypeError) as error:  # JSON, and still no answer of a homeserver's
            return Retry(f"The homeserver's answer could not be read ({type(error).__name__}).", uncertain=True)

    # --------------------------------------------------------- rooms, reads

    async def create_room(self, title: str, members: Sequence[str], *, key: str) -> str:
        await self._ready()
        return await self._places.create(title, members, key=key)

    async def add_to_room(self, room: str, members: Sequence[str]) -> None:
        await self._ready()
        await self._places.bring_in(room, members)

    async def remove_from_room(self, room: str, members: Sequence[str]) -> None:
        await self._ready()
        await self._places.take_out(room, members)

    async def room_members(self, room: str) -> Sequence[str]:
        await self._ready()
        return await self._places.members(room)

    async def readers(self, message_id: str) -> Sequence[str]:
        await self._ready()
        room, event = wire.room_and_event(message_id)
        return await self._catching_up.readers(room, event)


def _checked_root(homeserver: str) -> str:
    parts = urlsplit(homeserver)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(both("bot", "adapter.matrix_url"))
    return homeserver.rstrip("/")


def _check_user(user: str) -> None:
    if not wire.is_user(user):
        raise ConfigurationError(both("bot", "adapter.matrix_user"))
