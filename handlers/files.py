"""Files that a sender gives to the bot in pair talk: kept for the notice that they make next, and taken out again."""

from __future__ import annotations

from collections.abc import Sequence

from bot.attachments import checked
from bot.context import Context
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Attachment, Button
from bot.numbers import numbered
from bot.router import NEXT, Router
from bot.texts import Texts
from broadcasts.files import mark, without
from broadcasts.rights import SENDERS, reach
from broadcasts.service import Broadcasts
from broadcasts.wording import file_line
from handlers.kindly import asker, kindly, sender
from handlers.previewing import reply_correction, reply_preview

LABEL_LENGTH = 40
SINGLE_BUTTONS = 9
"""Files with a button of their own; ten buttons with the one for all."""


def build_router(broadcasts: Broadcasts) -> Router:
    """Takes files in, and gives them back for the asking."""
    router = Router()
    texts, tray = broadcasts.texts, broadcasts.tray

    @router.on(MessageReceived)
    @kindly(texts)
    async def given(ctx: Context[MessageReceived]) -> object:
        event = ctx.event
        if not event.files or not event.direct or ctx.command is not None:
            return NEXT
        member = await ctx.member()
        if member is None or reach(member, SENDERS) is None:
            return NEXT
        # Before the transaction: a large file takes its time, and nobody else shall wait for it.
        new = await broadcasts.files_in(event.adapter, event.message_id)
        if not new:
            await ctx.reply(texts("attachment.not_here"))
            return None
        kept = (*await tray.find(member.id), *new)
        checked(kept)
        await tray.put(await ctx.db(), member.id, kept)
        await reply_kept(ctx, kept)
        return None

    @router.button("files")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case ["drop", *marked]:
                await drop(ctx, marked)
            case ["choose", word] if (number := numbered(word)) is not None:
                await choose(ctx, number)
            case ["out", word, *marked] if (number := numbered(word)) is not None:
                await take_out(ctx, number, marked)
            case ["correction", ("own" | "kept") as which, word] if (number := numbered(word)) is not None:
                member = await sender(ctx, "correct")
                db = await ctx.db()
                changed = await broadcasts.corrections.take_out(db, number, member, kept=which == "kept")
                await reply_correction(ctx, broadcasts, changed)
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def reply_kept(ctx: Context[MessageReceived] | Context[ButtonPressed], kept: Sequence[Attachment]) -> None:
        lines = [texts("attachment.line", file=file_line(texts, each)) for each in kept]
        buttons = [*_singles(texts, kept, "files:drop"), Button(label=texts("attachment.drop"), data="files:drop")]
        await ctx.reply(texts("attachment.kept", files="\n".join(lines), count=len(kept)), buttons)

    async def drop(ctx: Context[ButtonPressed], marked: Sequence[str]) -> None:
        """Files that still wait: one, or all."""
        member = await asker(ctx, "files")
        left = without(await tray.find(member.id), marked[0]) if marked else ()
        await tray.put(await ctx.db(), member.id, left)
        if left:
            await reply_kept(ctx, left)
        else:
            await ctx.reply(texts("attachment.dropped"))

    async def choose(ctx: Context[ButtonPressed], number: int) -> None:
        """Which file of a draft is to go; a single one goes at once."""
        member = await sender(ctx, "take_out_files")
        attached = await broadcasts.removable(await ctx.db(), number, member)
        if len(attached) < 2:
            await take_out(ctx, number, ())
            return
        every = Button(label=texts("attachment.take_out_all"), data=f"files:out:{number}")
        buttons = [*_singles(texts, attached, f"files:out:{number}"), every]
        await ctx.reply(texts("attachment.take_out_which", id=number), buttons)

    async def take_out(ctx: Context[ButtonPressed], number: int, marked: Sequence[str]) -> None:
        member = await sender(ctx, "take_out_files")
        left = await broadcasts.take_out(await ctx.db(), number, member, marked[0] if marked else None)
        await ctx.reply(texts("attachment.taken_out", count=len(left)))
        await reply_preview(ctx, broadcasts, number, member)

    return router


def _singles(texts: Texts, attached: Sequence[Attachment], data: str) -> list[Button]:
    """A button for each of several files."""
    if len(attached) < 2:
        return []
    return [
        Button(label=texts("attachment.drop_one", name=each.name)[:LABEL_LENGTH], data=f"{data}:{mark(each)}")
        for each in attached[:SINGLE_BUTTONS]
    ]
