"""Must-read posts on a LINE WORKS board: the one place where the platform says who has read something.

A notice to many people is put on the board beside the bot's message, and the board is asked every minute who has opened
it; that flows into the reads like a receipt. The bot's message never waits for it, nor fails with it.

A post is found again by the mark at the end of its title, so nothing here must survive a restart. Everybody who may
read the board sees a post: what goes to a few people only is never put there.

Sources, on developers.worksmobile.com: board-post-create (title of 200 characters, `mustReadEndDate` up to 30 days
ahead), board-post-list, board-post-reader-list (pages of up to 5,000).
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
import structlog
from pydantic import ValidationError

from bot.adapter import Delivery
from bot.adapters.lineworks_wire import PostAnswer, PostsPage, ReadersPage
from bot.clock import Clock, to_tokyo
from bot.errors import InboxUnavailable, KairanbanError
from bot.events import Event, MessageRead

log = structlog.get_logger(__name__)

SCOPE = "board"
FROM = 50
"""People from whom on a notice is put on the board."""
EVERY = timedelta(minutes=1)
MUST_READ = timedelta(days=14)
"""How long a post must be read; the platform allows 30 days."""
ASKED_ABOUT = 40
"""The latest posts, whose readers are asked about each time: with the limit of 60 calls a minute, the free plan's."""
TITLE_LENGTH = 200
BODY_LENGTH = 716_800
_MARK = re.compile(r"\[([\w:.-]{1,80})#([0-9a-f]{8})\]$")

Take = Callable[[Sequence[Event]], Awaitable[None]]
Post = Callable[[str, bytes], Awaitable[bytes]]
Pages = Callable[[str, type[PostsPage] | type[ReadersPage]], AsyncIterator[PostsPage | ReadersPage]]


@dataclass(slots=True)
class _Notice:
    """A notice that goes out: what it says, and to whom so far."""

    text: str
    people: set[str] = field(default_factory=set)


class Board:
    """One board of the domain. `post` and `pages` make the calls; both raise KairanbanError."""

    def __init__(self, adapter: str, board: int, clock: Clock, post: Post, pages: Pages, *, at_least: int) -> None:
        self._adapter = adapter
        self._posts = f"/boards/{board}/posts"
        self._clock = clock
        self._post = post
        self._pages = pages
        self._at_least = at_least
        self._notices: dict[str, _Notice] = {}
        self._wanted: list[str] = []
        self._known: dict[str, tuple[str, int]] = {}  # by what they belong to: the mark, the post's number
        self._read: dict[str, set[str]] = {}
        self._listed = False
        self._bell = asyncio.Event()

    def note(self, delivery: Delivery) -> str | None:
        """Note that a message goes to somebody; its id if it may come to stand on the board."""
        message = delivery.message
        if message.reference is None or delivery.address.kind != "person" or delivery.action != "send":
            return None
        mark = _mark(message.reference, message.text)
        if not _MARK.fullmatch(f"[{mark}]"):
            return None
        if mark not in self._notices:
            if len(self._notices) >= 100:
                del self._notices[next(iter(self._notices))]
            self._notices[mark] = _Notice(message.text)
        notice = self._notices[mark]
        notice.people.add(delivery.address.id)
        if len(notice.people) == self._at_least:
            self._wanted.append(mark)
            self._bell.set()
        return f"board {mark}"

    async def listen(self, take: Take) -> None:
        """Put up what is to be put up, and tell who has read, again and again."""
        while True:
            try:
                await self.look(take)
            except (KairanbanError, InboxUnavailable) as error:
                log.warning("lineworks.board_failed", adapter=self._adapter, error=str(error)[:300])
            await self._rest()

    async def look(self, take: Take) -> int:
        """Do so once; how many reads were new."""
        self._bell.clear()
        if not self._listed:
            await self._list()
        while self._wanted:
            await self._put_up(self._wanted[0])
            self._wanted.pop(0)
        new = 0
        latest = sorted(self._known.values(), key=lambda each: -each[1])[:ASKED_ABOUT]
        for mark, number in latest:
            new += await self._ask(mark, number, take)
        return new

    async def _rest(self) -> None:
        timer = self._clock.call_at(self._clock.now() + EVERY, self._bell.set)
        try:
            await self._bell.wait()
        finally:
            timer.cancel()

    async def _list(self) -> None:
        async for page in self._pages(self._posts, PostsPage):
            assert isinstance(page, PostsPage)
            for each in page.posts:
                self._remember(each)
            if len(self._known) >= ASKED_ABOUT or len(page.posts) == 0:
                break
        self._listed = True

    def _remember(self, post: PostAnswer) -> None:
        found = _MARK.search(post.title)
        if found is not None:
            self._known.setdefault(found[1], (f"{found[1]}#{found[2]}", post.post_id))

    async def _put_up(self, mark: str) -> None:
        reference = mark.partition("#")[0]
        if reference in self._known:
            return  # a reminder, or a correction: the post is there
        text = self._notices[mark].text
        ending = f" [{mark}]"
        title = " ".join(text.split())[: TITLE_LENGTH - len(ending)] + ending
        until = to_tokyo(self._clock.now() + MUST_READ).date()
        body = html.escape(text).replace("\n", "<br>")[:BODY_LENGTH]
        document = {"title": title, "body": body, "mustReadEndDate": until.isoformat(), "sendNotifications": False}
        self._listed = False  # should the answer be lost, the post is looked for before another is made
        answer = await self._post(self._posts, orjson.dumps(document))
        try:
            self._remember(PostAnswer.model_validate_json(answer))
        except ValidationError:
            raise KairanbanError("LINE WORKS took the post, but its answer could not be read.") from None
        self._listed = True

    async def _ask(self, mark: str, number: int, take: Take) -> int:
        known = self._read.setdefault(mark, set())
        now = self._clock.now()
        new: list[str] = []
        async for page in self._pages(f"{self._posts}/{number}/readers", ReadersPage):
            assert isinstance(page, ReadersPage)
            new += [
                each.user_id for each in page.readers if each.is_read and each.user_id and each.user_id not in known
            ]
        for start in range(0, len(new), 500):
            some = new[start : start + 500]
            await take([self._has_read(person, mark, now) for person in some])
            known.update(some)
        return len(new)

    def _has_read(self, person: str, mark: str, at: datetime) -> MessageRead:
        return MessageRead(
            adapter=self._adapter,
            key=f"board {mark} {person}",
            conversation=person,
            direct=True,
            occurred_at=at,
            reader=person,
            message_id=f"board {mark}",
        )


def _mark(reference: str, text: str) -> str:
    return f"{reference}#{hashlib.sha256(text.encode()).hexdigest()[:8]}"
