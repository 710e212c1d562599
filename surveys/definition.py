"""What a questionnaire asks: frozen models that a TOML or YAML file is read into.

Answers are kept as a `Sheet`: one entry for each *step*, that is for each question, or for each row of a matrix.
Options are counted from 1 in the order of the file, which is the code that a city's tables use, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bot.bilingual import Both, both
from surveys.model import Model
from surveys.opening import Opening

Answer = int | float | str | list[int] | None
"""A code (choice, matrix), codes (multiple), a whole number (scale), a number, an ISO date or text; None for blank."""

Sheet = Mapping[str, Answer]
"""Step key to answer. A step that is missing was never reached; `<key>.other` holds what was written to "other"."""

OTHER = ".other"
SMALLEST = 5
"""The smallest count that is shown unless a definition says otherwise."""
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]


class Option(Model):
    """One choice. `exclusive` goes with no other choice ("none of these"); `other` may be followed by own words."""

    label: str = Field(min_length=1, max_length=200)
    exclusive: bool = False
    other: bool = False


class When(Model):
    """A question is asked only of those who gave one of `answers` (labels, or values of a scale) to `question`."""

    question: Key
    answers: list[str | int] = Field(min_length=1)


class BaseQuestion(Model):
    """What every question has; `section` is a heading that is shown where it changes."""

    key: Key
    text: str = Field(min_length=1, max_length=1_000)
    section: str = ""
    required: bool = True
    when: When | None = None


class WithOptions(BaseQuestion):
    """What is answered by choosing; `shuffle` shows the options in another order to each person."""

    options: list[Option] = Field(min_length=2, max_length=100)
    shuffle: bool = False

    @field_validator("options", mode="before")
    @classmethod
    def _from_labels(cls, value: object) -> object:
        if isinstance(value, list):
            return [{"label": item} if isinstance(item, str) else item for item in value]
        return value

    @field_validator("options")
    @classmethod
    def _labels_differ(cls, options: list[Option]) -> list[Option]:
        labels = [option.label for option in options]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(both("surveys", "definition.option_twice", label=label))
        return options


class Choice(WithOptions):
    """One of the options."""

    kind: Literal["choice"]


class Multiple(WithOptions):
    """Any of the options, at least and at most so many."""

    kind: Literal["multiple"]
    at_least: int = Field(default=1, ge=1)
    at_most: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _bounds(self) -> Multiple:
        highest = len(self.options) if self.at_most is None else self.at_most
        if not self.at_least <= highest <= len(self.options):
            raise ValueError(both("surveys", "definition.choices"))
        return self


class Scale(BaseQuestion):
    """A whole number from `low` to `high`, whose ends may have names."""

    kind: Literal["scale"]
    low: int = Field(default=1, ge=0, le=1)
    high: int = Field(default=5, ge=2, le=10)
    low_label: str = Field(default="", max_length=30)
    high_label: str = Field(default="", max_length=30)


class Matrix(WithOptions):
    """The same options for several rows; each row is a step of its own, `<key>.<row number>`."""

    kind: Literal["matrix"]
    rows: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=1, max_length=30)


class Number(BaseQuestion):
    """A number within bounds; whole unless `decimals` is set."""

    kind: Literal["number"]
    minimum: float | None = None
    maximum: float | None = None
    decimals: bool = False
    unit: str = ""

    @model_validator(mode="after")
    def _bounds(self) -> Number:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(both("surveys", "definition.minimum"))
        return self


class Day(BaseQuestion):
    """A date within bounds."""

    kind: Literal["date"]
    earliest: date | None = None
    latest: date | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Day:
        if self.earliest and self.latest and self.earliest > self.latest:
            raise ValueError(both("surveys", "definition.earliest"))
        return self


class FreeText(BaseQuestion):
    """Own words, up to `max_length` characters."""

    kind: Literal["text"]
    max_length: int = Field(default=500, ge=1, le=4_000)


Question = Annotated[Choice | Multiple | Scale | Matrix | Number | Day | FreeText, Field(discriminator="kind")]
KINDS = ("choice", "multiple", "scale", "matrix", "number", "date", "text")


@dataclass(frozen=True, slots=True)
class Step:
    """What one message asks: a question, or one row (from 0) of a matrix."""

    index: int
    key: str
    question: Question
    row: int | None = None

    @property
    def text(self) -> str:
        if self.row is not None and isinstance(self.question, Matrix):
            return f"{self.question.text}\n{self.question.rows[self.row]}"
        return self.question.text


class Definition(Opening):
    """A questionnaire.

    `anonymity`: `anonymous` (not even the database tells who said what), `confidential` (only who opened it may see
    whose answer is whose) or `named`. `smallest_cell`: counts below it are not shown; 1 (everything is shown) by
    default where answers are named, else 5, and never less than 5 where they are confidential. `form` is the name or
    number of the 様式 that stands at the head of its tables.
    """

    key: Key
    title: str = Field(min_length=1, max_length=100)
    intro: str = Field(default="", max_length=2_000)
    form: str = Field(default="", max_length=60)
    anonymity: Literal["anonymous", "confidential", "named"] = "anonymous"
    smallest_cell: int | None = Field(default=None, ge=1)
    questions: list[Question] = Field(min_length=1, max_length=100)

    @property
    def opening_line(self) -> str:
        """The introduction as a line of its own; nothing where there is none."""
        return self.intro and f"{self.intro}\n"

    @field_validator("questions")
    @classmethod
    def _questions_fit(cls, questions: list[Question]) -> list[Question]:
        earlier: dict[str, Question] = {}
        for index, question in enumerate(questions):
            if question.key in earlier:
                raise _fault(index, "key", both("surveys", "definition.key_twice", key=question.key))
            if question.when is not None and (fault := _branch_fault(question.when, earlier)):
                raise _fault(index, "when", fault)
            earlier[question.key] = question
        return questions

    @field_validator("smallest_cell")
    @classmethod
    def _keeps_confidence(cls, smallest_cell: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("anonymity") == "confidential" and smallest_cell is not None and smallest_cell < SMALLEST:
            raise ValueError(both("surveys", "definition.smallest", least=SMALLEST))
        return smallest_cell

    @property
    def anonymous(self) -> bool:
        return self.anonymity == "anonymous"

    @property
    def results_while_open(self) -> bool:
        """Whether tables may be looked at before the end; two looks tell what the person in between has said."""
        return self.anonymity == "named"

    @property
    def threshold(self) -> int:
        """The smallest count that is shown."""
        return self.smallest_cell or (1 if self.anonymity == "named" else SMALLEST)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Everything that is asked, one message each, in order."""

        def walk() -> Iterator[tuple[str, Question, int | None]]:
            for question in self.questions:
                if isinstance(question, Matrix):
                    for row in range(len(question.rows)):
                        yield f"{question.key}.{row + 1}", question, row
                else:
                    yield question.key, question, None

        return tuple(Step(index, *asked) for index, asked in enumerate(walk()))

    @cached_property
    def by_key(self) -> Mapping[str, Step]:
        """Step by its key."""
        return {step.key: step for step in self.steps}

    def applies(self, step: Step, sheet: Sheet) -> bool:
        """Whether the branch that `step` stands on is the one that `sheet` takes."""
        when = step.question.when
        if when is None:
            return True
        earlier = self.by_key[when.question]
        return self.applies(earlier, sheet) and not accepted(earlier.question, when).isdisjoint(
            codes(sheet.get(earlier.key))
        )

    def cleaned(self, sheet: Sheet) -> dict[str, Answer]:
        """`sheet` with nothing but what the definition asks of it, in the definition's order.

        The order matters: in the order of answering, a sheet would tell who went back and corrected.
        """
        clean: dict[str, Answer] = {}
        for step in self.steps:
            if step.key in sheet and self.applies(step, sheet):
                clean[step.key] = sheet[step.key]
                if (words := sheet.get(step.key + OTHER)) is not None:
                    clean[step.key + OTHER] = words
        return clean


