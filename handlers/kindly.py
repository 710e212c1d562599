"""What the commands of notices share: refusals as kind replies, and who may ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import TypeAlias, TypeVar

from bot import audit
from bot.context import Context
from bot.directory import Member
from bot.errors import Forbidden, Refused
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button, Typed
from bot.texts import Texts
from broadcasts.rights import SENDERS, reach
from broadcasts.telling import paged

E = TypeVar("E", MessageReceived, ButtonPressed)
Answer: TypeAlias = Callable[[Context[E]], Awaitable[object]]
Asked: TypeAlias = Context[MessageReceived] | Context[ButtonPressed]


def kindly(texts: Texts) -> Callable[[Answer[E]], Answer[E]]:
    """Turn a refusal into a reply; nothing else that the handler began is kept, but a missing right is written down."""

    def around(handler: Answer[E]) -> Answer[E]:
        async def kind(ctx: Context[E]) -> object:
            try:
                return await handler(ctx)
            except Refused as refusal:
                await ctx.start_over()
                if isinstance(refusal, Forbidden):
                    await audit.record_refusal(await ctx.db(), ctx.clock, refusal)
                await ctx.reply(sentence(texts, refusal))
                return None

        return wraps(handler)(kind)

    return around


def sentence(texts: Texts, refusal: Refused) -> str:
    """Why something was refused; what the framework refuses has its words in the framework's catalogue."""
    known = texts if refusal.key in texts else Texts("bot", language=texts.language)
    return known(refusal.key, **refusal.values)


async def reply_pages(ctx: Asked, pages: Sequence[str], buttons: Sequence[Button], *, typed: Typed = "choices") -> None:
    """Answer in as many messages as there are pages; the buttons stand under the last."""
    for message in paged(pages, buttons, typed):
        await ctx.reply(message.text, message.buttons, typed=message.typed)


async def asker(ctx: Asked, action: str) -> Member:
    """The member who asks, in pair talk. A stranger is refused, and it is written down."""
    if not ctx.event.direct:
        raise Refused("refused.pair_talk_only")
    member = await ctx.member()
    if member is None:
        raise Forbidden("refused.stranger", actor="stranger", action=f"broadcast.{action}", subject="broadcast")
    return member


async def sender(ctx: Asked, action: str) -> Member:
    """A member who may send to somebody; to whom exactly is for the service to check."""
    member = await asker(ctx, action)
    if reach(member, SENDERS) is None:
        raise _forbidden(member, action)
    return member


def _forbidden(member: Member, action: str) -> Forbidden:
    return Forbidden("refused.not_headquarters", actor=member.code, action=f"broadcast.{action}", subject="broadcast")
