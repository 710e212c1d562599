"""`kairanban trial`, put together: the stage in virtual time, the staff on it, and the report at the end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import func, select

from bot.activity import Activity
from bot.clock import TOKYO, ManualClock
from bot.errors import KairanbanError
from bot.tables import deliveries
from bot.texts import Texts
from broadcasts.questions import Question
from config import records
from config.house import House
from config.settings import BroadcastsTable, RemindersTable, Settings, SurveysTable
from config.stage import SERVICE_FILE, Stage, open_stage
from trial.behaviour import Behaviour
from trial.calendar import months_later
from trial.parameters import Parameters
from trial.population import Person, populate
from trial.rehearsal import Progress, Rehearsal, RehearsalLog, Settle
from trial.report import figures
from trial.report.model import Answers, Broadcast, Report, Rooms, Survey

SETTLE_LIMIT = 120.0
"""Real seconds after which a rehearsal that does not come to rest is given up: something is broken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be rehearsed."""

    staff: int = 225
    start: date = date(2023, 7, 1)
    months: int = 6
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """The report, and what the service refused on the way, by sentence."""

    report: Report
    problems: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everything that plays: the bot, the staff, and the means to wait until all have come to rest."""

    house: House
    rehearsal: Rehearsal
    settle: Settle


class Theatre(Protocol):
    """Opens a platform in `folder` with these people on it, and the bot at work there."""

    def __call__(
        self,
        folder: Path,
        plan: Plan,
        parameters: Parameters,
        people: Sequence[Person],
        clock: ManualClock,
        activity: Activity,
        progress: Progress,
    ) -> AbstractAsyncContextManager[Cast]: ...


@asynccontextmanager
async def on_the_chat_service(
    folder: Path,
    plan: Plan,
    parameters: Parameters,
    people: Sequence[Person],
    clock: ManualClock,
    activity: Activity,
    progress: Progress,
) -> AsyncIterator[Cast]:
    """The rehearsal's own chat service."""
    async with open_stage(
        folder, people, clock=clock, activity=activity, durability="process", settings=settings_for(parameters)
    ) as stage:

        async def settle() -> None:
            await _settle(stage, activity, rehearsal)

        rehearsal = Rehearsal(
            parameters,
            staff=plan.staff,
            start=plan.start,
            months=plan.months,
            seed=plan.seed,
            clock=clock,
            service_url=stage.service.url,
            admin_token=stage.admin_token,
            bot_id=stage.bot_id,
            settle=settle,
            progress=progress,
        )
        yield Cast(stage.house, rehearsal, settle)


async def rehearse(
    plan: Plan,
    parameters: Parameters,
    progress: Progress,
    *,
    keep_in: Path | None = None,
    theatre: Theatre = on_the_chat_service,
) -> Outcome:
    """Live through the trial in a temporary folder, over real HTTP on ports of the system's choice.

    The bot's database and the chat service's are kept in `keep_in`, for the evaluation and for whoever checks it.
    """
    began = time.perf_counter()
    people = populate(plan.staff, plan.seed)
    clock = ManualClock(datetime.combine(plan.start, datetime.min.time(), TOKYO))
    activity = Activity()
    with tempfile.TemporaryDirectory(prefix="kairanban-trial-") as folder:
        async with theatre(Path(folder), plan, parameters, people, clock, activity, progress) as cast:
            database = cast.house.database
            await records.note_people(
                database, people, Behaviour(parameters, plan.seed), at=clock.now(), seed=plan.seed
            )
            await cast.rehearsal.create_accounts()
            await cast.settle()
            log = await cast.rehearsal.run()
            await records.note_statistics(database, log.statistics, at=clock.now())
            report = await _report(plan, parameters, cast.house, log, began)
            if keep_in is not None:
                records.keep(database, keep_in)
                if (service := Path(folder) / SERVICE_FILE).exists():  # not where people live on another platform
                    records.keep_service(service, keep_in)
    return Outcome(report, dict(log.problems))


def settings_for(parameters: Parameters) -> Settings:
    """The bot's settings in a rehearsal: the defaults, with the rhythm of reminders from the parameters."""
    rhythm = parameters.reminders
    urgent = RemindersTable(
        reminder_interval=timedelta(minutes=rhythm.urgent_minutes), reminder_times=rhythm.urgent_times
    )
    notice = RemindersTable(
        reminder_interval=timedelta(minutes=rhythm.notice_minutes), reminder_times=rhythm.notice_times
    )
    return Settings(
        broadcasts=BroadcastsTable(notice=notice, emergency=urgent, drill=urgent),
        surveys=SurveysTable(reminder_times=rhythm.survey_times),
    )


