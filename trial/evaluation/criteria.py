"""What was agreed on before the trial, in one TOML file: the bars it is judged by, the assumptions of its estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from bot.bilingual import both, shown
from bot.documents import toml_in
from bot.errors import ConfigurationError
from bot.mistakes import listed
from trial.evaluation.figures import FIGURES, NOT_JUDGED, Figure
from trial.parameters import Section

Verdict = Literal["met", "missed", "unknown"]


class Period(Section):
    """The trial's days; left out, they are those of the first and the last snapshot, or of the first and last act."""

    starts: date | None = None
    ends: date | None = None  # no longer belongs to it

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            raise ValueError(both("trial", "mend.period"))
        return self


class Satisfaction(Section):
    """The question that asks how contented people are: the survey's key, the question's, and who counts as content."""

    survey: str = "trial-feedback"
    question: str = "satisfaction"
    satisfied_from: float = 4


class TimeSaved(Section):
    """The estimate's assumptions; `staff` are those of the published example, for comparison."""

    minutes_a_day: Annotated[float, Field(gt=0, le=480)]
    days: Annotated[int, Field(ge=1, le=366)]
    yen_an_hour: Annotated[int, Field(ge=1)]
    staff: Annotated[int, Field(ge=1)]


class Budget(Section):
    """`accounts` needed; left out, as many as members of staff are registered.

    What a city pays besides the accounts is not in the price table and is filled in by hand: `set_up` and `training`
    once, `other_a_year` each year, in yen; `staff_hours` of the section in a year, at `yen_an_hour`.
    """

    accounts: Annotated[int, Field(ge=1)] | None = None
    set_up: Annotated[int, Field(ge=0)] | None = None
    training: Annotated[int, Field(ge=0)] | None = None
    staff_hours: Annotated[int, Field(ge=0)] | None = None
    other_a_year: Annotated[int, Field(ge=0)] | None = None


class Criterion(Section):
    """One bar: a figure that must be at least, or at most, so much; `reason` says where the bar comes from."""

    name: Annotated[str, Field(min_length=1)]
    figure: str
    at_least: float | None = None
    at_most: float | None = None
    reason: str = ""

    @field_validator("figure")
    @classmethod
    def _known(cls, figure: str) -> str:
        if figure not in FIGURES:
            raise ValueError(both("trial", "mend.figure", figure=figure, known=", ".join(FIGURES)))
        if figure in NOT_JUDGED:
            raise ValueError(both("trial", "mend.not_judged", figure=figure))
        return figure

    @model_validator(mode="after")
    def _one_bar(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(both("trial", "mend.bar"))
        return self

    @property
    def bar(self) -> float:
        bar = self.at_least if self.at_least is not None else self.at_most
        assert bar is not None
        return bar


class Agreement(Section):
    """The whole file."""

    period: Period = Period()
    satisfaction: Satisfaction = Satisfaction()
    time_saved: TimeSaved
    budget: Budget = Budget()
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A criterion, the figure beside it, and whether the one meets the other; unknown where there is no figure."""

    criterion: Criterion
    figure: Figure
    verdict: Verdict


def judge(criteria: tuple[Criterion, ...], figures: Mapping[str, Figure]) -> tuple[Judgement, ...]:
    """Every criterion by itself, in the order of the file. The bar itself is enough."""
    return tuple(_judge(criterion, figures[criterion.figure]) for criterion in criteria)


def _judge(criterion: Criterion, figure: Figure) -> Judgement:
    if figure.value is None:
        return Judgement(criterion, figure, "unknown")
    met = figure.value >= criterion.bar if criterion.at_least is not None else figure.value <= criterion.bar
    return Judgement(criterion, figure, "met" if met else "missed")


def load_agreement(path: Path) -> Agreement:
    """The agreement in a TOML file; ConfigurationError names the file and everything in it that is wrong."""
    table = toml_in(path)
    try:
        return Agreement.model_validate(table)
    except ValidationError as error:
        sentence = both("bot", "document.needs_mending", name=shown(path), faults=listed(error))
        raise ConfigurationError(sentence) from None
