"""`/ヘルプ` and `/help`, and a kind word to those who mistype a command."""

from __future__ import annotations

from bot.context import Context
from bot.events import MessageReceived
from bot.router import NEXT, Router
from bot.texts import Texts, repeated

NAMES = ("ヘルプ", "help")


def with_help(router: Router, texts: Texts) -> Router:
    """A router that has everything of `router` and lists its commands; a help command of its own is left alone."""
    whole = Router()
    whole.include(router)

    def listing() -> str:
        lines = (
            texts("help.line", command=" ".join(f"/{name}" for name in entry.names), help=entry.help)
            for entry in whole.help
        )
        return "\n".join([texts("help.intro"), *lines])

    async def show_help(ctx: Context[MessageReceived]) -> None:
        await ctx.reply(listing())

    async def explain_unknown(ctx: Context[MessageReceived]) -> object:
        if ctx.command is None or not ctx.event.direct:  # in a room, another bot may be meant
            return NEXT
        await ctx.reply(f"{texts('help.unknown', command=repeated(ctx.command, 50))}\n{listing()}")
        return None

    own = tuple(name for name in NAMES if not router.has_command(name))
    if own:
        whole.command(*own, help=texts("help.entry"))(show_help)
    whole.on(MessageReceived)(explain_unknown)
    return whole
