"""`/一覧`: what was sent, waits, is scheduled or still a draft, and what comes next to do with each."""

from __future__ import annotations

import unicodedata

from bot.context import Context
from bot.directory import Member
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button
from bot.numbers import numbered, typed_number
from bot.router import Router
from broadcasts import show
from broadcasts.overview import PAGE, Listed, Standing, overview
from broadcasts.rights import READERS, SENDERS, reach
from broadcasts.service import Broadcasts
from handlers.kindly import Asked, asker, kindly, reply_pages
from handlers.previewing import reply_preview

SHOWN_LENGTH = 30
"""Characters of a notice's text in the list."""
STANDINGS: dict[str, Standing] = {
    "下書き": "draft",
    "draft": "draft",
    "承認待ち": "waiting",
    "waiting": "waiting",
    "予約": "scheduled",
    "scheduled": "scheduled",
    "送信済み": "sent",
    "送信": "sent",
    "sent": "sent",
}


def build_router(broadcasts: Broadcasts) -> Router:
    """The command, and the button for the next page."""
    router = Router()
    texts = broadcasts.texts

    @router.command(
        "一覧", "list", help=texts("help.list"), also=("いちらん", "リスト", "下書き"), roles=SENDERS | READERS
    )
    @kindly(texts)
    async def listing(ctx: Context[MessageReceived]) -> None:
        member = await asker(ctx, "list")
        words = unicodedata.normalize("NFKC", ctx.arguments).split()
        if (number := typed_number("".join(words))) is not None:
            await one(ctx, member, number)
            return
        standing = STANDINGS.get(words[0].casefold()) if words else None
        if ctx.command == "下書き":
            standing = "draft"
        await reply_overview(ctx, broadcasts, member, standing, 0)

    @router.button("list")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        member = await asker(ctx, "list")
        standing, _, word = ctx.arguments.partition(":")
        known = next((each for each in STANDINGS.values() if each == standing), None)
        await reply_overview(ctx, broadcasts, member, known, numbered(word) or 0)

    async def one(ctx: Asked, member: Member, number: int) -> None:
        """A draft with its buttons again; of anything else, where it stands."""
        db = await ctx.db()
        if await broadcasts.is_open_draft(db, number):
            await broadcasts.people(db, number, member)  # who may not send it, may not see it
            if not await broadcasts.approvals.waits(db, number):
                await reply_preview(ctx, broadcasts, number, member)
                return
            await ctx.reply(texts("list.next_waiting", id=number))
            return
        await ctx.reply(texts("list.next_sent", id=number))

    return router


async def reply_overview(
    ctx: Asked, broadcasts: Broadcasts, member: Member, standing: Standing | None, page: int
) -> None:
    """One page of the list, with the way to the next."""
    texts = broadcasts.texts
    if reach(member, SENDERS) is None and reach(member, READERS) is None:
        await ctx.reply(texts("refused.not_reader"))
        return
    found, more = await overview(await ctx.db(), member, standing, page)
    if not found:
        await ctx.reply(texts("list.none"))
        return
    lines = [texts("list.title", page=page + 1)]
    for each in found:
        lines += ["", _line(broadcasts, each), texts(f"list.next_{each.standing}", id=each.id)]
    buttons = (
        [Button(label=texts("list.more", count=PAGE), data=f"list:{standing or 'all'}:{page + 1}")] if more else []
    )
    await reply_pages(ctx, show.pages(lines, broadcasts.text_length), buttons)


def _line(broadcasts: Broadcasts, each: Listed) -> str:
    return broadcasts.texts(
        f"list.line_{each.standing}",
        id=each.id,
        kind=broadcasts.texts(f"kind.{each.kind}"),
        time=show.moment(each.at),
        author=each.author,
        read=each.read,
        recipients=each.recipients,
        text=" ".join(each.text.split())[:SHOWN_LENGTH],
    )
