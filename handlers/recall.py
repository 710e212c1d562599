"""`/取消` and `/訂正`: looked at first, done by a button."""

from __future__ import annotations

import unicodedata

from bot.context import Context
from bot.errors import Refused
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button
from bot.router import Router
from broadcasts import show_answers
from broadcasts.corrections import Correction
from broadcasts.recall import Recall
from broadcasts.responses import clock_time
from broadcasts.rights import SENDERS
from broadcasts.service import Broadcasts
from broadcasts.show import pages
from handlers.answers import LIST
from handlers.kindly import kindly, sender


def build_router(broadcasts: Broadcasts) -> Router:
    """The commands, and the buttons under their previews."""
    router = Router()
    texts = broadcasts.texts

    @router.command("取消", "recall", help=texts("help.recall"), also=("取り消し", "とりけし"), roles=SENDERS)
    @kindly(texts)
    async def look(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "recall")
        number, *more = unicodedata.normalize("NFKC", ctx.arguments).split() or [""]
        by_name = [word.casefold() for word in more if word.casefold() in LIST]
        if not _is_number(number) or len(by_name) != len(more):
            await ctx.reply(texts("recall.usage"))
            return
        db = await ctx.db()
        notice = await broadcasts.notice(db, int(number))
        if by_name:
            people = await broadcasts.recalls.readers(db, notice, member)
            for part in show_answers.readers(texts, notice.id, people, broadcasts.text_length):
                await ctx.reply(part)
        elif notice.state == "draft":
            await broadcasts.cancel(db, notice.id, member)
            await ctx.reply(broadcasts.marked(notice.kind, texts("broadcast.cancelled", id=notice.id)))
        else:
            found = await broadcasts.recalls.preview(db, notice, member)
            buttons = (
                Button(label=texts("recall.confirm"), data=f"recall:recall:{notice.id}"),
                Button(label=texts("recall.keep"), data=f"recall:keep:{notice.id}"),
            )
            await ctx.reply(_marked(found, "recall.preview"), buttons)

    @router.command("訂正", "correct", help=texts("help.correct"), also=("ていせい",), roles=SENDERS)
    @kindly(texts)
    async def correct(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "correct")
        number, *rest = ctx.arguments.split(maxsplit=1) or [""]
        number = unicodedata.normalize("NFKC", number)
        if not _is_number(number) or not rest:
            await ctx.reply(texts("correction.usage"))
            return
        db = await ctx.db()
        drafted = await broadcasts.corrections.draft(db, await broadcasts.notice(db, int(number)), member, rest[0])
        buttons = (
            Button(
                label=texts("check.send_anyway" if drafted.warnings else "broadcast.confirm"),
                data=f"recall:correct:{drafted.id}",
            ),
            Button(label=texts("broadcast.cancel"), data=f"recall:keep:{drafted.broadcast_id}"),
        )
        *earlier, last = pages(_preview(drafted), broadcasts.text_length)
        for part in earlier:
            await ctx.reply(part)
        await ctx.reply(last, buttons)

    @router.button("recall")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        member = await sender(ctx, "recall")
        match ctx.arguments.split(":"):
            case ["recall", number] if _is_number(number):
                db = await ctx.db()
                found = await broadcasts.recalls.recall(db, await broadcasts.notice(db, int(number)), member)
                if not found.done:
                    raise Refused("recall.already", id=found.id)
                await ctx.reply(_marked(found, "recall.done"))
            case ["correct", number] if _is_number(number):
                sent = await broadcasts.corrections.send(await ctx.db(), int(number), member)
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
            case ["keep", number] if _is_number(number):
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

    def _preview(drafted: Correction) -> list[str]:
        labels = [texts("question.button", label=label) for label in drafted.buttons]
        lines = texts(
            "correction.preview",
            id=drafted.broadcast_id,
            kind=texts(f"kind.{drafted.kind}"),
            recipients=drafted.recipients,
            read=drafted.read,
            text=drafted.text,
        ).split("\n")
        if labels:
            lines.append(texts("question.preview", labels="".join(labels)))
        if drafted.held_until is not None:
            lines.append(texts("correction.held_preview", time=clock_time(drafted.held_until)))
        if drafted.warnings:
            findings = "\n".join(texts(each.key, found=each.found) for each in drafted.warnings)
            return [*lines, "", *texts("check.warned", findings=findings).split("\n")]
        return [*lines, "", texts("broadcast.confirm_hint")]

    return router


def _is_number(word: str) -> bool:
    return word.isdecimal() and len(word) <= 15
