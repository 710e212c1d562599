"""Before a survey goes out: who would be asked what and until when, and a button that starts it.

What was looked at is what is sent. The preview waits in the person's dialogue; if somebody has joined or left the
audience meanwhile, it is shown anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.context import Context
from bot.directory import Member
from bot.errors import Refused
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button
from broadcasts.audience import select_members
from broadcasts.dialogues import Dialogues
from broadcasts.naming import named
from handlers.closing import closing_moment
from surveys.answering import normal
from surveys.definition import Definition, Scale, Step, WithOptions
from surveys.results import Expected, closing_time
from surveys.service import Surveys

TOPIC = "survey-opening"
"""Of the dialogue, and the prefix of its buttons."""
LENGTH = 4_500
"""Characters of a preview or of results in one message, which every platform takes."""

_CLOSING = re.compile(r"^(?:締切|〆切|until)\s*", re.IGNORECASE)


class Opening:
    """Shows what would be opened, and opens it."""

    def __init__(self, surveys: Surveys, dialogues: Dialogues) -> None:
        self._surveys = surveys
        self._dialogues = dialogues
        self._texts = surveys.texts

    async def show(
        self, ctx: Context[MessageReceived], person: Member, definition: Definition, words: Sequence[str]
    ) -> None:
        """The preview of a survey for whom and until when `words` say. Raises `Refused` if it could not open."""
        names = [word[1:] for word in map(normal, words) if word.startswith("@")] or list(definition.audience)
        closing = _CLOSING.sub("", " ".join(word for word in words if not normal(word).startswith("@")))
        state = {"definition": definition.model_dump_json(), "names": names, "closing": closing}
        await self._preview(ctx, person, state)

    async def answer(
        self, ctx: Context[MessageReceived] | Context[ButtonPressed], person: Member, word: str, shown: str | None
    ) -> None:
        """Start or drop what `person` was shown; `shown` says which preview a button belongs to."""
        dialogue = await self._dialogues.find(person.id)
        if dialogue is None or dialogue.topic != TOPIC or shown not in {None, dialogue.state["shown"]}:
            raise Refused("survey.opening.gone")
        db = await ctx.db()
        if not await self._dialogues.end(db, person.id):
            raise Refused("survey.opening.gone")
        if word != "yes":
            await ctx.reply(self._texts("survey.opening.dropped"))
            return
        state = dialogue.state
        definition, audience, closes_at = await self._read(db, ctx.clock, state)
        expected = await self._surveys.expect(db, definition, audience=audience, closes_at=closes_at, owner=person.id)
        if _digest(state, expected) != state["shown"]:
            await self._preview(ctx, person, state, note=self._texts("survey.opening.changed"))
            return
        opened = await self._surveys.open(
            db, definition, audience=audience, closes_at=closes_at, actor=person.code, owner=person.id
        )
        values = {"id": opened.id, "title": opened.title, "asked": opened.asked}
        lines = [self._texts("survey.manage.opened", closes=closing_time(opened.closes_at), **values)]
        if opened.unreachable:
            lines.append(self._texts("survey.manage.unreachable", count=opened.unreachable))
        await ctx.reply("\n".join(lines))

    def typed(self, text: str) -> str | None:
        """The answer that was typed instead of pressed: a button's label or its number; None if it is neither."""
        word = normal(text)
        for number, (answer, label) in enumerate(self._labels(), start=1):
            if word in {str(number), normal(label)}:
                return answer
        return None

    # -------------------------------------------------------------- preview

    async def _preview(
        self,
        ctx: Context[MessageReceived] | Context[ButtonPressed],
        person: Member,
        state: dict[str, Any],
        note: str = "",
    ) -> None:
        db = await ctx.db()
        definition, audience, closes_at = await self._read(db, ctx.clock, state)
        expected = await self._surveys.expect(db, definition, audience=audience, closes_at=closes_at, owner=person.id)
        shown = _digest(state, expected)
        await self._dialogues.begin(db, person.id, TOPIC, {**state, "shown": shown})
        text = "\n".join(filter(None, (note, self._text(definition, state["names"], expected))))
        buttons = tuple(
            Button(label=label, data=f"{TOPIC}:{answer}:{shown}", means=answer) for answer, label in self._labels()
        )
        await ctx.reply(short(text), buttons)

    def _text(self, definition: Definition, names: Sequence[str], expected: Expected) -> str:
        texts = self._texts
        lines = [
            texts(
                "survey.opening.preview",
                title=definition.title,
                intro=definition.opening_line,
                names="、".join(names) or texts("survey.schedule.everybody"),
                asked=expected.asked,
                closes=closing_time(expected.closes_at),
                promise=texts(f"survey.promise_{definition.anonymity}"),
                count=len(definition.steps),
            )
        ]
        if expected.unreachable:
            lines.insert(0, texts("survey.manage.unreachable", count=expected.unreachable))
        return "\n".join([*lines, *(self._question(step) for step in definition.steps)])

    def _question(self, step: Step) -> str:
        question, texts = step.question, self._texts
        match question:
            case WithOptions():
                choices = "／".join(option.label for option in question.options)
            case Scale():
                choices = texts("survey.opening.scale", low=question.low, high=question.high)
            case _:
                choices = texts(f"survey.opening.{question.kind}")
        return texts("survey.opening.question", number=step.index + 1, text=step.text, choices=choices)

    def _labels(self) -> Sequence[tuple[Literal["yes", "no"], str]]:
        return [("yes", self._texts("survey.opening.yes")), ("no", self._texts("survey.opening.no"))]

    async def _read(
        self, db: AsyncConnection, clock: Clock, state: dict[str, Any]
    ) -> tuple[Definition, Select[tuple[int]] | None, datetime | None]:
        definition = Definition.model_validate_json(state["definition"])
        closes_at = closing_moment(state["closing"], clock.now()) if state["closing"] else None
        return definition, await asked_by_name(db, state["names"]) if state["names"] else None, closes_at


def short(text: str) -> str:
    """A text as one message takes it."""
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def drafted(wish: str) -> tuple[Definition, list[str]]:
    """A poll of one question as it is drafted in the chat, `題名 | 質問 | 一 | 二 | 締切 5日`, and for whom until when.

    As it was typed: what people read keeps its own signs. Raises `Refused`.
    """
    asked: list[str] = []
    words: list[str] = []
    for part in re.split(r"[|｜]", wish):
        if normal(part).startswith("@") or _CLOSING.match(normal(part)):
            words += part.split()
        else:
            asked.append(part.strip())
    title, question, *options = [*asked, "", ""]
    return one_question(title, question, [option for option in options if option]), words


def one_question(title: str, question: str, options: Sequence[str]) -> Definition:
    """An anonymous poll of one choice; raises `Refused` if something is missing."""
    try:
        asked = {"key": "choice", "kind": "choice", "text": question, "options": list(options)}
        return Definition.model_validate({"key": "poll", "title": title, "questions": [asked]})
    except ValidationError as error:
        raise Refused("survey.manage.poll_unreadable") from error


async def asked_by_name(db: AsyncConnection, names: Sequence[str]) -> Select[tuple[int]]:
    """Whom names of departments, groups or persons mean, as a notice understands them; raises `Refused`."""
    return select_members(await named(db, names))


def _digest(state: dict[str, Any], expected: Expected) -> str:
    """What a preview stands for: the questions, the closing time as it was asked for, and who exactly is asked."""
    said = "\0".join([state["definition"], state["closing"], *map(str, expected.members)])
    return hashlib.sha256(said.encode()).hexdigest()[:16]
