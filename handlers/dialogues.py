"""Plain messages in pair talk that answer a question of ours."""

from __future__ import annotations

from bot.context import Context
from bot.events import MessageReceived
from broadcasts.dialogues import Dialogue, Dialogues


async def answered(ctx: Context[MessageReceived], dialogues: Dialogues, topic: str) -> Dialogue | None:
    """The dialogue on `topic` that this message answers; None if it is a command, or answers nothing of the kind."""
    if ctx.command is not None or not ctx.event.direct or not ctx.event.text.strip():
        return None
    member = await ctx.member()
    if member is None:
        return None
    found = await dialogues.find(member.id)
    return found if found is not None and found.topic == topic else None
