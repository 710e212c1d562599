"""The weather agency's drafts in the officers' pair talk: shown, taken or put aside; nothing is sent from here.

Taking one makes an ordinary draft of a notice with its preview; it goes the way of every other notice from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock, to_tokyo
from bot.context import Context
from bot.directory import ADMINISTRATOR, DUTY_OFFICER, HEADQUARTERS, Member
from bot.errors import Forbidden
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button, Message, Priority
from bot.numbers import numbered
from bot.outbox import Outbox
from bot.router import Router
from bot.storage import Database
from bot.tables import deliveries
from bot.texts import Texts, repeated
from broadcasts import rights
from broadcasts.audience import EVERYONE
from broadcasts.jma import Decision, Draft, Jma
from broadcasts.jma.reading import CONCERNING
from broadcasts.jma.tables import drafts
from broadcasts.jma.wording import CATALOGUE
from broadcasts.kinds import Kind
from broadcasts.service import Broadcasts
from broadcasts.tables import broadcasts as notices
from broadcasts.telling import tell
from handlers.kindly import Asked, asker, kindly
from handlers.previewing import reply_preview

OFFICERS = frozenset({HEADQUARTERS, DUTY_OFFICER})
"""Who is shown a draft may also take it: at two in the morning the duty officer is alone."""
LISTED = 5
"""How many drafts `/気象` shows, the newest of those that wait."""


class Desk:
    """Tells the officers of every draft that is ready, amended or taken back; `adapters` are the chat platforms."""

    def __init__(self, database: Database, outbox: Outbox, adapters: Sequence[str], clock: Clock, texts: Texts) -> None:
        self._database = database
        self._outbox = outbox
        self._adapters = adapters
        self._clock = clock
        self._texts = Texts(CATALOGUE, language=texts.language)

    async def tell(self, draft: Draft) -> None:
        """Show a draft to each officer once a revision; `Jma` calls it again after a crash."""
        # The moment of the first telegram is in it so that no two databases share a key.
        key = f"jma:{draft.id}:{draft.revision}:{draft.received_at.timestamp():.0f}"
        async with self._database.transaction() as db:
            if await self._told(db, key):
                return
            await tell(
                db,
                self._outbox,
                self._adapters,
                await rights.holders(db, OFFICERS, EVERYONE),
                [await _shown(db, draft, self._texts)],
                key=key,
                now=self._clock.now(),
                priority=Priority.NOTICE if draft.drill else Priority.EMERGENCY,
            )

    async def report(self, name: str, decision: Decision) -> None:
        """Tell the officers and the administrators of a file that is broken: it may have been the warning of the night.

        Once an hour: a receiver that breaks one telegram breaks them all. Of a kind that is not read the officers are
        told once, if by its title it could concern a city.
        """
        if decision.action != "unreadable":
            return
        if decision.reason.key == "unknown_kind":
            await self._came_unread(str(decision.reason.values["title"]), drill=decision.source.drill)
            return
        now = self._clock.now()
        key = f"jma-unreadable:{now:%Y-%m-%dT%H}"
        reason = self._texts(f"reason.{decision.reason.key}", **decision.reason.values)
        said = self._texts("desk.unreadable", file=repeated(name.encode(errors="replace").decode(), 100), reason=reason)
        async with self._database.transaction() as db:
            if await self._told(db, key):
                return
            people = await rights.holders(db, OFFICERS | {ADMINISTRATOR}, EVERYONE)
            await tell(
                db,
                self._outbox,
                self._adapters,
                people,
                [Message(text=said)],
                key=key,
                now=now,
                priority=Priority.EMERGENCY,
            )

    async def _came_unread(self, title: str, *, drill: bool) -> None:
        if drill or not any(word in title for word in CONCERNING):
            return
        key = f"jma-not-read:{hashlib.sha256(title.encode()).hexdigest()[:16]}"
        async with self._database.transaction() as db:
            if await self._told(db, key):
                return
            people = await rights.holders(db, OFFICERS, EVERYONE)
            said = [Message(text=self._texts("desk.not_read", title=repeated(title, 100)))]
            now = self._clock.now()
            await tell(db, self._outbox, self._adapters, people, said, key=key, now=now, priority=Priority.NOTICE)

    async def _told(self, db: AsyncConnection, key: str) -> bool:
        found = select(deliveries.c.id).where(deliveries.c.key.startswith(f"{key}:")).limit(1)
        return await db.scalar(found) is not None


def build_router(broadcasts: Broadcasts, jma: Jma) -> Router:
    """The two buttons under a draft, and `/気象` for those who look for it."""
    router = Router()
    texts = Texts("broadcasts", CATALOGUE, language=broadcasts.texts.language)

    @router.command("気象", "weather", help=texts("desk.help"), also=("きしょう",), roles=OFFICERS)
    @kindly(texts)
    async def listing(ctx: Context[MessageReceived]) -> None:
        await officer(ctx, "jma_list")
        waiting = await jma.drafts()
        if not waiting:
            await ctx.reply(texts("desk.none"))
        for draft in reversed(waiting[:LISTED]):
            if draft.state == "ready":
                shown = await _shown(await ctx.db(), draft, texts)
                await ctx.reply(shown.text, shown.buttons)
            else:
                title, until = draft.text.split("\n", 1)[0], f"{to_tokyo(draft.held_until):%H:%M}"
                await ctx.reply(texts("desk.held", draft=draft.id, title=title, time=until))

    @router.button("jma")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case ["take", word] if (number := numbered(word)) is not None:
                await take(ctx, number)
            case ["dismiss", word] if (number := numbered(word)) is not None:
                await dismiss(ctx, number)
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def officer(ctx: Asked, action: str) -> Member:
        member = await asker(ctx, action)
        if not OFFICERS & member.roles:
            raise Forbidden("refused.no_officer", actor=member.code, action=f"broadcast.{action}", subject="broadcast")
        return member

    async def take(ctx: Context[ButtonPressed], number: int) -> None:
        member = await officer(ctx, "jma_take")
        attached = await broadcasts.tray.find(member.id)
        db = await ctx.db()
        made = await jma.notice_of(db, number)
        if made is not None and await broadcasts.is_open_draft(db, made):
            # Whoever took it may have put the telephone away; another press must not end in a refusal.
            author = await rights.author(db, (await broadcasts.notice(db, made)).author_id)
            name = author.name if author is not None else ""
            await ctx.reply(texts("desk.in_hand", draft=number, id=made, name=name))
            await reply_preview(ctx, broadcasts, made, member)
            return
        taken = await jma.release(db, number)
        kind: Kind = "drill" if taken.drill else "emergency"
        # A notice of this kind says itself that it is a drill; twice, it would also be the title that lists show.
        text = taken.text.removeprefix(texts("draft.drill")).lstrip() if taken.drill else taken.text
        broadcast_id = await broadcasts.draft(db, member, text, kind=kind, attachments=attached)
        await jma.made(db, taken, broadcast_id)
        await broadcasts.tray.clear(db, member.id)
        await reply_preview(ctx, broadcasts, broadcast_id, member)
        details = {"broadcast": broadcast_id, "event": taken.event, "revision": taken.revision}
        subject = f"jma:{number}"
        await audit.append(db, ctx.clock, actor=member.code, action="jma.taken", subject=subject, details=details)

    async def dismiss(ctx: Context[ButtonPressed], number: int) -> None:
        member = await officer(ctx, "jma_dismiss")
        db = await ctx.db()
        aside = await jma.dismiss(db, number)
        await ctx.reply(texts("desk.dismissed", draft=number))
        details = {"event": aside.event, "revision": aside.revision}
        subject = f"jma:{number}"
        await audit.append(db, ctx.clock, actor=member.code, action="jma.dismissed", subject=subject, details=details)

    return router


async def _earlier(db: AsyncConnection, draft: Draft, texts: Texts) -> str:
    """What has become of the draft that this one follows; empty if it follows none."""
    if draft.follows is None:
        return ""
    row = (
        await db.execute(
            select(drafts.c.state, notices.c.id, notices.c.state.label("notice"))
            .outerjoin(notices, notices.c.id == drafts.c.broadcast_id)
            .where(drafts.c.id == draft.follows)
        )
    ).one()
    key = "desk.follows_unsent" if row.notice == "draft" else "desk.follows"
    if row.state == "withdrawn":
        key = "desk.follows_stopped"
    return texts(key, follows=draft.follows, id=row.id) + "\n"


async def _shown(db: AsyncConnection, draft: Draft, texts: Texts) -> Message:
    """A draft as the officers see it, with the buttons that take it or put it aside."""
    reference = f"jma:{draft.id}"
    if draft.state == "withdrawn":
        key = "desk.withdrawn" if draft.broadcast_id is None else "desk.withdrawn_notice"
        said = texts(key, draft=draft.id, id=draft.broadcast_id)
        return Message(text=texts("desk.drill", text=said) if draft.drill else said, reference=reference)
    said = await _earlier(db, draft, texts) + texts(
        "desk.ready" if draft.revision == 1 else "desk.amended", draft=draft.id, text=draft.text
    )
    return Message(
        text=texts("desk.drill", text=said) if draft.drill else said,
        buttons=(
            Button(label=texts("desk.take"), data=f"jma:take:{draft.id}", means="yes"),
            Button(label=texts("desk.dismiss"), data=f"jma:dismiss:{draft.id}"),
        ),
        reference=reference,
    )
