"""Notices in chat: `/一斉` for the headquarters to send, `/既読` to see who has read, and the buttons under both."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.context import Context
from bot.directory import HEADQUARTERS, Member
from bot.errors import Refused
from bot.events import ButtonPressed, MemberJoined, MemberLeft, MessageRead, MessageReceived
from bot.messages import Button
from bot.router import NEXT, Router
from bot.texts import Texts
from broadcasts import seating, show
from broadcasts.audience import UnknownName, named
from broadcasts.service import Broadcasts
from broadcasts.wording import Kind

KINDS: dict[str, Kind] = {
    "緊急": "emergency",
    "emergency": "emergency",
    "訓練": "drill",
    "drill": "drill",
    "お知らせ": "notice",
    "notice": "notice",
}
UNREAD = frozenset({"未読", "unread"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wrote after the command, taken apart."""

    kind: Kind
    included: tuple[str, ...]
    excluded: tuple[str, ...]
    text: str


def parse(arguments: str) -> Wish:
    """Take `緊急 @土木課 -@総務課 本文` apart; the body keeps its lines and characters as they were typed.

    The kind is taken once and first, or right after the names: a body that begins with 緊急 a second time keeps it.
    """
    kind: Kind | None = None
    included: list[str] = []
    excluded: list[str] = []
    rest = arguments.strip()
    while rest:
        word = rest.split(maxsplit=1)[0]
        plain = unicodedata.normalize("NFKC", word)
        if plain.startswith("@") and len(plain) > 1:
            included.append(plain[1:])
        elif plain.startswith("-@") and len(plain) > 2:
            excluded.append(plain[2:])
        elif kind is None and plain.casefold() in KINDS:
            kind = KINDS[plain.casefold()]
        else:
            break
        rest = rest[len(word) :].lstrip()
    return Wish(kind or "notice", tuple(included), tuple(excluded), rest)


def build_router(broadcasts: Broadcasts) -> Router:
    """The commands and buttons of notices, the receipts, and who comes into and goes out of the rooms."""
    router = Router()
    texts = broadcasts.texts

    @router.command("一斉", "broadcast", help=texts("help.broadcast"))
    @_kindly(texts)
    async def draft(ctx: Context[MessageReceived]) -> None:
        member = await _headquarters(ctx, broadcasts, "draft")
        wish = parse(ctx.arguments)
        if not wish.text:
            await ctx.reply(texts("broadcast.usage"))
            return
        db = await ctx.db()
        audience = await named(db, wish.included, wish.excluded)
        number = await broadcasts.draft(db, member, wish.text, kind=wish.kind, audience=audience)
        await preview(ctx, number)

    async def preview(ctx: Context[MessageReceived] | Context[ButtonPressed], number: int) -> None:
        seen = await broadcasts.preview(await ctx.db(), number)
        buttons = (
            Button(label=texts("broadcast.confirm"), data=f"broadcast:confirm:{number}:{seen.fingerprint}"),
            Button(label=texts("broadcast.cancel"), data=f"broadcast:cancel:{number}"),
        )
        *earlier, last = show.preview(texts, seen, broadcasts.text_length)
        for part in earlier:
            await ctx.reply(part)
        await ctx.reply(last, buttons)

    @router.button("broadcast")
    @_kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case ["confirm", number, fingerprint] if number.isdecimal():
                await confirm(ctx, int(number), fingerprint)
            case ["cancel", number] if number.isdecimal():
                member = await _headquarters(ctx, broadcasts, "cancel")
                cancelled = await broadcasts.cancel(await ctx.db(), int(number), member)
                await ctx.reply(texts("broadcast.cancelled" if cancelled else "broadcast.too_late", id=number))
            case ["read", number] if number.isdecimal():
                reader = await ctx.member()
                noted = reader is not None and await broadcasts.acknowledge(await ctx.db(), int(number), reader)
                if noted and ctx.event.direct:  # in a room, hundreds of thanks would bury the notice
                    await ctx.reply(texts("broadcast.acknowledged"))
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def confirm(ctx: Context[ButtonPressed], number: int, fingerprint: str) -> None:
        member = await _headquarters(ctx, broadcasts, "confirm")
        confirmation = await broadcasts.confirm(await ctx.db(), number, member, fingerprint)
        match confirmation.outcome:
            case "sent":
                await ctx.reply(texts("broadcast.sent", id=number, recipients=confirmation.recipients))
            case "already":
                await ctx.reply(texts("broadcast.already", id=number))
            case "cancelled":
                await ctx.reply(texts("broadcast.cancelled_before", id=number))
            case "changed":
                await ctx.reply(texts("broadcast.preview_changed"))
                await preview(ctx, number)

    @router.command("既読", "read", help=texts("help.read"))
    @_kindly(texts)
    async def follow(ctx: Context[MessageReceived]) -> None:
        await _headquarters(ctx, broadcasts, "read")
        words = unicodedata.normalize("NFKC", ctx.arguments).casefold().split()
        numbers = [word for word in words if word.isdecimal()]
        names_wanted = any(word in UNREAD for word in words)
        if len(numbers) > 1 or len(words) > len(numbers) + names_wanted:
            await ctx.reply(texts("read.usage"))
            return
        number = int(numbers[0]) if numbers else await broadcasts.latest()
        if number is None:
            await ctx.reply(texts("read.none"))
            return
        status = await broadcasts.status(number)
        unread = await broadcasts.unread(number) if names_wanted else None
        for part in show.status(texts, status, unread, broadcasts.text_length):
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

    return router


E = TypeVar("E", MessageReceived, ButtonPressed)
Answer: TypeAlias = Callable[[Context[E]], Awaitable[None]]


def _kindly(texts: Texts) -> Callable[[Answer[E]], Answer[E]]:
    """Turn a refusal into a reply; what the refusal wrote into the audit is committed with it."""

    def around(handler: Answer[E]) -> Answer[E]:
        async def kindly(ctx: Context[E]) -> None:
            try:
                await handler(ctx)
            except Refused as refusal:
                await ctx.reply(texts(refusal.key, **refusal.values))
            except UnknownName as unknown:
                close = difflib.get_close_matches(unknown.name, unknown.known, n=3, cutoff=0.3)
                names = texts("read.name_separator").join(close)
                suggestion = texts("refused.suggestion", names=names) if close else ""
                await ctx.reply(texts("refused.unknown_name", name=unknown.name, suggestion=suggestion).strip())

        return wraps(handler)(kindly)

    return around


Asked = Context[MessageReceived] | Context[ButtonPressed]


async def _headquarters(ctx: Asked, broadcasts: Broadcasts, action: str) -> Member:
    """The member who asks, in pair talk and with the right; whoever has not got it is written down."""
    if not ctx.event.direct:
        raise Refused("refused.pair_talk_only")
    member = await ctx.member()
    if member is None or HEADQUARTERS not in member.roles:
        await broadcasts.refused(await ctx.db(), member, action)
        raise Refused("refused.stranger" if member is None else "refused.not_headquarters")
    return member
