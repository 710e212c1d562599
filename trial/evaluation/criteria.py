"""What was agreed on before the trial, in one TOML file: the bars it is judged by, the assumptions of its estimates."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from trial.evaluation.figures import FIGURES, Figure
from trial.parameters import Section

Verdict = Literal["met", "missed", "unknown"]


class Period(Section):
    """The trial's days; left out, they are those of the first and the last snapshot, or of the first and last act."""

    starts: date | None = None
    ends: date | None = None  # no longer belongs to it

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts is not None and self.ends is not None and self.starts >= self.ends:
            raise ValueError("starts must lie before ends.")
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
    """`accounts` needed; left out, as many as members of staff are registered."""

    accounts: Annotated[int, Field(ge=1)] | None = None


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
            raise ValueError(f"there is no figure {figure!r}; choose one of {', '.join(FIGURES)}")
        return figure

    @model_validator(mode="after")
    def _one_bar(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give at_least or at_most, one of the two")
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
    """The agreement in a TOML file; ValueError names the file and everything in it that is wrong."""
    try:
        return Agreement.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ValueError(f"The criteria in {path} need mending: {faults}") from None
    except (OSError, ValueError, RecursionError) as error:  # tomllib lets more out than its own errors
        raise ValueError(f"The criteria in {path} cannot be read: {error}.") from error
