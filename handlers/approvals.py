"""The buttons of those who approve: 承認する, 差し戻す with a reason, and 確認しました after an emergency."""

from __future__ import annotations

from bot.context import Context
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button
from bot.numbers import numbered
from bot.router import NEXT, Router
from broadcasts import show
from broadcasts.service import Broadcasts
from handlers.dialogues import answered
from handlers.kindly import Asked, asker, kindly
from handlers.previewing import reply_confirmation

REASONS = ("audience", "text", "time")
"""Reasons that are one press away; any other is written."""
REASON_LENGTH = 500


def build_router(broadcasts: Broadcasts) -> Router:
    """Everything under the prefix `approval:`, and the written reason."""
    router = Router()
    texts, approvals, dialogues = broadcasts.texts, broadcasts.approvals, broadcasts.dialogues

    @router.button("approval")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case ["approve", word, seen] if (number := numbered(word)) is not None:
                await approve(ctx, number, seen)
            case ["return", word] if (number := numbered(word)) is not None:
                await ask_reason(ctx, number)
            case ["reason", word, reason] if (number := numbered(word)) is not None and reason in REASONS:
                await send_back(ctx, number, texts(f"approval.reason_{reason}"))
            case ["review", word] if (number := numbered(word)) is not None:
                await review(ctx, number)
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def approve(ctx: Context[ButtonPressed], number: int, seen: str) -> None:
        member, db = await asker(ctx, "approve"), await ctx.db()
        request = await approvals.find(db, number, member, "approve")
        confirmation = await broadcasts.approve(db, number, member, seen)
        match confirmation.outcome:
            case "changed":
                await ctx.reply(texts("broadcast.preview_changed"))
                preview = await broadcasts.preview(db, request.broadcast_id)
                *earlier, last = show.preview(texts, preview, broadcasts.text_length)
                for page in earlier:
                    await ctx.reply(page)
                await ctx.reply(last, approvals.buttons(number, preview.fingerprint))
            case "already":
                await ctx.reply(await approvals.standing(db, request))
            case _:
                await reply_confirmation(ctx, broadcasts, request.broadcast_id, member, confirmation, seen)

    async def ask_reason(ctx: Context[ButtonPressed], number: int) -> None:
        member, db = await asker(ctx, "return"), await ctx.db()
        request = await approvals.find(db, number, member, "return")
        if request.state != "waiting":
            await ctx.reply(await approvals.standing(db, request))
            return
        await dialogues.begin(db, member.id, "return", {"request": number})
        buttons = tuple(
            Button(label=texts(f"approval.reason_{reason}"), data=f"approval:reason:{number}:{reason}")
            for reason in REASONS
        )
        await ctx.reply(texts("approval.ask_reason", id=request.broadcast_id), buttons)

    async def send_back(ctx: Asked, number: int, reason: str) -> None:
        member, db = await asker(ctx, "return"), await ctx.db()
        await dialogues.end(db, member.id)
        request = await approvals.find(db, number, member, "return")
        if await approvals.decide(db, request, member, "returned", reason):
            await ctx.reply(texts("approval.returned", id=request.broadcast_id))
        else:
            await ctx.reply(await approvals.standing(db, request))

    async def review(ctx: Context[ButtonPressed], number: int) -> None:
        member, db = await asker(ctx, "review"), await ctx.db()
        request = await approvals.find(db, number, member, "review")
        if await approvals.decide(db, request, member, "approved"):
            await ctx.reply(texts("approval.reviewed", id=request.broadcast_id))
        else:
            await ctx.reply(await approvals.standing(db, request))

    @router.on(MessageReceived)
    @kindly(texts)
    async def written(ctx: Context[MessageReceived]) -> object:
        dialogue = await answered(ctx, dialogues, "return")
        if dialogue is None:
            return NEXT
        await send_back(ctx, dialogue.state["request"], ctx.event.text.strip()[:REASON_LENGTH])
        return None

    return router