async def _settle(stage: Stage, activity: Activity, rehearsal: Rehearsal) -> None:
    """Return when service and bot are at rest and every frame that was sent has reached its reader."""
    try:
        async with asyncio.timeout(SETTLE_LIMIT):
            while True:
                await activity.idle()
                if (
                    activity.is_idle
                    and rehearsal.commands_sent == stage.service.frames_taken
                    and rehearsal.frames_received == stage.service.frames_sent
                ):
                    return
                await asyncio.sleep(0)  # the frames are in the loopback's buffers; a turn of the loop brings them on
    except TimeoutError:
        raise KairanbanError(
            f"The rehearsal has not come to rest for {SETTLE_LIMIT:.0f} s; frames sent {stage.service.frames_sent}, "
            f"received {rehearsal.frames_received}, at work: {not activity.is_idle}. Please report this with the seed."
        ) from None


# ----------------------------------------------------------------------------------------------------------- report


async def _report(plan: Plan, parameters: Parameters, house: House, log: RehearsalLog, began: float) -> Report:
    statistics = log.statistics
    return Report(
        notice=Texts("trial")("notice"),
        seed=plan.seed,
        start=plan.start,
        staff=plan.staff,
        months=plan.months,
        virtual_days=(months_later(plan.start, plan.months) - plan.start).days,
        events_in=house.bot.metrics.events_taken(),
        messages_out=await _messages_out(house),
        rooms=Rooms(count=statistics["rooms"]["count"], largest=statistics["rooms"]["largest"]),
        broadcasts=await _broadcasts(house, statistics["references"]),
        surveys=await _surveys(house),
        adoption=figures.adoption(statistics["active"], staff=plan.staff, start=plan.start, months=plan.months),
        cost=figures.costs(
            plan.staff,
            parameters.cost.table(),
            reading=parameters.cost.reading,
            tax_percent=parameters.cost.tax_percent,
        ),
        wall_seconds=round(time.perf_counter() - began, 1),
    )


async def _messages_out(house: House) -> int:
    async with house.database.snapshot() as db:
        sent = select(func.count()).select_from(deliveries).where(deliveries.c.state == "sent")
        return await db.scalar(sent) or 0


async def _broadcasts(house: House, references: Mapping[str, Any]) -> tuple[Broadcast, ...]:
    nobody = {"delivered": 0, "duplicates": 0}
    found = []
    for summary in await house.broadcasts.summaries():
        witness = references.get(f"broadcast:{summary['id']}", nobody)
        found.append(
            figures.broadcast(
                id=summary["id"],
                kind=summary["kind"],
                title=summary["text"].splitlines()[0][:60],
                sent_at=datetime.fromisoformat(summary["sent_at"]),
                receipts=[
                    figures.Receipt(department, read_at)
                    for department, read_at in await house.broadcasts.receipts(summary["id"])
                ],
                delivered=witness["delivered"],
                duplicates=witness["duplicates"],
                reminders=summary["reminders"],
                answers=_answers(summary["responses"], house.broadcasts.texts),
                read_before_recall=None if summary["recalled_at"] is None else summary["read_before_recall"],
                corrections=len(summary["corrections"]),
            )
        )
    return figures.in_order(found)


def _answers(responses: Mapping[str, Any] | None, texts: Texts) -> Answers | None:
    """The answers under the labels of their buttons."""
    if responses is None:
        return None
    question = Question(asks=responses["asks"], stage=responses["stage"])

    def labelled(counts: Mapping[str, int]) -> dict[str, int]:
        return {question.label(texts, choice): count for choice, count in counts.items()}

    return figures.answers(
        asks=responses["asks"],
        answered=responses["answered"],
        changed=responses["changed"],
        first=labelled(responses["first"]),
        latest=labelled(responses["latest"]),
        refined=labelled(responses["refined"]),
    )


async def _surveys(house: House) -> tuple[Survey, ...]:
    return tuple(
        figures.survey(
            id=summary["id"],
            title=summary["title"],
            asked=summary["asked"],
            respondents=summary["respondents"],
            tables=[
                figures.table(
                    key=table["key"],
                    question=table["question"],
                    kind=table["kind"],
                    respondents=table["answered"],
                    counts=Counter(sorted(table["words"]))
                    if table["kind"] == "text"
                    else {row["label"]: row["count"] for row in table["counts"]},
                )
                for table in summary["tables"]
            ],
        )
        for summary in await house.surveys.summaries()
    )
