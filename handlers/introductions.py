"""Who is who where a platform tells nobody's name: people learn their own id there, and who blocks the bot is noted.

The id goes into the roster, by hand: it says who somebody is, so it must not be enough to say so oneself.
"""

from __future__ import annotations

from bot.context import Context
from bot.events import MemberJoined, MemberLeft, MessageReceived
from bot.router import NEXT, Router
from bot.texts import Texts
from bot.unreachable import note_coming, note_going


def build_router(texts: Texts) -> Router:
    """The command `/わたし`, and what happens when somebody befriends, blocks or unblocks the bot."""
    router = Router()

    @router.command("わたし", "whoami", help=texts("who.help"), also=("私",))
    async def tell(ctx: Context[MessageReceived]) -> None:
        person = await ctx.member()
        if person is None:
            await ctx.reply(texts("who.stranger", id=ctx.event.sender))
        else:
            await ctx.reply(texts("who.known", name=person.name, department=person.department, id=ctx.event.sender))

    @router.on(MemberJoined)
    async def came(ctx: Context[MemberJoined]) -> object:
        if ctx.event.direct:
            if await ctx.member() is None:
                await ctx.reply(texts("who.stranger", id=ctx.event.member))
            else:
                await note_coming(await ctx.db(), ctx.event.adapter, ctx.event.member, ctx.event.occurred_at)
        return NEXT

    @router.on(MemberLeft)
    async def went(ctx: Context[MemberLeft]) -> object:
        if ctx.event.direct:
            event = ctx.event
            await note_going(await ctx.db(), event.adapter, event.member, event.occurred_at, ctx.clock.now())
        return NEXT

    return router
