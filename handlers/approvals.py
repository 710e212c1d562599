"""`/承認` and the buttons of those who approve: 承認する, 差し戻す with a reason, 確認しました after an emergency."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Row

from bot.context import Context
from bot.directory import Member
from bot.errors import Forbidden
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button
from bot.numbers import numbered
from bot.router import NEXT, Router
from broadcasts import show
from broadcasts.overview import overview
from broadcasts.requests import open_to
from broadcasts.rights import APPROVERS, SENDERS, reach
from broadcasts.service import Broadcasts
from handlers.dialogues import answered
from handlers.kindly import Asked, asker, kindly, reply_pages
from handlers.previewing import reply_confirmation, reply_warned

SPOKEN = ("承認する", "承認します")
"""What people write where they mean the button."""
REASONS = ("audience", "text", "time")
"""Reasons that are one press away; any other is written."""
REASON_LENGTH = 500
KEEP = frozenset({"やめる", "やめます", "やめた", "キャンセル", "取消", "差し戻さない", "承認", *SPOKEN, "cancel"})
"""Written where a reason is asked for, these are none: whoever pressed 差し戻す by mistake wants to go back."""
LISTED = 5
"""How many open requests `/承認` shows, each with its whole preview."""


def build_router(broadcasts: Broadcasts) -> Router:
    """Everything under the prefix `approval:`, and the written reason."""
    router = Router()
    texts, approvals, dialogues = broadcasts.texts, broadcasts.approvals, broadcasts.dialogues

    @router.command("承認", "approve", help=texts("help.approve"), also=("しょうにん", *SPOKEN), roles=APPROVERS)
    @kindly(texts)
    async def listing(ctx: Context[MessageReceived]) -> None:
        member, db = await asker(ctx, "approve"), await ctx.db()
        own = await reply_own(ctx, member)
        if reach(member, APPROVERS) is None:
            if own:
                return
            raise Forbidden(
                "refused.no_approver_role", actor=member.code, action="broadcast.approve", subject="broadcast"
            )
        found = await open_to(db, member, ctx.clock.now())
        if not found:
            if not own:
                await ctx.reply(texts("approval.none"))
            return
        if len(found) > 1:
            await ctx.reply(texts("approval.listing", count=len(found), shown=min(len(found), LISTED)))
        for request in found[:LISTED]:
            await show_again(ctx, request)

    async def reply_own(ctx: Context[MessageReceived], member: Member) -> bool:
        """What this member has asked others to approve, and until when."""
        waiting = [
            each for each in (await overview(await ctx.db(), member, "waiting"))[0] if each.author == member.name
        ]
        lines = [
            texts(
                "approval.own",
                id=each.id,
                kind=texts(f"kind.{each.kind}"),
                until=show.moment(each.at),
                text=" ".join(each.text.split())[:30],
            )
            for each in waiting
        ]
        for page in show.pages([texts("approval.own_title"), *lines], broadcasts.text_length) if lines else ():
            await ctx.reply(page)
        return bool(lines)

    async def show_again(ctx: Asked, request: Row[Any]) -> None:
        """A request or a review as it was asked for, as things stand now."""
        db = await ctx.db()
        if request.purpose == "review":
            for part in await broadcasts.reviews.again(db, request):
                await ctx.reply(part.text, part.buttons)
            return
        preview = await broadcasts.preview(db, request.broadcast_id)
        pages = show.preview(texts, preview, broadcasts.text_length, show.approval_hint(texts, preview))
        await reply_pages(ctx, pages, approvals.buttons(request.id, preview.fingerprint))

    @router.button("approval")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case ["approve", word, seen] if (number := numbered(word)) is not None:
                await approve(ctx, number, seen)
            case ["approve", word, seen, other] if (number := numbered(word)) is not None and (
                repeats := numbered(other)
            ) is not None:
                await approve(ctx, number, seen, repeats)
            case ["return", word] if (number := numbered(word)) is not None:
                await ask_reason(ctx, number)
            case ["reason", word, reason] if (number := numbered(word)) is not None and reason in REASONS:
                await send_back(ctx, number, texts(f"approval.reason_{reason}"))
            case ["keep", word] if (number := numbered(word)) is not None:
                await keep(ctx, number)
            case ["review", word] if (number := numbered(word)) is not None:
                await review(ctx, number)
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def approve(ctx: Context[ButtonPressed], number: int, seen: str, repeats: int = 0) -> None:
        member, db = await asker(ctx, "approve"), await ctx.db()
        request = await approvals.find(db, number, member, "approve")
        confirmation = await broadcasts.approve(db, number, member, seen, repeats=repeats)
        match confirmation.outcome:
            case "changed":
                await ctx.reply(texts("approval.preview_changed"))
                await show_again(ctx, request)
            case "warned":
                again, leave = f"approval:approve:{number}:{seen}", f"approval:return:{number}"
                await reply_warned(ctx, texts, confirmation, (), again, leave)
            case "already":
                await ctx.reply(await approvals.standing(db, request))
            case "sent":
                said = texts("approval.approved", id=request.broadcast_id, recipients=confirmation.recipients)
                if confirmation.held_until is not None:
                    said += "\n" + texts("approval.approved_held", time=show.moment(confirmation.held_until))
                if reach(member, SENDERS) is not None:
                    said += "\n" + texts("approval.approved_wrong", id=request.broadcast_id)
                await ctx.reply(broadcasts.marked(confirmation.kind, said))
            case _:
                await reply_confirmation(ctx, broadcasts, request.broadcast_id, member, confirmation, seen)

    async def ask_reason(ctx: Context[ButtonPressed], number: int) -> None:
        member, db = await asker(ctx, "return"), await ctx.db()
        request = await approvals.find(db, number, member, "return")
        if not approvals.is_open(request):
            await ctx.reply(await approvals.standing(db, request))
            return
        await dialogues.begin(db, member.id, "return", {"request": number})
        buttons = tuple(
            Button(label=texts(f"approval.reason_{reason}"), data=f"approval:reason:{number}:{reason}")
            for reason in REASONS
        )
        buttons += (Button(label=texts("approval.keep"), data=f"approval:keep:{number}", means="no"),)
        await ctx.reply(texts("approval.ask_reason", id=request.broadcast_id), buttons)

    async def send_back(ctx: Asked, number: int, reason: str) -> None:
        member, db = await asker(ctx, "return"), await ctx.db()
        await dialogues.end(db, member.id)
        request = await approvals.find(db, number, member, "return")
        if await approvals.decide(db, request, member, "returned", reason):
            await ctx.reply(texts("approval.returned", id=request.broadcast_id))
        else:
            await ctx.reply(await approvals.standing(db, request))

    async def keep(ctx: Asked, number: int) -> None:
        """Not sent back after all: it is shown again, with its buttons, if it still waits."""
        member, db = await asker(ctx, "return"), await ctx.db()
        await dialogues.end(db, member.id)
        request = await approvals.find(db, number, member, "return")
        if not approvals.is_open(request):
            await ctx.reply(await approvals.standing(db, request))
            return
        await ctx.reply(texts("approval.kept", id=request.broadcast_id))
        await show_again(ctx, request)

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
        word = "".join(unicodedata.normalize("NFKC", ctx.event.text).casefold().split())
        word = word.strip("。.!").removeprefix("やっぱり")
        if word in KEEP:
            await keep(ctx, dialogue.state["request"])
            return None
        await send_back(ctx, dialogue.state["request"], ctx.event.text.strip()[:REASON_LENGTH])
        return None

    return router
