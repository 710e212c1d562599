"""The variables of a template: what each one takes, what it offers, and how what somebody writes becomes its value.

A value is the very text that will stand in the notice. People write as they like, 「１９時半」「レベル3」「2」, and
read the value back in the preview.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Attribute

from bot.bilingual import both
from bot.clock import TOKYO, to_tokyo
from bot.errors import Refused
from bot.folding import fold

Kind = Literal["text", "choice", "number", "time", "date", "moment", "level", "stage"]

LEVELS = ("1", "2", "3", "4", "5")
"""警戒レベル. Source: 避難情報に関するガイドライン (内閣府), the five levels of 2021."""
STAGES = ("1", "2", "3")
"""第1〜第3配備 of a muster."""
CHOICES = 7
"""Choices of one variable at most: skip, back and cancel make ten buttons with them."""
CHOICE_LENGTH = 40
WEEKDAYS = "月火水木金土日"

_STANDS_FOR = re.compile(r"\{(now|department|sender)\}")
_TIME = re.compile(r"([01]?\d|2[0-3])(?::([0-5]\d)|時(?:([0-5]?\d)分|(半))?)")
_DATE = re.compile(r"(?:(\d{4})[-/年])?(\d{1,2})[-/月](\d{1,2})日?(?:\([月火水木金土日]\))?")
_NOW = frozenset({"今", "いま", "現在", "now"})
_DAYS = {"今日": 0, "本日": 0, "today": 0, "明日": 1, "あす": 1, "tomorrow": 1, "明後日": 2, "あさって": 2}
_LONG_AGO = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Sender:
    """Whoever fills a template, and when: what a default may take from them."""

    name: str
    department: str
    now: datetime


class Field(BaseModel):
    """One variable. `default` may hold `{now}` (of a time, date or moment), `{department}` and `{sender}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Attribute(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    label: str = Attribute(min_length=1, max_length=40)
    kind: Kind = "text"
    hint: str = Attribute(default="", max_length=200)
    required: bool = True
    default: str = Attribute(default="", max_length=CHOICE_LENGTH)
    choices: tuple[str, ...] = Attribute(default=(), max_length=CHOICES)
    at_least: int = 0
    at_most: int = 1_000_000
    longest: int = Attribute(default=300, ge=1, le=2_000)

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if bool(self.choices) != (self.kind == "choice") and self.kind not in ("level", "stage"):
            raise ValueError(both("broadcasts.templates", "template.mend.field_choices", kind=self.kind))
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(both("broadcasts.templates", "template.mend.field_choice_twice"))
        if not all(0 < len(choice) <= CHOICE_LENGTH for choice in self.choices):
            raise ValueError(both("broadcasts.templates", "template.mend.field_choice_length", most=CHOICE_LENGTH))
        known = {"level": LEVELS, "stage": STAGES}.get(self.kind, self.choices)
        if unknown := [choice for choice in self.choices if choice not in known]:
            raise ValueError(
                both(
                    "broadcasts.templates",
                    "template.mend.field_choice_unknown",
                    choice=unknown[0],
                    known=", ".join(known),
                )
            )
        if self.at_least > self.at_most:
            raise ValueError(both("broadcasts.templates", "template.mend.field_bounds"))
        if "{now}" in self.default and self.kind not in ("time", "date", "moment"):
            raise ValueError(both("broadcasts.templates", "template.mend.field_now"))
        if self.default and _STANDS_FOR.search(self.default) is None:
            try:
                self.read(self.default, datetime(2024, 1, 1, tzinfo=TOKYO))
            except Refused:
                raise ValueError(
                    both("broadcasts.templates", "template.mend.field_default", value=self.default, kind=self.kind)
                ) from None
        return self

    @property
    def options(self) -> Sequence[str]:
        """The values to choose from; empty where people write."""
        return self.choices or {"level": LEVELS, "stage": STAGES}.get(self.kind, ())

    def suggestion(self, sender: Sender) -> str:
        """The value that one press takes, if there is a default; else empty."""
        if self.default == "{now}":
            return self.read("今", sender.now)
        given = {"department": sender.department, "sender": sender.name, "now": ""}
        return _STANDS_FOR.sub(lambda found: given[found[1]], self.default)[: self.longest]

    def read(self, words: str, now: datetime) -> str:
        """What somebody wrote, as the value. Raises `Refused` with a sentence that says how to write it."""
        plain = unicodedata.normalize("NFKC", words).strip()
        value: str | None
        match self.kind:
            case "text":
                value = words.strip()
                if len(value) > self.longest:
                    raise Refused("template.too_long", label=self.label, limit=self.longest)
            case "number":
                value = self._number(plain)
            case "time":
                value = _shown_time(_time(plain, now))
            case "date":
                value = _shown_date(_date(plain, now))
            case "moment":
                value = _moment(plain, now)
            case _:
                value = self._chosen(plain)
        if not value:
            raise Refused(
                f"template.bad_{self.kind}",
                label=self.label,
                options=" / ".join(self.options),
                least=self.at_least,
                most=self.at_most,
            )
        return value

    def _number(self, plain: str) -> str | None:
        digits = plain.replace(",", "")
        if not re.fullmatch(r"-?\d{1,9}", digits) or not self.at_least <= int(digits) <= self.at_most:
            return None
        return str(int(digits))

    def _chosen(self, plain: str) -> str | None:
        if self.kind == "choice":
            by_name = {fold(option): option for option in self.options}
            if (named := by_name.get(fold(plain))) is not None:
                return named
            # A number, for platforms that number their buttons.
            number = int(plain) if re.fullmatch(r"\d{1,2}", plain) else 0
            return self.options[number - 1] if 0 < number <= len(self.options) else None
        found = re.fullmatch(r"(?:警戒)?(?:レベル|level)?\s*(?:第)?(\d)(?:配備)?", plain, re.IGNORECASE)
        return found[1] if found and found[1] in self.options else None


def _time(plain: str, now: datetime) -> time | None:
    if plain.casefold() in _NOW:
        return to_tokyo(now).time()
    found = _TIME.fullmatch(plain)
    if found is None:
        return None
    return time(int(found[1]), 30 if found[4] else int(found[2] or found[3] or 0))


def _date(plain: str, now: datetime) -> date | None:
    today = to_tokyo(now).date()
    if plain.casefold() in _NOW:
        return today
    if (days := _DAYS.get(plain.casefold())) is not None:
        return today + timedelta(days=days)
    found = _DATE.fullmatch(plain)
    if found is None:
        return None
    try:
        meant = date(int(found[1] or today.year), int(found[2]), int(found[3]))
        # In December, 1月5日 is the next one.
        return meant.replace(year=meant.year + 1) if not found[1] and today - meant > _LONG_AGO else meant
    except ValueError:
        return None


def _moment(plain: str, now: datetime) -> str | None:
    if plain.casefold() in _NOW:
        return f"{_shown_date(_date(plain, now))}{_shown_time(_time(plain, now))}"
    day, _, hour = plain.rpartition(" ")
    if not day:  # 「10月2日9時」, or a time of today
        split = re.fullmatch(r"(.*(?:日(?:\(.\))?|今日|明日|本日|明後日))(.+)", plain)
        day, hour = (split[1], split[2]) if split else ("今日", plain)
    on, at = _date(day.strip(), now), _time(hour.strip(), now)
    return None if on is None or at is None else f"{_shown_date(on)}{_shown_time(at)}"


def _shown_time(at: time | None) -> str:
    return "" if at is None else f"{at.hour}時{at.minute:02d}分"


def _shown_date(on: date | None) -> str:
    return "" if on is None else f"{on.month}月{on.day}日（{WEEKDAYS[on.weekday()]}）"
