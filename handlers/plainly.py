"""Plain words in pair talk that nobody asked for: an answer without its button, a command without its slash, a wish.

Silence would let people believe that somebody has read them. Include this router last.
"""

from __future__ import annotations

from bot.context import Context
from bot.events import MessageReceived
from bot.router import NEXT, Router
from broadcasts.condition import condition
from broadcasts.questions import NEEDS_HELP
from broadcasts.service import Broadcasts
from handlers.problems import looks_like_a_report
from handlers.unslashed import SHOWN_LENGTH, unslashed
from surveys.answering import normal
from surveys.service import Surveys


def build_router(broadcasts: Broadcasts, surveys: Surveys, commands: Router) -> Router:
    """One handler; `commands` is asked what would have been a command."""
    router = Router()
    texts = broadcasts.texts
    # The button under an announcement, or its number on a screen that shows none.
    begin = {"1", normal(surveys.texts("survey.button.start"))}

    @router.on(MessageReceived)
    async def unasked(ctx: Context[MessageReceived]) -> object:
        """Only for members of staff: two bots in one talk would answer each other for ever."""
        event, words = ctx.event, ctx.event.text.strip()
        if ctx.command is not None or not event.direct or not words:
            return NEXT
        if (member := await ctx.member()) is None:
            return NEXT
        line = words.lstrip("/／ 　")
        if unslashed(commands, words):
            await ctx.reply(texts("plain.command", line=line[:SHOWN_LENGTH]))
            return None
        db = await ctx.db()
        answer = await broadcasts.responses.guess(
            db, member, words, at=event.occurred_at, key=f"{event.adapter}:{event.key}"
        )
        found = condition(words)
        # Somebody in need is heard whatever was asked; what only sounds alarming, where something was.
        if found.choice in NEEDS_HELP or (found.alarming and answer is not None):
            key = f"{event.adapter}:{event.key}"
            told = await broadcasts.distress.tell_unasked(db, member, words, at=event.occurred_at, key=key)
            await ctx.reply(texts("distress.unasked_heard" if told else "distress.unasked_untold"))
            if answer is not None:
                await ctx.send(ctx.address, answer, topic=answer.reference)
            return None
        asked = answer is None and await surveys.conversation.waits(db, member.id)
        if asked and normal(words) in begin:
            answer = await surveys.conversation.start(db, member.id)
        if answer is not None:
            await ctx.send(ctx.address, answer, topic=answer.reference)
        elif asked:
            await ctx.reply("\n".join([texts("plain.nobody"), surveys.texts("survey.waits")]))
        elif looks_like_a_report(words):
            await ctx.reply(texts("plain.command", line=f"不具合 {words}"[:SHOWN_LENGTH]))
        else:
            await ctx.reply(texts("plain.nobody"))
        return None

    return router
