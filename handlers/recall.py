"""`/取消` and `/訂正`: looked at first, done by a button."""

from __future__ import annotations

import unicodedata

from bot.context import Context
from bot.errors import Refused
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button
from bot.numbers import numbered, typed_number
from bot.router import Router
from broadcasts import show_answers, show_people
from broadcasts.recall import Recall
from broadcasts.responses import clock_time
from broadcasts.rights import SENDERS
from broadcasts.service import Broadcasts
from handlers.answers import LIST
from handlers.kindly import kindly, sender
from handlers.previewing import reply_cancelled, reply_correction, reply_preview


def build_router(broadcasts: Broadcasts) -> Router:
    """The commands, and the buttons under their previews."""
    router = Router()
    texts = broadcasts.texts

    @router.command("取消", "recall", help=texts("help.recall"), also=("取り消し", "とりけし"), roles=SENDERS)
    @kindly(texts)
    async def look(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "recall")
        word, *more = unicodedata.normalize("NFKC", ctx.arguments).split() or [""]
        number = typed_number(word)
        by_name = [word.casefold() for word in more if word.casefold() in LIST]
        if number is None or len(by_name) != len(more):
            await ctx.reply(texts("recall.usage"))
            return
        db = await ctx.db()
        notice = await broadcasts.notice(db, number)
        if by_name:
            readers = await broadcasts.recalls.readers(db, notice, member)
            for part in show_answers.readers(texts, notice.id, readers, broadcasts.text_length):
                await ctx.reply(part)
        elif notice.state == "draft":
            await broadcasts.cancel(db, notice.id, member)
            said = broadcasts.marked(notice.kind, texts("broadcast.cancelled", id=notice.id))
            await reply_cancelled(ctx, broadcasts, notice.id, said)
        else:
            found = await broadcasts.recalls.preview(db, notice, member)
            buttons = (
                Button(label=texts("recall.confirm"), data=f"recall:recall:{notice.id}", means="yes"),
                Button(label=texts("recall.keep"), data=f"recall:keep:{notice.id}", means="no"),
            )
            await ctx.reply(_marked(found, "recall.preview"), buttons)

    @router.command("訂正", "correct", help=texts("help.correct"), also=("ていせい",), roles=SENDERS)
    @kindly(texts)
    async def correct(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "correct")
        word, *rest = ctx.arguments.split(maxsplit=1) or [""]
        number = typed_number(word)
        if number is None or not rest:
            await ctx.reply(texts("correction.usage"))
            return
        attached = await broadcasts.tray.find(member.id)
        db = await ctx.db()
        notice = await broadcasts.notice(db, number)
        if notice.state == "draft":  # nobody has it: the draft itself is mended
            asked = await broadcasts.approvals.waits(db, number)
            await broadcasts.rewrite(db, number, member, rest[0], attached)
            await broadcasts.tray.clear(db, member.id)
            await ctx.reply(texts("rewriting.asked" if asked else "rewriting.done", id=number))
            await reply_preview(ctx, broadcasts, number, member)
            return
        drafted = await broadcasts.corrections.draft(db, notice, member, rest[0], attached)
        await broadcasts.tray.clear(db, member.id)
        await reply_correction(ctx, broadcasts, drafted)

    @router.button("recall")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        member = await sender(ctx, "recall")
        match ctx.arguments.split(":"):
            case ["recall", word] if (number := numbered(word)) is not None:
                db = await ctx.db()
                found = await broadcasts.recalls.recall(db, await broadcasts.notice(db, number), member)
                if not found.done:
                    raise Refused("recall.already", id=found.id)
                await ctx.reply(_marked(found, "recall.done"))
            case ["correct", word] if (number := numbered(word)) is not None:
                sent = await broadcasts.corrections.send(await ctx.db(), number, member)
                outcome = "correction.already" if sent.number is None else "correction.sent"
                if sent.number is not None and sent.held_until is not None:
                    outcome = "correction.held"
                await ctx.reply(
                    broadcasts.marked(
                        sent.kind,
                        texts(
                            outcome,
                            id=sent.broadcast_id,
                            recipients=sent.recipients,
                            read=sent.read,
                            time=clock_time(sent.held_until) if sent.held_until is not None else "",
                        ),
                    )
                )
            case ["names", word] if (number := numbered(word)) is not None:
                seen = await broadcasts.corrections.people(await ctx.db(), number, member)
                for page in show_people.addressees(texts, seen, broadcasts.text_length, "audience.of_correction"):
                    await ctx.reply(page)
            case ["keep", word] if (number := numbered(word)) is not None:
                await ctx.reply(texts("recall.kept", id=number))
            case _:
                await ctx.reply(texts("refused.broken_button"))

    def _marked(found: Recall, key: str) -> str:
        undeletable = texts("recall.undeletable", people=found.undeletable) if found.undeletable else ""
        said = texts(
            key,
            id=found.id,
            recipients=found.recipients,
            having=found.having,
            read=found.read,
            undeletable=undeletable,
            text=found.text,
        )
        return broadcasts.marked(found.kind, said)

    return router
