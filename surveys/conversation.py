"""The talk with one person: which question comes next, and what their answer changes.

Each call is one event: it reads the person's row (locked), changes it, and returns the message that answers. Two
devices at once take turns at the row; what was said last stands. No answer is ever repeated in a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock, to_tokyo
from bot.errors import Refused
from bot.messages import Button, Message
from bot.texts import Texts
from surveys import answering, questions
from surveys.definition import Answer, Definition, Step
from surveys.tables import survey_participants, surveys
from surveys.vault import Vault, capacity, owner, plain, read_plain


@dataclass(frozen=True, slots=True)
class Place:
    """Where one person stands in one survey."""

    survey_id: int
    member_id: int
    title: str
    definition: Definition
    vault_key: str | None
    state: str
    awaiting: Step | None
    sheet: dict[str, Answer]

    def seen(self, step: Step) -> bool:
        return step.key in self.sheet


class Conversation:
    """Asks one question after the other."""

    def __init__(self, clock: Clock, texts: Texts, vault: Vault, patience: timedelta) -> None:
        self._clock = clock
        self._texts = texts
        self._vault = vault
        self._patience = patience
        self._definitions: dict[int, tuple[Definition, int]] = {}

    def definition(self, survey_id: int, body: str) -> Definition:
        """The definition of a survey, parsed once: it never changes after opening."""
        if survey_id not in self._definitions:
            definition = Definition.model_validate_json(body)
            self._definitions[survey_id] = definition, capacity(definition)
        return self._definitions[survey_id][0]

    async def start(self, db: AsyncConnection, member_id: int, survey_id: int | None = None) -> Message:
        """Go on where the person stopped, or begin; without an id, in the one open survey, or offer a choice."""
        if survey_id is None:
            found = (
                await db.execute(
                    _PLACES.where(
                        survey_participants.c.member_id == member_id,
                        surveys.c.state == "open",
                        surveys.c.closes_at > self._clock.now(),
                    ).order_by(surveys.c.closes_at, surveys.c.id)
                )
            ).all()
            waiting = [row for row in found if row.state != "finished"]
            if not found:
                return Message(text=self._texts("survey.none_open"))
            if len(waiting) != 1:
                return self._offer(waiting or found, done=not waiting)
            place = self._read(waiting[0])
        else:
            place = await self._place(db, member_id, survey_id)
        if place.state == "finished":
            return self._thanks(place, self._texts("survey.finished_already", title=place.title))
        step = place.awaiting or self._next(place, after=-1) or place.definition.steps[0]
        note = ""
        if place.state == "invited":
            opening = self._texts(f"survey.begin_{place.definition.anonymity}")
            note = "\n".join(filter(None, (place.definition.intro, opening, "")))
        return await self._ask(db, replace(place, state="started"), step, note)

    async def waits(self, db: AsyncConnection, member_id: int) -> bool:
        """Whether a survey is open that this person has not finished."""
        return await db.scalar(_UNFINISHED, {"of_member": member_id, "now": self._clock.now()}) is not None

    async def press(self, db: AsyncConnection, member_id: int, data: str) -> Message:
        """Answer a button; `data` is what follows `survey:`. Raises `Refused`."""
        action, survey_id, *numbers = _parsed(data)
        place = await self._place(db, member_id, survey_id)
        if action == "start":
            return await self.start(db, member_id, survey_id)
        if action == "again":
            return await self._ask(db, place, place.definition.steps[0])
        if not numbers or numbers[0] >= len(place.definition.steps):
            raise Refused("survey.button_unknown")
        step = place.definition.steps[numbers[0]]
        try:
            if action == "answer" and len(numbers) == 2:
                return await self._record(db, place, step, answering.chosen(step, [numbers[1]]))
            return await self._go(db, place, step, action)
        except Refused as refusal:
            return await self._ask(db, place, step, self._texts(refusal.key, **refusal.values))

    async def hear(self, db: AsyncConnection, member_id: int, text: str) -> Message | None:
        """Take plain text as the answer to the question that was asked last; None if none is waiting."""
        now = self._clock.now()
        row = (await db.execute(_AWAITING, {"of_member": member_id, "since": now - self._patience, "now": now})).first()
        if row is None:
            return None
        place = self._read(row)
        step = place.awaiting
        if step is None:
            return None
        shown = questions.order(step, place.survey_id, member_id)
        asked = questions.ask(self._texts, place.definition, place.survey_id, member_id, step, seen=place.seen(step))
        try:
            if (pressed := questions.typed_button(text, step, shown, asked.buttons)) is not None:
                action, *numbers = _parsed(pressed.data.removeprefix("survey:"))
                code = numbers[2:]
                if code:
                    return await self._record(db, place, step, answering.chosen(step, code))
                return await self._go(db, place, step, action)
            if questions.is_a_way(self._texts, text):
                raise Refused("survey.answer.again")
            today = to_tokyo(self._clock.now()).date()
            return await self._record(db, place, step, answering.read(step, text, shown, today))
        except Refused as refusal:
            return await self._ask(db, place, step, self._texts(refusal.key, **refusal.values))

    # ------------------------------------------------------------------ moves

    async def _record(self, db: AsyncConnection, place: Place, step: Step, entries: dict[str, Answer]) -> Message:
        changed = replace(place, sheet={**place.sheet, **entries})
        if place.awaiting is not None and step != place.awaiting:
            # A button of an earlier message: the answer is corrected, and the question that waits goes on waiting.
            return await self._ask(db, changed, place.awaiting, self._texts("survey.changed"))
        if place.awaiting is None and place.state == "finished":
            await self._write(db, changed, None)
            return self._thanks(changed, self._texts("survey.changed"))
        return await self._onward(db, changed, step)

    async def _go(self, db: AsyncConnection, place: Place, step: Step, action: str) -> Message:
        if action == "blank" and questions.optional(place.definition, step):
            blank: dict[str, Answer] = {step.key: None}
            return await self._record(db, place, step, blank)
        if action == "keep" and place.seen(step):
            return await self._onward(db, place, step)
        if action == "back":
            earlier = [s for s in place.definition.steps[: step.index] if self._asked(place, s)]
            return await self._ask(db, place, earlier[-1] if earlier else step)
        raise Refused("survey.button_unknown")

    async def _onward(self, db: AsyncConnection, place: Place, step: Step) -> Message:
        if (following := self._next(place, after=step.index)) is not None:
            return await self._ask(db, place, following)
        finished = replace(place, state="finished")
        await self._write(db, finished, None)
        return self._thanks(finished, self._texts("survey.finished", title=place.title))

    def _next(self, place: Place, *, after: int) -> Step | None:
        """The step that follows, or at the end the first that was passed over."""
        steps = place.definition.steps
        for step in steps[after + 1 :]:
            if self._asked(place, step):
                return step
        return next((step for step in steps if self._asked(place, step) and not place.seen(step)), None)

    @staticmethod
    def _asked(place: Place, step: Step) -> bool:
        return place.definition.anonymous or place.definition.applies(step, place.sheet)

    async def _ask(self, db: AsyncConnection, place: Place, step: Step, note: str = "") -> Message:
        state = "started" if place.state == "invited" else place.state
        await self._write(db, replace(place, state=state), step)
        return questions.ask(
            self._texts,
            place.definition,
            place.survey_id,
            place.member_id,
            step,
            seen=place.seen(step),
            note=note,
        )

    # ------------------------------------------------------------------- rows

    async def _place(self, db: AsyncConnection, member_id: int, survey_id: int) -> Place:
        row = (await db.execute(_PLACE, {"of_member": member_id, "of_survey": survey_id})).first()
        if row is None:
            raise Refused("survey.not_asked", id=survey_id)
        if row.survey_state != "open" or row.closes_at <= self._clock.now():
            raise Refused("survey.closed", title=row.title)
        return self._read(row)

    def _read(self, row: Row[tuple[object, ...]]) -> Place:
        definition = self.definition(row.survey_id, row.definition)
        sheet: dict[str, Answer] = {}
        if row.sheet is not None:
            sheet = (
                read_plain(row.sheet)
                if row.vault_key is None
                else self._vault.unseal(row.vault_key, owner(row.survey_id, row.member_id), row.sheet)
            )
        awaiting = None if row.awaiting is None else definition.by_key[row.awaiting]
        return Place(row.survey_id, row.member_id, row.title, definition, row.vault_key, row.state, awaiting, sheet)

    async def _write(self, db: AsyncConnection, place: Place, awaiting: Step | None) -> None:
        if place.vault_key is None:
            body = plain(place.sheet)
        else:
            size = self._definitions[place.survey_id][1]
            body = self._vault.seal(place.vault_key, owner(place.survey_id, place.member_id), place.sheet, size)
        written = await db.execute(
            _WRITE,
            {
                "of_member": place.member_id,
                "of_survey": place.survey_id,
                "state": place.state,
                "awaiting": None if awaiting is None else awaiting.key,
                "asked_at": self._clock.now(),
                "sheet": body,
            },
        )
        if written.rowcount != 1:
            raise Refused("survey.closed", title=place.title)

    # --------------------------------------------------------------- messages

    def _thanks(self, place: Place, text: str) -> Message:
        again = Button(label=self._texts("survey.button.again"), data=f"survey:again:{place.survey_id}")
        return Message(text=text, buttons=(again,), reference=f"survey:{place.survey_id}:finished")

    def _offer(self, rows: Sequence[Row[tuple[object, ...]]], *, done: bool) -> Message:
        return Message(
            text=self._texts("survey.list_finished" if done else "survey.list_open"),
            buttons=tuple(
                Button(
                    label=self._texts(
                        "survey.list_button", title=row.title[:25], day=f"{to_tokyo(row.closes_at):%m/%d}"
                    ),
                    data=f"survey:{'again' if done else 'start'}:{row.survey_id}",
                )
                for row in rows[: questions.BUTTONS]
            ),
        )


# Built once: to compose a statement costs more than to carry it out, and each answer needs these.
_PLACES = select(
    survey_participants,
    surveys.c.title,
    surveys.c.definition,
    surveys.c.vault_key,
    surveys.c.closes_at,
    surveys.c.state.label("survey_state"),
).join(surveys, surveys.c.id == survey_participants.c.survey_id)
_OF_MEMBER = survey_participants.c.member_id == bindparam("of_member")
_PLACE = _PLACES.where(_OF_MEMBER, surveys.c.id == bindparam("of_survey")).with_for_update(of=survey_participants)
_AWAITING = (
    _PLACES.where(
        _OF_MEMBER,
        survey_participants.c.awaiting.is_not(None),
        survey_participants.c.asked_at > bindparam("since"),
        surveys.c.state == "open",
        surveys.c.closes_at > bindparam("now"),
    )
    .order_by(survey_participants.c.asked_at.desc(), surveys.c.id.desc())
    .limit(1)
    .with_for_update(of=survey_participants)
)
_UNFINISHED = (
    select(surveys.c.id)
    .join(survey_participants)
    .where(
        _OF_MEMBER,
        survey_participants.c.state != "finished",
        surveys.c.state == "open",
        surveys.c.closes_at > bindparam("now"),
    )
    .limit(1)
)
_WRITE = (
    update(survey_participants)
    .where(
        _OF_MEMBER,
        survey_participants.c.survey_id == bindparam("of_survey"),
        # A survey that closed while we waited for the row takes no more answers.
        select(surveys.c.id).where(surveys.c.id == bindparam("of_survey"), surveys.c.state == "open").exists(),
    )
    .values(
        state=bindparam("state"),
        awaiting=bindparam("awaiting"),
        asked_at=bindparam("asked_at"),
        sheet=bindparam("sheet"),
    )
)


def _parsed(data: str) -> tuple[str, int, *tuple[int, ...]]:
    action, *numbers = data.split(":")
    if not numbers or not all(number.isascii() and number.isdigit() and len(number) < 12 for number in numbers):
        raise Refused("survey.button_unknown")
    first, *rest = (int(number) for number in numbers)
    return (action, first, *rest)
