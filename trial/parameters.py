"""The rehearsal's parameters, read from one TOML file; each one's meaning and unit stands there, beside it."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.bilingual import both, shown
from bot.documents import toml_in
from bot.errors import ConfigurationError
from bot.mistakes import listed
from trial import cost
from trial.calendar import WorkingHours

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Spread = Annotated[float, Field(ge=0, le=3)]
Shares = Annotated[tuple[Share, ...], Field(min_length=5, max_length=5)]
Factors = Annotated[tuple[Positive, ...], Field(min_length=5, max_length=5)]


class Section(BaseModel):
    """Frozen and complete: an unknown or a missing name is an error, so that no typing mistake goes unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Hours(Section):
    opens: time
    lunch_from: time
    lunch_until: time
    closes: time

    def working_hours(self) -> WorkingHours:
        return WorkingHours(self.opens, self.lunch_from, self.lunch_until, self.closes)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self.working_hours()
        return self


class Onboarding(Section):
    days: Factors
    spread: Spread
    latest_days: Annotated[int, Field(ge=1, le=30)]
    phone: Shares


class OfficeReading(Section):
    notice_minutes: Positive
    urgent_minutes: Positive
    reminder_minutes: Positive
    spread: Spread
    skill: Factors
    age: dict[str, Positive]
    relevance: Factors
    lunch: Positive


class PhoneReading(Section):
    notice: Share
    urgent: Share
    urgent_asleep: Share
    minutes: Positive
    calm_minutes: Positive
    spread: Spread
    asleep_from: time
    asleep_until: time
    before_work_minutes: Positive
    before_work: Share


class Habits(Section):
    absent: Share
    passed_over: Shares
    passed_over_urgent: Share
    heeds_reminder: Shares
    start_of_day_minutes: Positive
    early_tick: Annotated[int, Field(ge=1, le=60)]
    fading_per_month: Share
    office_tick: Annotated[int, Field(ge=1, le=60)]


class Reading(Section):
    office: OfficeReading
    phone: PhoneReading
    habits: Habits


class Reminders(Section):
    """How the bot reminds those who have not read; the other kinds are emergencies and drills."""

    notice_minutes: Positive
    notice_times: Annotated[int, Field(ge=0, le=20)]
    urgent_minutes: Positive
    urgent_times: Annotated[int, Field(ge=0, le=20)]
    survey_times: Annotated[int, Field(ge=0, le=20)]


class Answers(Section):
    answers: Shares
    minutes: Positive
    spread: Spread
    refines: Share
    changes: Share
    change_minutes: Positive
    weights: dict[str, Positive]


class Surveys(Section):
    answers: Shares
    reminded: Share
    start_minutes: Positive
    spread: Spread
    question_minutes: Annotated[int, Field(ge=1, le=60)]
    free_text: Share
    chooses: Share
    contentment: Shares
    contentment_spread: Spread
    growth_per_month: Annotated[float, Field(ge=-1, le=1)]
    scale_labels: Spread


class Talk(Section):
    per_department_and_day: Annotated[float, Field(ge=0, le=10)]
    reply: Share
    stamp: Share
    most_answers: Annotated[int, Field(ge=0, le=20)]
    answer_minutes: Positive
    spread: Spread
    file: Share
    pair_talk_per_day: Annotated[float, Field(ge=0, le=100)]
    problems_per_month: Annotated[float, Field(ge=0, le=100)]
    problems_kept: Share
    looks: Annotated[tuple[Annotated[int, Field(ge=1, le=10)], ...], Field(min_length=5, max_length=5)]


class Storyline(Section):
    notice_at: time
    survey_day: Annotated[int, Field(ge=1, le=28)]
    survey_at: time
    survey_open_days: Annotated[int, Field(ge=1, le=28)]
    drill_day: tuple[Annotated[int, Field(ge=1, le=12)], Annotated[int, Field(ge=1, le=28)]]
    drill_at: time
    typhoon_month: Annotated[int, Field(ge=1, le=12)]
    typhoon_days: tuple[Annotated[int, Field(ge=1, le=28)], Annotated[int, Field(ge=1, le=28)]]
    typhoon_at: tuple[time, ...]
    correction_minutes: Annotated[int, Field(ge=1)]
    recall_minutes: Annotated[int, Field(ge=1)]
    report_after_minutes: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _typhoon_in_order(self) -> Self:
        if self.typhoon_days[0] > self.typhoon_days[1]:
            raise ValueError(both("trial", "mend.typhoon"))
        return self


class PriceTier(Section):
    first: Annotated[int, Field(ge=1)]
    price: Annotated[int, Field(ge=0)] | None = None


class Cost(Section):
    tax_percent: Annotated[int, Field(ge=0, le=100)]
    reading: Literal["all", "inside"]
    tiers: Annotated[tuple[PriceTier, ...], Field(min_length=1)]

    def table(self) -> list[cost.Tier]:
        return [cost.Tier(tier.first, tier.price) for tier in self.tiers]

    @model_validator(mode="after")
    def _tiers_in_order(self) -> Self:
        firsts = [tier.first for tier in self.tiers]
        if firsts[0] != 1 or firsts != sorted(set(firsts)):
            raise ValueError(both("trial", "mend.tiers"))
        return self


class Parameters(Section):
    """The whole file."""

    hours: Hours
    onboarding: Onboarding
    reading: Reading
    reminders: Reminders
    answers: Answers
    surveys: Surveys
    talk: Talk
    storyline: Storyline
    cost: Cost


def load_parameters(path: Path) -> Parameters:
    """The parameters in a TOML file; ConfigurationError names the file and everything in it that is wrong."""
    table = toml_in(path)
    try:
        return Parameters.model_validate(table)
    except ValidationError as error:
        sentence = both("bot", "document.needs_mending", name=shown(path), faults=listed(error))
        raise ConfigurationError(sentence) from None
