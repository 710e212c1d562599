"""What people answer to a notice: the first and the latest answer, whatever the order in which they come to us.

Everything that somebody says is a whole answer with a moment and an event's key: a pressed button, or words that add a
place, a time or a reason to what they had pressed. One row a person keeps the earliest and the latest of them by
(moment, key), so duplicates and late events change nothing that is true.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import to_tokyo
from bot.directory import Member
from bot.errors import Refused
from bot.events import Location
from bot.messages import Button, Message
from bot.storage import Database
from bot.texts import Texts
from broadcasts import answer_rows as rows
from broadcasts import receipts, tallies
from broadcasts.condition import condition
from broadcasts.distress import Distress
from broadcasts.questions import (
    DETAIL_LENGTH,
    NEEDS_HELP,
    Ask,
    Question,
    arrival,
    counted_as,
    question_of,
    said_plainly,
)
from broadcasts.tables import awaited_details
from broadcasts.tallies import Person, Tally
from broadcasts.wording import Wording

RECENT = timedelta(days=3)
"""How long after a question plain words in pair talk are looked at as an answer to it."""
TOGETHER_LENGTH = 1000
"""Characters of what somebody in need has written, put together in one answer; each text is kept whole besides."""
PATIENCE = timedelta(minutes=30)
"""How long words in pair talk are taken for the place, time or reason that was asked for."""


class Responses:
    """Takes answers from buttons and from words, and says back what it has understood."""

    def __init__(self, database: Database, texts: Texts, wording: Wording, distress: Distress) -> None:
        self._database = database
        self._distress = distress
        self._texts = texts
        self._wording = wording

    async def press(
        self, db: AsyncConnection, member: Member, broadcast_id: int, choice: str, *, at: datetime, key: str
    ) -> Message:
        """Take a pressed button; what to say to the presser, in pair talk."""
        notice = (await db.execute(rows.NOTICE, {"broadcast_id": broadcast_id})).first()
        question = question_of(notice) if notice is not None else None
        if notice is None or question is None or not question.knows(choice):
            return Message(text=self._texts("answer.unknown"))
        return await self._take(db, notice, question, member, rows.Answer(choice, "", at, key))

    async def waits_for(self, member: Member, at: datetime) -> bool:
        """Whether the member's next words may be part of an answer; a glance that stands in no writer's way.

        A safety question stays open after its answer: what people write then is about how they are.
        """
        async with self._database.snapshot() as db:
            if (await db.execute(rows.AWAITED, {"member_id": member.id, "at": at})).first() is not None:
                return True
            values = {"member_id": member.id, "since": at - RECENT}
            return (await db.execute(rows.SAFETY_OPEN, values)).first() is not None

    async def hear(
        self, db: AsyncConnection, member: Member, words: str, location: Location | None, *, at: datetime, key: str
    ) -> Message | None:
        """Take words or a place while a question is open: nothing of it is lost.

        None if the words are for somebody else, or for nobody; with a safety question open they are kept even so.
        """
        safety = (await db.execute(rows.SAFETY_OPEN, {"member_id": member.id, "since": at - RECENT})).first()
        notice = (await db.execute(rows.AWAITED, {"member_id": member.id, "at": at})).first()
        question = question_of(notice) if notice is not None else None
        written = words if location is None else f"{words} {_place(location)}".strip()
        kept_at = safety if safety is not None else notice
        if kept_at is None:
            return None
        await rows.keep_words(db, kept_at.id, member.id, written, at, key)
        # 無事です is no reason for not coming: it answers the other question that is open.
        if (answered := await self._plain_answer(db, member, words, at=at, key=key)) is not None:
            return answered
        if safety is not None:
            taken = await self._about_safety(db, safety, member, words, location, at=at, key=key)
            if taken is not None:
                return taken
        if notice is None or question is None or question.asks == "safety":
            return None
        if condition(words).alarming:  # ill or hurt is also a reason not to come: both are noted
            await self._distress.tell(db, notice, member, "words", written, at=at, key=key)
        return await self._understand(db, notice, question, member, notice.choice, words, location, at=at, key=key)

    async def _about_safety(
        self,
        db: AsyncConnection,
        notice: Row[Any],
        member: Member,
        words: str,
        location: Location | None,
        *,
        at: datetime,
        key: str,
    ) -> Message | None:
        """Take what somebody writes about how they are; None if it says nothing of that."""
        question = question_of(notice)
        assert question is not None
        given = (await db.execute(rows.GIVEN, {"broadcast_id": notice.id, "member_id": member.id})).first()
        before = None if given is None else given.latest_choice
        needy = before in NEEDS_HELP
        said = condition(words)
        written = " ".join((words if location is None else f"{words} {_place(location)}").split())
        choice = said.choice
        if needy and (choice is None or choice == "hurt" or (choice == "safe" and not said.whole)):
            choice = before  # a need is taken back in plain words or by a button, and never grows smaller by itself
        if choice is None and location is not None and before is not None:
            choice = before
        if choice is not None:
            detail = "" if said.whole else written[:DETAIL_LENGTH]
            if needy and choice != "safe" and given is not None and given.latest_detail:
                detail = f"{given.latest_detail} / {written}"[:TOGETHER_LENGTH]
            answer = rows.Answer(choice, detail, at, key)
            told = written if choice in NEEDS_HELP or said.alarming else None
            return await self._take(db, notice, question, member, answer, told=told)
        if said.alarming:
            reached = await self._distress.tell(db, notice, member, "words", written, at=at, key=key)
            return await self._asked_about(db, notice, question, member, "kept_told" if reached else "told_nobody")
        return None

    async def say(
        self, db: AsyncConnection, member: Member, asks: Ask, words: str, *, at: datetime, key: str
    ) -> Message:
        """Take an answer to the latest open question of a sort, written after its command: `/安否 無事`.

        Without words, or with words that are none of its choices: the question again, with its buttons.
        """
        notice = (await db.execute(rows.LATEST_OPEN, {"member_id": member.id, "asks": asks})).first()
        question = question_of(notice) if notice is not None else None
        if notice is None or question is None:
            return Message(text=self._texts(f"answer.no_{asks}"))
        head, *rest = unicodedata.normalize("NFKC", words).split(maxsplit=1) or [""]
        for choice in question.options():
            if head == question.label(self._texts, choice):
                if not rest:
                    return await self._take(db, notice, question, member, rows.Answer(choice, "", at, key))
                understood = await self._understand(db, notice, question, member, choice, rest[0], None, at=at, key=key)
                return understood or await self._take(db, notice, question, member, rows.Answer(choice, "", at, key))
        return await self._ask_again(db, notice, question, member)

    async def guess(self, db: AsyncConnection, member: Member, words: str, *, at: datetime, key: str) -> Message | None:
        """Take words that nothing asked for, if they are a choice of a recent question: 「無事です」.

        Other words while a question is unanswered are kept, and the question comes again; words after an answer about
        safety are kept beside it. None if there is no question.
        """
        if (answered := await self._plain_answer(db, member, words, at=at, key=key)) is not None:
            return answered
        found = (await db.execute(rows.RECENT_QUESTIONS, {"member_id": member.id, "since": at - RECENT})).all()
        if not found:
            return None
        open_ones = []
        for each in found:
            given = (await db.execute(rows.GIVEN, {"broadcast_id": each.id, "member_id": member.id})).first()
            if given is None:
                open_ones.append(each)
        safety = next((each for each in found if each.asks == "safety"), None)
        if not open_ones and safety is None:
            return None
        notice = open_ones[0] if open_ones else safety
        assert notice is not None
        question = question_of(notice)
        assert question is not None
        await rows.keep_words(db, notice.id, member.id, words, at, key)
        if open_ones:
            safe = question.asks == "safety"
            return await self._asked_about(db, notice, question, member, "kept" if safe else "kept_question")
        given = (await db.execute(rows.GIVEN, {"broadcast_id": notice.id, "member_id": member.id})).one()
        label = question.label(self._texts, counted_as(given.latest_choice))
        beside = self._wording.marked(notice.kind, self._texts("answer.kept_beside", answer=label))
        return Message(text=beside, reference=_reference(notice))

    async def tally(self, broadcast_id: int | None, asks: Ask | None = None) -> Tally:
        """How a question was answered; without a number, the latest that asks so. Raises `Refused` if there is none."""
        async with self._database.snapshot() as db:
            number = broadcast_id if broadcast_id is not None else await tallies.latest_asked(db, asks)
            if number is None:
                raise Refused("tally.none")
            notice = (await db.execute(rows.NOTICE, {"broadcast_id": number})).first()
            if notice is None:
                raise Refused("refused.no_such", id=number)
            found = await tallies.tally(db, notice)
        if found is None:
            raise Refused("tally.asks_nothing", id=number)
        return found

    async def by_name(self, broadcast_id: int) -> list[Person]:
        """Every recipient with their latest answer, department by department."""
        async with self._database.snapshot() as db:
            return await tallies.by_name(db, broadcast_id)

    # -------------------------------------------------------------- in private

    async def _plain_answer(
        self, db: AsyncConnection, member: Member, words: str, *, at: datetime, key: str
    ) -> Message | None:
        """Take words that are a choice of a recent question, the latest first; None if they are not."""
        for notice in (await db.execute(rows.RECENT_QUESTIONS, {"member_id": member.id, "since": at - RECENT})).all():
            question = question_of(notice)
            choice = None if question is None else said_plainly(self._texts, question, words)
            if question is not None and choice is not None:
                return await self._take(db, notice, question, member, rows.Answer(choice, "", at, key))
        return None

    async def _understand(
        self,
        db: AsyncConnection,
        notice: Row[Any],
        question: Question,
        member: Member,
        choice: str,
        words: str,
        location: Location | None,
        *,
        at: datetime,
        key: str,
    ) -> Message | None:
        detail = " ".join(words.split())[:DETAIL_LENGTH]
        match question.detail(choice):
            case "place" if location is not None:
                detail = _place(location)
            case "place" if detail and choice in NEEDS_HELP:
                pass  # whoever is safe may be talking about something else
            case "arrival" if detail:
                found = arrival(detail, at)
                if found is None:
                    await rows.keep_words(db, notice.id, member.id, words, at, key)
                    said = f"{self._texts('answer.unreadable_kept')}{self._texts('answer.unreadable_time')}"
                    text = self._wording.marked(notice.kind, said)
                    return Message(text=text, reference=_reference(notice))
                choice = found
            case "reason" if detail:
                choice = f"{choice}:other"
            case _:
                return None
        return await self._take(db, notice, question, member, rows.Answer(choice, detail, at, key))

    async def _take(
        self,
        db: AsyncConnection,
        notice: Row[Any],
        question: Question,
        member: Member,
        answer: rows.Answer,
        *,
        told: str | None = None,
    ) -> Message:
        """Note an answer and say so; `told` are words that the headquarters gets in place of the answer's detail."""
        if notice.state == "recalled" and answer.at > notice.closed_at:
            return Message(text=self._marked(notice, "answer.recalled"))
        if not await receipts.acknowledge(db, notice.id, member.id, answer.at):
            return Message(text=self._marked(notice, "answer.not_asked"))
        values = {"broadcast_id": notice.id, "member_id": member.id}
        before = (await db.execute(rows.GIVEN, values)).first()
        again = before is not None and before.latest_choice == answer.choice and not answer.detail
        if before is not None and again and answer.choice in NEEDS_HELP:
            answer = replace(answer, detail=before.latest_detail)  # pressed once more: the place that they wrote stays
        await rows.keep(db, notice.id, member.id, answer)
        reached = await self._tell_of(db, notice, question, member, before, answer, told)
        await db.execute(rows.AWAIT_NOTHING, {"member_id": member.id})
        wanted = None if answer.detail else question.detail(answer.choice)
        if wanted is not None:
            until = answer.at + PATIENCE
            await db.execute(
                awaited_details.insert(),
                {"member_id": member.id, "broadcast_id": notice.id, "choice": answer.choice, "until": until},
            )
        said = describe(self._texts, question, answer.choice, answer.detail)
        lines = [self._texts("answer.noted", answer=said, time=clock_time(answer.at))]
        if reached is not None:
            lines.append(self._texts("answer.told" if reached else "answer.told_nobody"))
        if wanted is not None:
            urgent = "_help" if answer.choice in NEEDS_HELP else ""
            lines.append(self._texts(f"answer.ask_{wanted}{urgent}"))
        lines.append(self._texts("answer.how_to_change"))
        offered = question.refinements(answer.choice)
        buttons: tuple[Button, ...] = question.buttons(self._texts, notice.id, offered) if offered else ()
        text = self._wording.marked(notice.kind, "\n".join(lines))
        return Message(text=text, buttons=buttons, reference=_reference(notice))

    async def _tell_of(
        self,
        db: AsyncConnection,
        notice: Row[Any],
        question: Question,
        member: Member,
        before: Row[Any] | None,
        answer: rows.Answer,
        told: str | None,
    ) -> bool | None:
        """Tell the headquarters of a need, its words and its end; whether it is reached, None if there is nothing."""
        if question.asks != "safety":
            return None
        was = None if before is None else before.latest_choice
        if before is not None and (before.latest_at, before.latest_key) >= (answer.at, answer.key):
            # Told before or overtaken: what was said since is what counts. Words are passed on even so.
            if before.latest_key == answer.key:
                return None
            if told is None:
                # Of two answers of one moment nobody knows which was meant: a need is never passed over.
                if before.latest_at > answer.at or answer.choice not in NEEDS_HELP or was == answer.choice:
                    return None
                state, said = answer.choice, answer.detail
                return await self._distress.tell(db, notice, member, state, said, at=answer.at, key=answer.key)
            return await self._distress.tell(db, notice, member, "words", told, at=answer.at, key=answer.key)
        words = answer.detail if told is None else told
        if answer.choice in NEEDS_HELP:
            if before is not None and was == answer.choice and told is None and before.latest_detail == answer.detail:
                return None  # pressed twice
            state = answer.choice
        elif was in NEEDS_HELP:
            state = answer.choice
        elif told is not None:
            state = "words"
        else:
            return None
        return await self._distress.tell(db, notice, member, state, words, at=answer.at, key=answer.key)

    async def _asked_about(
        self, db: AsyncConnection, notice: Row[Any], question: Question, member: Member, key: str
    ) -> Message:
        again = await self._ask_again(db, notice, question, member)
        return again.model_copy(update={"text": f"{self._texts(f'answer.{key}')}\n\n{again.text}"})

    async def _ask_again(self, db: AsyncConnection, notice: Row[Any], question: Question, member: Member) -> Message:
        text = notice.corrected_text or notice.text
        message = self._wording.notice(notice.id, notice.kind, text, question, at=notice.sent_at)
        given = (await db.execute(rows.GIVEN, {"broadcast_id": notice.id, "member_id": member.id})).first()
        text = message.text
        if given is not None:
            said = describe(self._texts, question, given.latest_choice, given.latest_detail)
            text += "\n" + self._texts("answer.given", answer=said, time=clock_time(given.latest_at))
        # Not the notice's own reference: this is the same notice once more, and no second one.
        return message.model_copy(update={"text": text, "reference": _reference(notice)})

    def _marked(self, notice: Row[Any], key: str) -> str:
        return self._wording.marked(notice.kind, self._texts(key))


def describe(texts: Texts, question: Question, choice: str, detail: str) -> str:
    """An answer as people read it: 「参集する（1時間以内、19:30）」."""
    more = [] if ":" not in choice else [question.label(texts, choice)]
    if detail:
        more.append(detail)
    label = question.label(texts, counted_as(choice))
    return texts("answer.with_detail", answer=label, detail=texts("read.name_separator").join(more)) if more else label


def clock_time(moment: datetime) -> str:
    """A moment as people in Japan read it: `10-05 21:34`."""
    return to_tokyo(moment).strftime("%m-%d %H:%M")


def _place(location: Location) -> str:
    degrees = f"{location.latitude:.5f},{location.longitude:.5f}"
    return f"{location.label} {degrees}".strip()[:DETAIL_LENGTH]


def _reference(notice: Row[Any]) -> str:
    return f"answer:{notice.id}"
