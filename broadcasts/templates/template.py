"""A template as a whole: what must fit together, and how it becomes the text and the question of a notice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic import Field as Attribute

from bot.bilingual import both
from bot.errors import Refused
from broadcasts import validation
from broadcasts.kinds import Kind
from broadcasts.questions import FREE_CHOICES, Ask, Question
from broadcasts.templates.fields import Field

_VARIABLE = re.compile(r"\{([^{}\n]*)\}")
_CHOICE_LENGTH = 20


class Template(BaseModel):
    """A notice to be filled in; `key` is its file's name without the ending.

    `audience` and `without` name people as `/一斉` does, 「総務部」「課長以上」; with neither, the sender is asked.
    A variable of the kind `stage` decides the stage of a muster, `stage` a fixed one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Attribute(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    name: str = Attribute(min_length=1, max_length=40)
    about: str = Attribute(default="", max_length=200)
    kind: Kind = "notice"
    text: str = Attribute(min_length=1, max_length=4_000)
    audience: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    asks: Ask | None = None
    stage: int | None = Attribute(default=None, ge=1, le=3)
    choices: tuple[str, ...] = Attribute(default=(), max_length=FREE_CHOICES)
    fields: tuple[Field, ...] = Attribute(default=(), max_length=15)

    @field_validator("text")
    @classmethod
    def is_fit_to_be_sent(cls, text: str) -> str:
        for finding in validation.errors(_VARIABLE.sub("", text)):
            raise ValueError(both("broadcasts.templates", "template.mend.held", what=finding.key))
        return text.strip()

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        counts = Counter(field.name for field in self.fields)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(both("broadcasts.templates", "template.mend.twice", name=twice[0]))
        used = set(_VARIABLE.findall(self.text))
        if unknown := sorted(used - counts.keys()):
            raise ValueError(both("broadcasts.templates", "template.mend.undeclared", name=unknown[0]))
        spare = [field.name for field in self.fields if field.name not in used and field.kind != "stage"]
        if spare:
            raise ValueError(both("broadcasts.templates", "template.mend.spare", name=spare[0]))
        stages = [field for field in self.fields if field.kind == "stage"]
        if len(stages) > 1:
            raise ValueError(both("broadcasts.templates", "template.mend.second_stage", name=stages[1].name))
        if self.asks != "muster" and (stages or self.stage is not None):
            raise ValueError(both("broadcasts.templates", "template.mend.stage_alone"))
        if stages and self.stage is not None:
            raise ValueError(both("broadcasts.templates", "template.mend.stage_twice", name=stages[0].name))
        if (self.asks == "choice") != bool(self.choices):
            raise ValueError(both("broadcasts.templates", "template.mend.choices_when"))
        if self.choices and (len(set(self.choices)) < 2 or not all(0 < len(x) <= _CHOICE_LENGTH for x in self.choices)):
            raise ValueError(both("broadcasts.templates", "template.mend.choices_differ", most=_CHOICE_LENGTH))
        if self.without and not self.audience:
            raise ValueError(both("broadcasts.templates", "template.mend.without"))
        return self

    def fill(self, values: Mapping[str, str]) -> str:
        """The notice's text. A line with an optional variable that was left empty goes with it.

        Raises `Refused` for a mandatory variable without a value.
        """
        for field in self.fields:
            if field.required and not values.get(field.name, "").strip():
                raise Refused("template.unfilled", label=field.label)
        lines = (
            _VARIABLE.sub(lambda found: values[found[1]], line)
            for line in self.text.split("\n")
            if all(values.get(name) for name in _VARIABLE.findall(line))
        )
        return "\n".join(lines)

    def question(self, values: Mapping[str, str]) -> Question | None:
        """What the notice asks of people, or None."""
        if self.asks is None:
            return None
        stages = (values.get(field.name) for field in self.fields if field.kind == "stage")
        stage = next((int(value) for value in stages if value), self.stage)
        return Question(asks=self.asks, stage=stage, choices=self.choices)
