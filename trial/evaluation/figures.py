"""The numbers that a criterion may name, each reckoned once; what each means stands in `texts`, under its key.

A figure is None where the trial left nothing to reckon it from: then nobody can say whether a bar was met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import Literal

from trial.evaluation import reach
from trial.evaluation.budget import Plan
from trial.evaluation.calendar import month_key, months
from trial.evaluation.facts import EVERYBODY, WHOLE, Facts, Question
from trial.evaluation.reach import Reach
from trial.evaluation.saving import Saving, break_even_minutes

Unit = Literal["share", "minutes", "count", "points", "hours", "yen"]
Nature = Literal["counted", "estimated", "tariff"]
"""Counted by a machine (in a rehearsal: simulated), estimated from assumptions, or taken from the price table."""

HOUR, DAY = 60, 24 * 60
KINDS = ("notice", "drill", "emergency")

_OF_A_KIND: tuple[tuple[str, Unit], ...] = (
    ("read_share_1h", "share"),
    ("read_share_24h", "share"),
    ("read_share", "share"),
    ("minutes_to_80", "minutes"),
)

FIGURES: Mapping[str, tuple[Unit, Nature]] = {
    "registered_share": ("share", "counted"),
    "used_share": ("share", "counted"),
    "active_share_last_month": ("share", "counted"),
    "active_share_mean": ("share", "counted"),
    "weekly_active_share": ("share", "counted"),
    "service_active_share_last_month": ("share", "counted"),
    **{f"{kind}_{name}": (unit, "counted") for kind in KINDS for name, unit in _OF_A_KIND},
    "undelivered": ("count", "counted"),
    "reply_share": ("share", "counted"),
    "muster_reply_share": ("share", "counted"),
    "muster_coming_share": ("share", "counted"),
    "safety_reply_share": ("share", "counted"),
    "survey_response_share": ("share", "counted"),
    "satisfaction_mean": ("points", "counted"),
    "satisfaction_change": ("points", "counted"),
    "satisfied_share": ("share", "counted"),
    "problems_per_100_and_month": ("count", "counted"),
    "hours_saved": ("hours", "estimated"),
    "yen_saved": ("yen", "estimated"),
    "yen_first_full_year": ("yen", "tariff"),
    "saving_to_cost": ("points", "estimated"),
    "break_even_minutes": ("minutes", "tariff"),
}
NOT_JUDGED = frozenset({"break_even_minutes"})
"""Price arithmetic that never sees the trial: it is shown, and nothing can be judged by it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; shares are 0 to 1, None is not known."""

    key: str
    value: float | None

    @property
    def unit(self) -> Unit:
        return FIGURES[self.key][0]

    @property
    def nature(self) -> Nature:
        return FIGURES[self.key][1]


@dataclass(frozen=True, slots=True)
class Contentment:
    """The question that asks how contented people are, in one closed survey after the other."""

    questions: Sequence[Question]
    satisfied_from: float

    @classmethod
    def of(cls, facts: Facts, survey: str, question: str, satisfied_from: float) -> Contentment:
        """The question as the surveys of that key asked it."""
        rounds = [poll for poll in facts.polls if poll.closed and poll.key == survey]
        return cls([each for poll in rounds for each in poll.questions if each.key == question], satisfied_from)

    @property
    def means(self) -> list[float]:
        return [question.mean for question in self.questions if question.mean is not None]

    @property
    def satisfied_share(self) -> float | None:
        """Of those who answered the last time; None where a count is hidden."""
        if not self.questions:
            return None
        last = self.questions[-1]
        if any(answer.count is None for answer in last.answers):
            return None
        content = [answer.count or 0 for answer in last.answers if (answer.value or 0) >= self.satisfied_from]
        return share(sum(content), last.answered)


def reckon(
    facts: Facts, contentment: Contentment, saving: Saving, plan: Plan, accounts: int | None = None
) -> dict[str, Figure]:
    """Every figure, in the order of `FIGURES`. `saving` is that of the people who were seen to use it."""
    values: dict[str, float | None] = {}
    values |= _adoption(facts)
    kinds = {notice.id: notice.kind for notice in facts.notices}
    by_kind = reach.together(facts.waits_that_count(EVERYBODY), lambda wait: kinds[wait.notice])
    for kind in KINDS:
        values |= _reach(kind, by_kind.get(kind, Reach()))
    values |= {"undelivered": facts.undelivered}
    values |= _replies(facts)
    asked = [poll for poll in facts.polls if poll.closed]
    values["survey_response_share"] = share(sum(poll.respondents for poll in asked), sum(poll.asked for poll in asked))
    means = contentment.means
    values["satisfaction_mean"] = round(means[-1], 4) if means else None
    values["satisfaction_change"] = round(means[-1] - means[0], 4) if len(means) > 1 else None
    values["satisfied_share"] = contentment.satisfied_share
    staff, length = facts.everybody.staff, len(months(facts.starts, facts.ends))
    values["problems_per_100_and_month"] = ratio(100 * len(facts.problems), staff * length)
    values["hours_saved"] = _number(saving.hours)
    values["yen_saved"] = saving.yen
    values["yen_first_full_year"] = plan.year(plan.fiscal_years[-1]).gross
    minutes = None
    values["saving_to_cost"] = None
    if (yen := plan.year(plan.fiscal_years[-1]).gross) is not None:
        minutes = break_even_minutes(yen, accounts or saving.staff, saving.days, saving.yen_an_hour)
        values["saving_to_cost"] = round(saving.yen / yen, 2) if yen else None
    values["break_even_minutes"] = None if minutes is None else _number(minutes)
    return {key: Figure(key, values[key]) for key in FIGURES}


def share(part: int | None, whole: int | None) -> float | None:
    """`part` of `whole`, to four places; None where there is no whole."""
    return ratio(part, whole)


def ratio(part: int | None, whole: int | None) -> float | None:
    return round(part / whole, 4) if whole and part is not None else None


def _adoption(facts: Facts) -> dict[str, float | None]:
    everybody = facts.everybody
    staff, active = everybody.staff, everybody.active
    by_month = [active.get(month_key(month), 0) for month in months(facts.starts, facts.ends)]
    by_week = [active.get(f"{week}", 0) for week in facts.weeks_of_use]
    counted = [facts.service.get(f"active:{month_key(month)}") for month in months(facts.starts, facts.ends)]
    return {
        "registered_share": share(everybody.registered, staff),
        "used_share": share(active.get(WHOLE, 0), staff),
        "active_share_last_month": share(by_month[-1], staff) if by_month else None,
        "active_share_mean": _mean_share(by_month, staff),
        "weekly_active_share": _mean_share(by_week, staff),
        "service_active_share_last_month": share(counted[-1], staff) if counted else None,
    }


def _mean_share(counts: Sequence[int], whole: int) -> float | None:
    return round(fmean(count / whole for count in counts), 4) if counts and whole else None


def _reach(kind: str, of_kind: Reach) -> dict[str, float | None]:
    return {
        f"{kind}_read_share_1h": share(of_kind.within(HOUR), of_kind.recipients),
        f"{kind}_read_share_24h": share(of_kind.within(DAY), of_kind.recipients),
        f"{kind}_read_share": share(of_kind.read, of_kind.recipients),
        f"{kind}_minutes_to_80": of_kind.until(80),
    }


def _replies(facts: Facts) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, of_question in (
        ("reply_share", list(facts.replies)),
        ("muster_reply_share", [reply for reply in facts.replies if reply.question == "muster"]),
        ("safety_reply_share", [reply for reply in facts.replies if reply.question == "safety"]),
    ):
        answered = sum(sum(reply.answers.values()) for reply in of_question)
        found[name] = share(answered, sum(reply.asked for reply in of_question))
    musters = [reply for reply in facts.replies if reply.question == "muster"]
    found["muster_coming_share"] = share(sum(reply.coming for reply in musters), sum(reply.asked for reply in musters))
    return found


def _number(value: Fraction) -> float:
    """To four places; whole numbers stay whole in every file."""
    return int(value) if value.denominator == 1 else round(float(value), 4)
