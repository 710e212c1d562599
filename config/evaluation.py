"""From a database to the facts of an evaluation: the rooms' questions asked together, the answers side by side."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import usage
from bot.bilingual import both
from bot.clock import TOKYO, to_tokyo
from bot.errors import ConfigurationError
from bot.storage import Database
from bot.texts import Texts
from bot.usage import EVERYBODY, Acts, Period
from broadcasts import evaluation as notices
from broadcasts.questions import counted_as
from surveys import evaluation as polls
from surveys.vault import Vault
from trial.calendar import months_later
from trial.evaluation import criteria, facts
from trial.evaluation.calendar import month_key, months, weeks

TITLE = 36
"""Characters of a notice that stand for it on paper."""
ALL_TRAITS = (EVERYBODY, *facts.TRAITS)

Snapshots = list[tuple[datetime, str, str, int]]


async def gather(database: Database, keys: Path, period: criteria.Period) -> facts.Facts:
    """Everything that an evaluation needs, of one moment; nothing is written.

    `keys` is the folder of the keys of surveys that are open still. Raises ConfigurationError for a database in which
    nothing happened, or that has not the tables of this version.
    """
    try:
        async with database.snapshot() as db:
            return await _gather(db, Vault(keys), period)
    except DBAPIError as error:
        raise ConfigurationError(both("config", "evaluation.unreadable", problem=error.orig)) from error


async def _gather(db: AsyncConnection, vault: Vault, period: criteria.Period) -> facts.Facts:
    acts = usage.together([notices.reads(), notices.answers(), usage.problem_acts()])
    snapshots = await usage.snapshots(db)
    starts, ends = await _period(db, acts, snapshots, period)
    sent_messages, undelivered = await usage.deliveries_by_outcome(db)
    service = {key: value for _, _, key, value in snapshots}  # the latest of each
    return facts.Facts(
        simulated=any(source == usage.REHEARSAL for _, source, _, _ in snapshots),
        seed=service.get("seed"),
        starts=starts,
        ends=ends,
        groups=await _groups(db, acts, starts, ends),
        notices=[
            facts.Notice(
                id=sent.id,
                kind=sent.kind,
                title=next(iter(sent.text.strip().splitlines()), "")[:TITLE],
                sent_at=sent.sent_at,
                reminders=sent.reminders,
                recipients=sent.recipients,
                read=sent.read,
                recalled=sent.state == "recalled",
            )
            for sent in await notices.sent(db)
        ],
        waits=[
            facts.Wait(wait.broadcast_id, trait, wait.label, wait.minutes, wait.people)
            for trait in ALL_TRAITS
            for wait in await notices.waits(db, trait)
        ],
        replies=await _replies(db),
        polls=await _polls(db, vault),
        problems=await usage.problems(db),
        service=service,
        sent=sent_messages,
        undelivered=undelivered,
    )


async def _period(db: AsyncConnection, acts: Acts, snapshots: Snapshots, period: criteria.Period) -> tuple[date, date]:
    """The trial's first day, and the day after its last."""
    moments = [at for at, _, _, _ in snapshots]
    if len(set(moments)) < 2:
        moments += await usage.first_and_last(db, acts) or ()
    if not moments and (period.starts is None or period.ends is None):
        raise ConfigurationError(both("config", "evaluation.nothing"))
    starts = period.starts or to_tokyo(min(moments)).date()
    # A snapshot at midnight closes the day before it.
    ends = period.ends or (to_tokyo(max(moments)) - timedelta(microseconds=1)).date() + timedelta(days=1)
    if starts >= ends:
        raise ConfigurationError(both("config", "evaluation.period", ends=ends, starts=starts))
    return starts, ends


async def _groups(db: AsyncConnection, acts: Acts, starts: date, ends: date) -> list[facts.Group]:
    spans = [_span(facts.WHOLE, starts, ends)]
    spans += [
        _span(month_key(month), max(month, starts), min(months_later(month, 1), ends)) for month in months(starts, ends)
    ]
    by_week = [_span(f"{week}", max(week, starts), min(week + timedelta(days=7), ends)) for week in weeks(starts, ends)]
    found = []
    for trait in ALL_TRAITS:
        periods = [*spans, *by_week] if trait == EVERYBODY else spans
        active: dict[str, dict[str, int]] = {}
        for label, key, people in await usage.active(db, acts, periods, trait):
            active.setdefault(label, {})[key] = people
        found += [
            facts.Group(trait, label, staff, here, active.get(label, {}))
            for label, staff, here in await usage.registered(db, trait)
        ]
    return found


def _span(key: str, first: date, after: date) -> Period:
    return Period(key, datetime.combine(first, time(), TOKYO), datetime.combine(after, time(), TOKYO))


async def _replies(db: AsyncConnection) -> list[facts.Reply]:
    texts = Texts("broadcasts")
    found = []
    for replies in await notices.replies(db):
        question = replies.question
        answers: dict[str, int] = {}
        coming = 0
        for choice, people in replies.choices.items():
            told = counted_as(choice)
            label = question.label(texts, told)
            if choice != told:
                label = f"{label}（{question.label(texts, choice)}）"
            answers[label] = people
            coming += people if told == "come" else 0
        found.append(facts.Reply(replies.broadcast_id, question.asks, replies.asked, answers, replies.minutes, coming))
    return found


async def _polls(db: AsyncConnection, vault: Vault) -> list[facts.Poll]:
    groups: dict[int, list[tuple[str, str, int, int]]] = {}
    for trait in ALL_TRAITS:
        for survey_id, label, asked, finished in await polls.participation(db, trait):
            groups.setdefault(survey_id, []).append((trait, label, asked, finished))
    return [
        facts.Poll(
            id=held.id,
            key=held.key,
            title=held.title,
            opened_at=held.opened_at,
            closed=held.state == "closed",
            # Answers that were collected elsewhere and imported have no participants.
            asked=max(
                sum(asked for trait, _, asked, _ in groups.get(held.id, ()) if trait == EVERYBODY), held.respondents
            ),
            respondents=held.respondents,
            questions=tuple(
                facts.Question(
                    key=table.key,
                    text=table.text,
                    kind=table.kind,
                    answered=table.answered,
                    answers=tuple(
                        facts.Answer(row.label, row.value if isinstance(row.value, int | float) else None, row.count)
                        for row in table.rows
                    ),
                    mean=table.mean,
                    median=table.median,
                    words=table.words,
                )
                for table in held.tables
            ),
            groups=tuple(groups.get(held.id, ())),
        )
        for held in await polls.held(db, vault)
    ]
