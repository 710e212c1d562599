"""Plain messages in pair talk that answer a question of ours."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from bot.context import Context
from bot.events import MessageReceived
from broadcasts.dialogues import Dialogue, Dialogues

_asked: WeakKeyDictionary[Context[Any], Dialogue | None] = WeakKeyDictionary()
"""Several handlers ask of one message what dialogue is open: they look once."""


async def answered(ctx: Context[MessageReceived], dialogues: Dialogues, topic: str) -> Dialogue | None:
    """The dialogue on `topic` that this message answers; None if it is a command, or answers nothing of the kind."""
    if ctx.command is not None or not ctx.event.direct or not ctx.event.text.strip():
        return None
    member = await ctx.member()
    if member is None:
        return None
    if ctx not in _asked:
        _asked[ctx] = await dialogues.find(member.id)
    found = _asked[ctx]
    return found if found is not None and found.topic == topic else None
