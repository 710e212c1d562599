"""Notices in chat: `/一斉` for the headquarters to send, `/既読` to see who has read, and the buttons under both."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.context import Context
from bot.events import ButtonPressed, MemberJoined, MemberLeft, MessageRead, MessageReceived
from bot.numbers import numbered
from bot.router import NEXT, Router
from broadcasts import seating
from broadcasts.naming import name_lengths
from broadcasts.rights import SENDERS
from broadcasts.service import Broadcasts
from handlers import answers, approvals, composing, files, following, overview, recall, schedules
from handlers import audience as audience_handlers
from handlers.composing import compose
from handlers.kindly import kindly, sender
from handlers.previewing import is_old, reply_cancelled, reply_confirmation, reply_preview
from handlers.wishes import Wish, names_joined, parse

__all__ = ["Wish", "build_router", "parse"]


def build_router(broadcasts: Broadcasts, commands: Router | None = None) -> Router:
    """The commands and buttons of notices, the receipts, and who comes into and goes out of the rooms."""
    router = Router()
    texts = broadcasts.texts

    @router.command("一斉", "broadcast", help=texts("help.broadcast"), also=("いっせい", "一斉連絡"), roles=SENDERS)
    @kindly(texts)
    async def draft(ctx: Context[MessageReceived]) -> None:
        await sender(ctx, "draft")
        wish = parse(names_joined(ctx.arguments, await name_lengths(await ctx.db(), ctx.arguments)))
        if not wish.text:
            said = ctx.arguments.strip()
            await ctx.reply(texts("broadcast.no_text", said=said) if said else texts("broadcast.usage"))
            return
        await compose(ctx, broadcasts, wish)

    @router.button("broadcast")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case [("confirm" | "alone") as how, word, seen, minute] if (number := numbered(word)) is not None and (
                drawn := numbered(minute)
            ) is not None:
                await confirm(ctx, number, seen, how, old=is_old(ctx, drawn))
            case [("confirm-again" | "alone-again") as how, word, seen] if (number := numbered(word)) is not None:
                await confirm(ctx, number, seen, how)
            case [("confirm-again" | "alone-again") as how, word, seen, other] if (
                number := numbered(word)
            ) is not None and (repeats := numbered(other)) is not None:
                await confirm(ctx, number, seen, how, repeats=repeats)
            case ["cancel", word] if (number := numbered(word)) is not None:
                member = await sender(ctx, "cancel")
                if await broadcasts.cancel(await ctx.db(), number, member):
                    await reply_cancelled(ctx, broadcasts, number, texts("broadcast.cancelled", id=number))
                else:
                    await ctx.reply(texts("broadcast.too_late", id=number))
            case ["restore", word] if (number := numbered(word)) is not None:
                member = await sender(ctx, "restore")
                await broadcasts.restore(await ctx.db(), number, member)
                await ctx.reply(texts("restore.done", id=number))
                await reply_preview(ctx, broadcasts, number, member)
            case ["read", word] if (number := numbered(word)) is not None:
                reader = await ctx.member()
                noted = reader is not None and await broadcasts.acknowledge(await ctx.db(), number, reader)
                if noted and ctx.event.direct:  # in a room, hundreds of thanks would bury the notice
                    await ctx.reply(texts("broadcast.acknowledged"))
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def confirm(
        ctx: Context[ButtonPressed], number: int, seen: str, how: str, *, old: bool = False, repeats: int = 0
    ) -> None:
        member = await sender(ctx, "confirm")
        if old and await broadcasts.is_open_draft(await ctx.db(), number):
            await ctx.reply(texts("broadcast.preview_old"))
            await reply_preview(ctx, broadcasts, number, member)
            return
        confirmation = await broadcasts.confirm(
            await ctx.db(),
            number,
            member,
            seen,
            warned=how.endswith("again"),
            alone=how.startswith("alone"),
            repeats=repeats,
        )
        await reply_confirmation(ctx, broadcasts, number, member, confirmation, seen)

    @router.bulk(MessageRead)
    async def reads(db: AsyncConnection, events: Sequence[MessageRead]) -> None:
        await broadcasts.record_reads(db, events)

    @router.on(MemberLeft)
    async def left(ctx: Context[MemberLeft]) -> object:
        if not ctx.event.direct:
            await seating.left(await ctx.db(), ctx.event.adapter, ctx.event.conversation, ctx.event.member)
        return NEXT

    @router.on(MemberJoined)
    async def joined(ctx: Context[MemberJoined]) -> object:
        if not ctx.event.direct:
            await seating.joined(await ctx.db(), ctx.event.adapter, ctx.event.conversation, ctx.event.member)
        return NEXT

    # First: what somebody in need writes is no file's caption and no reason of an approver.
    router.include(answers.build_router(broadcasts, commands or router))
    for part in (composing, files, overview, following, audience_handlers, approvals, recall, schedules):
        router.include(part.build_router(broadcasts))
    return router
