"""`/不具合 …`: staff say what is wrong, in their own words, and the trial's evaluation counts it."""

from __future__ import annotations

from bot import usage
from bot.context import Context
from bot.errors import Refused
from bot.events import MessageReceived
from bot.router import Router
from bot.texts import Texts


def build_router(texts: Texts) -> Router:
    """The command by which anybody on the staff reports a problem; `texts` includes the catalogue `bot`."""
    router = Router()

    @router.command("不具合", "problem", help=texts("problem.help"), also=("ふぐあい",))
    async def problem(ctx: Context[MessageReceived]) -> None:
        person = await ctx.member()
        if person is None:
            raise Refused("problem.stranger")
        words = ctx.arguments.strip()
        if not words:
            await ctx.reply(texts("problem.usage"))
            return
        number = await usage.report_problem(await ctx.db(), person.id, ctx.event.occurred_at, words)
        await ctx.reply(texts("problem.thanks", number=number))

    return router
