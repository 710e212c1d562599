"""Notices in chat: `/一斉` for the headquarters to send, `/既読` to see who has read, and the buttons under both."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.context import Context
from bot.errors import Refused
from bot.events import ButtonPressed, MemberJoined, MemberLeft, MessageRead, MessageReceived
from bot.router import NEXT, Router
from broadcasts import seating, show, tree
from broadcasts.naming import UnknownName, named
from broadcasts.report import Status
from broadcasts.service import Broadcasts
from handlers import answers, approvals, recall, schedules
from handlers import audience as audience_handlers
from handlers.kindly import headquarters, kindly, sender
from handlers.previewing import reply_confirmation, reply_preview
from handlers.wishes import Wish, parse

__all__ = ["Wish", "build_router", "parse"]

UNREAD = frozenset({"未読", "unread"})


def build_router(broadcasts: Broadcasts) -> Router:
    """The commands and buttons of notices, the receipts, and who comes into and goes out of the rooms."""
    router = Router()
    texts = broadcasts.texts

    @router.command("一斉", "broadcast", help=texts("help.broadcast"))
    @kindly(texts)
    async def draft(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "draft")
        wish = parse(ctx.arguments)
        if not wish.text:
            await ctx.reply(texts("broadcast.usage"))
            return
        db = await ctx.db()
        audience = await named(db, wish.included, wish.excluded)
        number = await broadcasts.draft(
            db, member, wish.text, kind=wish.kind, audience=audience, question=wish.question
        )
        await reply_preview(ctx, broadcasts, number, member)

    @router.button("broadcast")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case [("confirm" | "alone" | "confirm-again" | "alone-again") as how, number, seen] if number.isdecimal():
                await confirm(ctx, int(number), seen, how)
            case ["cancel", number] if number.isdecimal():
                member = await sender(ctx, "cancel")
                cancelled = await broadcasts.cancel(await ctx.db(), int(number), member)
                await ctx.reply(texts("broadcast.cancelled" if cancelled else "broadcast.too_late", id=number))
            case ["read", number] if number.isdecimal():
                reader = await ctx.member()
                noted = reader is not None and await broadcasts.acknowledge(await ctx.db(), int(number), reader)
                if noted and ctx.event.direct:  # in a room, hundreds of thanks would bury the notice
                    await ctx.reply(texts("broadcast.acknowledged"))
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def confirm(ctx: Context[ButtonPressed], number: int, seen: str, how: str) -> None:
        member = await sender(ctx, "confirm")
        confirmation = await broadcasts.confirm(
            await ctx.db(), number, member, seen, warned=how.endswith("again"), alone=how.startswith("alone")
        )
        await reply_confirmation(ctx, broadcasts, number, member, confirmation, seen)

    @router.command("既読", "read", help=texts("help.read"))
    @kindly(texts)
    async def follow(ctx: Context[MessageReceived]) -> None:
        await headquarters(ctx, "read")
        words = unicodedata.normalize("NFKC", ctx.arguments).split()
        numbers = [word for word in words if word.isdecimal()]
        names_wanted = any(word.casefold() in UNREAD for word in words)
        places = [word.lstrip("@") for word in words if not word.isdecimal() and word.casefold() not in UNREAD]
        if len(numbers) > 1 or len(places) > 1:
            await ctx.reply(texts("read.usage"))
            return
        number = int(numbers[0]) if numbers else await broadcasts.latest()
        if number is None:
            await ctx.reply(texts("read.none" if await known(ctx, places) else "read.usage"))
            return
        status = await broadcasts.status(number)
        if places:
            await follow_place(ctx, status, places[0], names_wanted)
            return
        unread = await broadcasts.unread(number) if names_wanted else None
        for part in show.status(texts, status, unread, broadcasts.text_length):
            await ctx.reply(part)

    async def known(ctx: Context[MessageReceived], places: Sequence[str]) -> bool:
        """Whether the words after the command name places at all; a slip of the hand names none."""
        try:
            await named(await ctx.db(), places)
        except UnknownName:
            return False
        return True

    async def follow_place(ctx: Context[MessageReceived], status: Status, name: str, names_wanted: bool) -> None:
        tops = tree.found(status.departments, name)
        if len(tops) > 1:
            names = " / ".join("/".join(top.path) for top in tops)
            raise Refused("refused.ambiguous_name", name=name, names=names)
        if not tops:
            raise Refused("refused.unknown_name", name=name)
        within = [branch.id for branch in tree.subtree(status.departments, tops[0])]
        unread = await broadcasts.unread(status.id, within) if names_wanted else None
        for part in show.place(texts, status, tops[0], unread, broadcasts.text_length):
            await ctx.reply(part)

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

    for part in (audience_handlers, approvals, answers, recall, schedules):
        router.include(part.build_router(broadcasts))
    return router
