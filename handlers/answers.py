"""Answers in chat: the buttons under a question, the words that add to them, and `/安否`, `/参集`, `/回答`."""

from __future__ import annotations

import unicodedata
from functools import partial

from bot.context import Context
from bot.directory import DUTY_OFFICER, HEADQUARTERS
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Address, Message
from bot.numbers import numbered
from bot.router import NEXT, Router
from broadcasts import show_answers
from broadcasts.questions import Ask
from broadcasts.service import Broadcasts
from handlers.kindly import asker, kindly
from handlers.unslashed import SHOWN_LENGTH, unslashed

LIST = frozenset({"一覧", "list"})
COMMANDS: dict[tuple[str, str, str], Ask | None] = {
    ("安否", "safety", "あんぴ"): "safety",
    ("参集", "muster", "さんしゅう"): "muster",
    ("回答", "answers", "かいとう"): None,
}
MAY_SEE = frozenset({HEADQUARTERS, DUTY_OFFICER})


def build_router(broadcasts: Broadcasts, commands: Router) -> Router:
    """What people answer, and how the headquarters follows it; `commands` knows what would have been a command."""
    router = Router()
    texts = broadcasts.texts
    responses = broadcasts.responses

    @router.button("answer")
    async def pressed(ctx: Context[ButtonPressed]) -> None:
        """Never a word into a room: hundreds press there, and what they answer is theirs."""
        word, _, choice = ctx.arguments.partition(":")
        number = numbered(word)
        member = await ctx.member()
        if member is None:
            message = Message(text=texts("refused.stranger"))
        elif number is None:
            message = Message(text=texts("answer.unknown"))
        else:
            event = ctx.event
            message = await responses.press(
                await ctx.db(), member, number, choice, at=event.occurred_at, key=f"{event.adapter}:{event.key}"
            )
        presser = Address(adapter=ctx.event.adapter, kind="person", id=ctx.event.sender)
        await ctx.send(presser, message, topic=message.reference)

    @router.button("distress")
    @kindly(texts)
    async def taken(ctx: Context[ButtonPressed]) -> None:
        """An officer sees to somebody in need."""
        officer = await asker(ctx, "distress")
        match [numbered(part) for part in ctx.arguments.split(":")]:
            case [int(number), int(person)]:
                await ctx.reply(await broadcasts.distress.take(await ctx.db(), number, person, officer))
            case _:
                await ctx.reply(texts("refused.broken_button"))

    @router.on(MessageReceived)
    async def heard(ctx: Context[MessageReceived]) -> object:
        """Words or a place that were asked for; anything else is for the next handler."""
        event = ctx.event
        if ctx.command is not None or not event.direct or not (event.text.strip() or event.location):
            return NEXT
        member = await ctx.member()
        if member is None or not await responses.waits_for(member, event.occurred_at):
            return NEXT
        if unslashed(commands, event.text):
            # Somebody who forgot the slash has said nothing about themselves: nothing may be recorded of it.
            await ctx.reply(texts("plain.command", line=event.text.strip().lstrip("/／ 　")[:SHOWN_LENGTH]))
            return None
        message = await responses.hear(
            await ctx.db(),
            member,
            event.text,
            event.location,
            at=event.occurred_at,
            key=f"{event.adapter}:{event.key}",
        )
        if message is None:
            return NEXT
        await ctx.send(ctx.address, message, topic=message.reference)
        return None

    async def follow(asks: Ask | None, ctx: Context[MessageReceived]) -> None:
        """Counts for the headquarters; for everybody, and for them too with words, their own answer."""
        member = await asker(ctx, "answers")
        words = unicodedata.normalize("NFKC", ctx.arguments).split()
        numbers = [number for word in words if (number := numbered(word)) is not None]
        by_name = any(word.casefold() in LIST for word in words)
        about_all = len(numbers) <= 1 and len(words) == len(numbers) + by_name
        if not (about_all and member.roles & MAY_SEE):
            event, said = ctx.event, "" if about_all else ctx.arguments
            if asks is None:
                await ctx.reply(texts("answer.usage"))
                return
            own = await responses.say(
                await ctx.db(), member, asks, said, at=event.occurred_at, key=f"{event.adapter}:{event.key}"
            )
            await ctx.send(ctx.address, own, topic=own.reference)
            return
        found = await responses.tally(numbers[0] if numbers else None, asks)
        if by_name:
            parts = show_answers.names(texts, found, await responses.by_name(found.id), broadcasts.text_length)
        else:
            parts = show_answers.tally(texts, found, broadcasts.text_length)
        for part in parts:
            await ctx.reply(part)

    for (name, english, spoken), asks in COMMANDS.items():
        register = router.command(
            name, english, help=texts(f"help.{english}"), also=(spoken,), roles=MAY_SEE if asks is None else ()
        )
        register(kindly(texts)(partial(follow, asks)))
    return router