def scale_label(question: Scale, value: int) -> str:
    """ "5 とても良い" for an end that has a name, "4" for the rest."""
    name = question.low_label if value == question.low else question.high_label if value == question.high else ""
    return f"{value} {name}".strip()


def codes(answer: Answer) -> tuple[int, ...]:
    """The codes in an answer to a choice, a multiple choice or a scale."""
    if isinstance(answer, list):
        return tuple(answer)
    return (answer,) if isinstance(answer, int) else ()


def accepted(question: Question, when: When) -> frozenset[int]:
    """The codes of `question` that lead into the branch."""
    if isinstance(question, WithOptions):
        labels = [option.label for option in question.options]
        return frozenset(labels.index(str(answer)) + 1 for answer in when.answers)
    return frozenset(int(answer) for answer in when.answers)


def _branch_fault(when: When, earlier: Mapping[str, Question]) -> Both | None:
    """What is wrong with a branch that nobody could ever take, while the person who wrote it is still looking."""
    asked = earlier.get(when.question)
    if asked is None:
        return both("surveys", "definition.no_earlier", key=when.question)
    if isinstance(asked, Choice | Multiple):
        possible = {option.label for option in asked.options}
    elif isinstance(asked, Scale):
        possible = {str(value) for value in range(asked.low, asked.high + 1)}
    else:
        return both("surveys", "definition.no_branch", key=when.question)
    unknown = [answer for answer in when.answers if str(answer) not in possible]
    if not unknown:
        return None
    return both("surveys", "definition.not_offered", answer=unknown[0], key=when.question)


def _fault(index: int, field: str, message: Both) -> PydanticCustomError:
    """A fault between questions; `at` tells the reader of files where to look for the line."""
    return PydanticCustomError("definition", "{message}", {"message": str(message), "at": (index, field)})
