"""From a wish to a draft and its preview, with the questions in between about what may have been forgotten."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from bot.context import Context
from bot.events import ButtonPressed
from bot.messages import Button
from bot.numbers import numbered
from bot.recurrence import Rule
from bot.router import Router
from broadcasts.naming import named
from broadcasts.questions import Question
from broadcasts.service import Broadcasts
from handlers.doubts import Doubt, doubt
from handlers.kindly import Asked, kindly, sender
from handlers.previewing import reply_preview
from handlers.wishes import Wish

TOPIC = "doubt"
LABEL_LENGTH = 40


async def compose(
    ctx: Asked, broadcasts: Broadcasts, wish: Wish, rule: Rule | None = None, settled: frozenset[str] = frozenset()
) -> None:
    """Ask about what is in doubt, or draft the wish and show it. Raises `Refused`."""
    member = await sender(ctx, "draft")
    attached = await broadcasts.tray.find(member.id)
    db = await ctx.db()
    if (found := await doubt(db, wish, settled)) is not None:
        await _ask(ctx, broadcasts, member.id, found, rule, settled)
        return
    audience = await named(db, wish.included, wish.excluded)
    number = await broadcasts.draft(
        db,
        member,
        wish.text,
        kind=wish.kind,
        audience=audience,
        question=wish.question,
        attachments=attached,
    )
    await broadcasts.tray.clear(db, member.id)
    if rule is not None:
        await broadcasts.schedules.plan(db, number, rule)
    await reply_preview(ctx, broadcasts, number, member)


async def _ask(
    ctx: Asked, broadcasts: Broadcasts, member_id: int, found: Doubt, rule: Rule | None, settled: frozenset[str]
) -> None:
    texts = broadcasts.texts
    shown = hashlib.sha256(f"{ctx.event.adapter}:{ctx.event.key}".encode()).hexdigest()[:12]
    state = {
        "shown": shown,
        "wishes": [_packed(each.wish) for each in found.readings],
        "rule": None if rule is None else rule.model_dump_json(),
        "settled": sorted(settled | {found.about}),
    }
    await broadcasts.dialogues.begin(await ctx.db(), member_id, TOPIC, state)
    buttons = [
        Button(label=texts(each.key, names=each.names)[:LABEL_LENGTH], data=f"{TOPIC}:{shown}:{place}")
        for place, each in enumerate(found.readings)
    ]
    buttons.append(Button(label=texts("broadcast.cancel"), data=f"{TOPIC}:{shown}:leave", means="no"))
    await ctx.reply(texts(f"doubt.{found.about}", word=found.word), buttons)


def build_router(broadcasts: Broadcasts) -> Router:
    """The buttons under those questions."""
    router = Router()
    texts, dialogues = broadcasts.texts, broadcasts.dialogues

    @router.button(TOPIC)
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        member = await sender(ctx, "draft")
        shown, _, chosen = ctx.arguments.partition(":")
        dialogue = await dialogues.find(member.id)
        if dialogue is None or dialogue.topic != TOPIC or dialogue.state["shown"] != shown:
            await ctx.reply(texts("doubt.gone"))
            return
        state = dialogue.state
        await dialogues.end(await ctx.db(), member.id)
        place = numbered(chosen)
        if place is None or place >= len(state["wishes"]):
            await ctx.reply(texts("doubt.left"))
            return
        rule = None if state["rule"] is None else Rule.model_validate_json(state["rule"])
        await compose(ctx, broadcasts, _unpacked(state["wishes"][place]), rule, frozenset(state["settled"]))

    return router


def _packed(wish: Wish) -> dict[str, Any]:
    question = None if wish.question is None else wish.question.model_dump(mode="json")
    return {**asdict(wish), "question": question}


def _unpacked(stored: dict[str, Any]) -> Wish:
    question = None if stored["question"] is None else Question.model_validate(stored["question"])
    values = {**stored, "question": question}
    return Wish(**{**values, "included": tuple(stored["included"]), "excluded": tuple(stored["excluded"])})
