"""The preview of a draft with its buttons, wherever a draft comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.directory import Member
from bot.messages import Button
from bot.recurrence import shown
from bot.texts import Texts
from broadcasts import show, validation
from broadcasts.corrections import Correction
from broadcasts.service import Broadcasts, Confirmation
from handlers.kindly import Asked, reply_pages

FRESH = timedelta(hours=12)
"""How long a preview's buttons send: a thumb that slips far up in the talk sends nothing that is no longer true."""

SENDING = ("送る", "送信する", "発信する", "配信する", "流す")
"""What people also call the button that sends, and what they say for the one that does not."""
CANCELLING = ("取り消す", "破棄する", "送らない")


def is_old(ctx: Asked, drawn: int) -> bool:
    """Whether a preview that was drawn at this minute was drawn too long ago to be sent."""
    return ctx.clock.now().timestamp() - drawn * 60 > FRESH.total_seconds()


async def reply_preview(ctx: Asked, broadcasts: Broadcasts, number: int, member: Member) -> None:
    """Show a draft to its author; the last message carries the buttons that this author may press."""
    texts = broadcasts.texts
    seen = await broadcasts.preview(await ctx.db(), number)
    confirm = "broadcast.confirm" if seen.planned is None else "schedule.confirm"
    if broadcasts.approvals.needed(seen.kind, member):
        confirm = "approval.ask"
    drawn = f"{int(ctx.clock.now().timestamp()) // 60}"
    asks = confirm == "approval.ask"
    sends = Button(label=texts(confirm), data=f"broadcast:confirm:{number}:{seen.fingerprint}:{drawn}", means="yes")
    buttons = [sends if asks else sends.model_copy(update={"spoken": SENDING})]
    alone = asks and seen.planned is None and broadcasts.approvals.may_send_alone(seen.kind, member)
    if alone:
        buttons.append(
            Button(label=texts("approval.alone"), data=f"broadcast:alone:{number}:{seen.fingerprint}:{drawn}")
        )
    buttons += [
        _cancelling(texts, f"broadcast:cancel:{number}"),
        Button(label=texts("audience.names_button"), data=f"audience:names:{number}"),
    ]
    if seen.attachments:
        buttons.append(Button(label=texts("attachment.take_out"), data=f"files:choose:{number}"))
    usual = "broadcast.confirm_hint" if seen.planned is None else "schedule.confirm_hint"
    hint = texts(("approval.ask_hint_alone" if alone else "approval.ask_hint") if asks else usual)
    hint += "\n" + texts("rewriting.hint", id=number)
    await reply_pages(ctx, show.preview(texts, seen, broadcasts.text_length, hint), buttons)


def _cancelling(texts: Texts, data: str) -> Button:
    return Button(label=texts("broadcast.cancel"), data=data, means="no", spoken=CANCELLING)


async def reply_cancelled(ctx: Asked, broadcasts: Broadcasts, number: int, said: str) -> None:
    """Say that a draft was thrown away, with the button that brings it back: a thumb may have slipped."""
    texts = broadcasts.texts
    back = Button(label=texts("restore.button"), data=f"broadcast:restore:{number}")
    await ctx.reply(f"{said}\n{texts('restore.hint')}", [back])


async def reply_correction(ctx: Asked, broadcasts: Broadcasts, drafted: Correction) -> None:
    """Show a correction to its author, with the buttons that send it or change its files."""
    texts = broadcasts.texts
    confirm = texts("check.send_anyway" if drafted.warnings else "broadcast.confirm")
    buttons = [
        Button(label=confirm, data=f"recall:correct:{drafted.id}", means="yes", spoken=SENDING),
        _cancelling(texts, f"recall:keep:{drafted.broadcast_id}"),
        Button(label=texts("audience.names_button"), data=f"recall:names:{drafted.id}"),
    ]
    if drafted.attachments:
        buttons.append(Button(label=texts("attachment.take_out"), data=f"files:correction:own:{drafted.id}"))
    if drafted.kept:
        buttons.append(Button(label=texts("attachment.keep_off"), data=f"files:correction:kept:{drafted.id}"))
    await reply_pages(ctx, show.correction(texts, drafted, broadcasts.text_length), buttons)


async def reply_confirmation(
    ctx: Asked, broadcasts: Broadcasts, number: int, member: Member, confirmation: Confirmation, seen: str
) -> None:
    """Say what came of pressing a button that sends; `seen` is the fingerprint that was confirmed."""
    texts = broadcasts.texts
    match confirmation.outcome:
        case "sent":
            said = texts("broadcast.sent", id=number, recipients=confirmation.recipients)
            if confirmation.held_until is not None:
                said += "\n" + texts("quiet.sent", id=number, time=show.moment(confirmation.held_until))
            if confirmation.alone:
                said += "\n" + texts(
                    "approval.alone_sent" if confirmation.asked else "approval.alone_unseen", asked=confirmation.asked
                )
            await ctx.reply(broadcasts.marked(confirmation.kind, said))
        case "scheduled":
            assert confirmation.held_until is not None
            time = shown(confirmation.held_until, texts.language)
            said = texts("schedule.planned", id=number, recipients=confirmation.recipients, time=time)
            await ctx.reply(broadcasts.marked(confirmation.kind, said))
        case "already":
            await ctx.reply(texts("broadcast.already", id=number))
        case "cancelled":
            await ctx.reply(texts("broadcast.cancelled_before", id=number))
        case "requested":
            assert confirmation.until is not None
            until = show.moment(confirmation.until)
            await ctx.reply(texts("approval.requested", id=number, asked=confirmation.asked, until=until))
        case "waiting":
            await ctx.reply(texts("approval.waiting", id=number))
        case "changed":
            await ctx.reply(texts("broadcast.preview_changed"))
            await reply_preview(ctx, broadcasts, number, member)
        case "warned":
            again = "alone-again" if ctx.arguments.startswith("alone") else "confirm-again"
            found = validation.warnings((await broadcasts.notice(await ctx.db(), number)).text)
            lines = [texts(finding.key, found=finding.found) for finding in found]
            again, leave = f"broadcast:{again}:{number}:{seen}", f"broadcast:cancel:{number}"
            await reply_warned(ctx, texts, confirmation, lines, again, leave)


async def reply_warned(
    ctx: Asked, texts: Texts, confirmation: Confirmation, lines: Sequence[str], again: str, leave: str
) -> None:
    """Say what is odd about a notice, with the buttons that send it all the same (`again`) or not (`leave`)."""
    repeats = confirmation.repeats
    if repeats is not None:
        lines, again = [show.repeated(texts, repeats), *lines], f"{again}:{repeats.id}"
    anyway = texts("check.send_anyway" if repeats is None else "check.repeat_anyway")
    buttons = (Button(label=anyway, data=again, means="yes", spoken=SENDING), _cancelling(texts, leave))
    warned = "check.warned" if repeats is None else "check.repeat_warned"
    await ctx.reply(texts(warned, findings="\n".join(lines)), buttons)
