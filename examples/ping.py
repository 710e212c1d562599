"""A bot in ten lines: run `python examples/ping.py` and type `/ping`."""

from bot import Bot, Context, Router
from bot.adapters.terminal import Terminal
from bot.events import MessageReceived

router = Router()


@router.command("ping", help="pong と返します / answers pong")
async def ping(ctx: Context[MessageReceived]) -> None:
    await ctx.reply("pong")


if __name__ == "__main__":
    Bot(router, adapters=[Terminal()]).run()
