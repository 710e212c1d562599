"""`/予約`: notices that go out later or again and again, the list of them, and taking one back."""

from __future__ import annotations

import unicodedata

from bot import recurrence
from bot.context import Context
from bot.errors import Refused
from bot.events import MessageReceived
from bot.numbers import typed_number
from bot.router import Router
from broadcasts.naming import name_lengths
from broadcasts.rights import SENDERS
from broadcasts.service import Broadcasts
from broadcasts.show import pages
from handlers.composing import compose
from handlers.kindly import kindly, sender
from handlers.previewing import reply_cancelled
from handlers.wishes import names_joined, parse

CANCEL = frozenset({"取消", "取り消し", "cancel"})
LISTED_LENGTH = 40
"""Characters of a notice's text in the list."""


def build_router(broadcasts: Broadcasts) -> Router:
    """One command; the buttons under its preview are those of every draft."""
    router = Router()
    texts = broadcasts.texts

    @router.command("予約", "schedule", help=texts("help.schedule"), also=("よやく",), roles=SENDERS)
    @kindly(texts)
    async def schedule(ctx: Context[MessageReceived]) -> None:
        words = unicodedata.normalize("NFKC", ctx.arguments).split()
        match words:
            case []:
                await listing(ctx)
            case [how, word] if how.casefold() in CANCEL and (number := typed_number(word)) is not None:
                await cancel(ctx, number)
            case _:
                await plan(ctx)

    async def plan(ctx: Context[MessageReceived]) -> None:
        await sender(ctx, "schedule")
        rule, rest = recurrence.read(ctx.arguments, ctx.clock.now())
        wish = parse(names_joined(rest, await name_lengths(await ctx.db(), rest)))
        if not wish.text:
            await ctx.reply(texts("schedule.no_text"))
            return
        await compose(ctx, broadcasts, wish, rule)

    async def listing(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "schedules")
        found = await broadcasts.schedules.listing(await ctx.db(), member)
        lines = [
            texts(
                "schedule.line",
                id=each.id,
                rule=recurrence.in_words(each.rule, texts.language),
                time=recurrence.shown(each.next_at, texts.language),
                author=each.author,
                files=texts("schedule.line_files", count=each.files) if each.files else "",
                text=" ".join(each.text.split())[:LISTED_LENGTH],
            )
            for each in found
        ]
        title = texts("schedule.title" if found else "schedule.none")
        for page in pages([title, *lines, "", texts("schedule.usage")], broadcasts.text_length):
            await ctx.reply(page)

    async def cancel(ctx: Context[MessageReceived], number: int) -> None:
        member, db = await sender(ctx, "cancel"), await ctx.db()
        if await broadcasts.schedules.find(db, number) is None:
            raise Refused("schedule.no_such", id=number)
        await broadcasts.cancel(db, number, member)
        await reply_cancelled(ctx, broadcasts, number, texts("schedule.cancelled", id=number))

    return router
