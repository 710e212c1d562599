"""What a trial left behind, rehearsed or real, as plain values; `config.evaluation` gathers them from the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from bot.clock import to_tokyo
from trial import data
from trial.evaluation.calendar import whole_weeks

EVERYBODY = "everybody"
TRAITS = ("department", "age", "skill", "employment", "device")
"""How people are told apart, besides all together."""
WHOLE = "whole"
"""The period that is the whole trial; months are `2023-07`, weeks the date of their Monday."""


def order(trait: str) -> Mapping[str, int]:
    """The places of the groups that the attitude survey knows: age groups rise, skill falls."""
    tables = data.load("staff")
    known = {
        "department": tables["department"],
        "employment": tables["employment"],
        "age": tables["joint"]["ages"],
        "skill": next(iter(tables["joint"]["cells"].values())),
    }
    return {label: place for place, label in enumerate(known.get(trait, ()))}


@dataclass(frozen=True, slots=True)
class Group:
    """People who share a trait: how many work here, how many of them have an account that can be reached.

    `active` maps periods to how many of them did something the bot saw.
    """

    trait: str
    label: str
    staff: int
    registered: int
    active: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice that went out; `kind` is notice, emergency or drill."""

    id: int
    kind: str
    title: str
    sent_at: datetime
    reminders: int
    recipients: int
    read: int
    recalled: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """`people` of a group read a notice within `minutes` and not within one less; None: they did not read it."""

    notice: int
    trait: str
    label: str
    minutes: int | None
    people: int


@dataclass(frozen=True, slots=True)
class Reply:
    """How many were asked something in a notice, and how many answered, by the answer that stands.

    `question` is safety, muster, choice or acknowledge; of a muster, so many are `coming`. `minutes` tells how many
    gave their first answer within so many minutes, and not within one less.
    """

    notice: int
    question: str
    asked: int
    answers: Mapping[str, int]
    minutes: Mapping[int, int] = field(default_factory=dict)
    coming: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of a question's table; None where a count is hidden as too small."""

    label: str
    value: float | None
    count: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """One question of one survey; `mean` and `median` are those of a scale or a number."""

    key: str
    text: str
    kind: str
    answered: int | None
    answers: tuple[Answer, ...]
    mean: float | None = None
    median: float | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Poll:
    """One survey; `questions` is empty while it is open. `groups`: (trait, label, asked, finished)."""

    id: int
    key: str
    title: str
    opened_at: datetime
    closed: bool
    asked: int
    respondents: int
    questions: tuple[Question, ...] = ()
    groups: tuple[tuple[str, str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `ends` no longer belongs to the trial; `service` is what the chat service itself counted."""

    simulated: bool
    seed: int | None
    starts: date
    ends: date
    groups: Sequence[Group]
    notices: Sequence[Notice] = ()
    waits: Sequence[Wait] = ()
    replies: Sequence[Reply] = ()
    polls: Sequence[Poll] = ()
    problems: Sequence[tuple[datetime, str]] = ()
    service: Mapping[str, int] = field(default_factory=dict)
    sent: int = 0
    undelivered: int = 0

    @property
    def everybody(self) -> Group:
        """All staff together; nobody at all where the directory is empty."""
        return next((group for group in self.groups if group.trait == EVERYBODY), Group(EVERYBODY, "", 0, 0))

    @property
    def last_day(self) -> date:
        """The trial's last day."""
        return self.ends - timedelta(days=1)

    @property
    def weeks_of_use(self) -> list[date]:
        """The Mondays of the weeks that are counted (`trial.evaluation.calendar.whole_weeks`)."""
        first = min((to_tokyo(notice.sent_at).date() for notice in self.notices), default=None)
        return whole_weeks(self.starts, self.ends, first)

    def having(self, trait: str) -> list[Group]:
        """The groups of a trait, in the order in which a city prints them; unknown ones after them."""
        known = order(trait)
        groups = [group for group in self.groups if group.trait == trait]
        return sorted(groups, key=lambda group: known.get(group.label, len(known) + (not group.label)))

    def waits_of(self, trait: str) -> list[Wait]:
        """How long people took, told apart by a trait."""
        return [wait for wait in self.waits if wait.trait == trait]

    def waits_that_count(self, trait: str) -> list[Wait]:
        """The same without recalled notices: who had not read one by then never could, and is no measure of reach."""
        recalled = {notice.id for notice in self.notices if notice.recalled}
        return [wait for wait in self.waits_of(trait) if wait.notice not in recalled]
