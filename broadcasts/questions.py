"""What a notice may ask of people, the choices they have, and what they may add in their own words.

A choice is a short path that never changes, such as `come:60`: its first part is what counts, the rest refines it.

    acknowledge   seen
    safety        safe | hurt | rescue                                     then a place
    muster        come[:30|:60|:120|:over] | cannot[:family|:health|:road|:duty|:other]   a time, a reason
    choice        1 | 2 | 3 ...
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from bot.clock import to_tokyo
from bot.messages import Button
from bot.texts import Texts

Ask = Literal["acknowledge", "safety", "muster", "choice"]
Detail = Literal["place", "arrival", "reason"]

CHOICES: Mapping[Ask, Sequence[str]] = {
    "acknowledge": ("seen",),
    "safety": ("safe", "hurt", "rescue"),
    "muster": ("come", "cannot"),
}
NEEDS_HELP = ("rescue", "hurt")
"""Who is named first, in this order."""
ARRIVALS = ("come:30", "come:60", "come:120", "come:over")
REASONS = ("cannot:family", "cannot:health", "cannot:road", "cannot:duty")
FREE_CHOICES = 8
"""Free choices of one question at most; the platforms show 10 buttons."""
DETAIL_LENGTH = 200

_CLOCK_TIME = re.compile(r"(?<!\d)([01]?\d|2[0-3])(?::([0-5]\d)|時(?:([0-5]?\d)分|(半))?)(?!間)")
_DURATION = re.compile(r"(?<!\d)(?:(\d{1,2})\s*(?:時間|hours?|h))?\s*(?:(\d{1,3})\s*(?:分|minutes?|min|m)|(半))?")


class Question(BaseModel):
    """A notice's question; `stage` is the 配備 of a muster, `choices` are the labels of free choices."""

    model_config = ConfigDict(frozen=True)

    asks: Ask
    stage: int | None = Field(default=None, ge=1, le=3)
    choices: tuple[str, ...] = Field(default=(), max_length=FREE_CHOICES)

    def options(self) -> tuple[str, ...]:
        """The choices that stand under the notice."""
        return tuple(map(str, range(1, len(self.choices) + 1))) or tuple(CHOICES[self.asks])

    def refinements(self, choice: str) -> tuple[str, ...]:
        """What is offered next to whoever has chosen `choice`."""
        return {"come": ARRIVALS, "cannot": REASONS}.get(choice, ()) if self.asks == "muster" else ()

    def knows(self, choice: str) -> bool:
        """Whether a button of this question could have said so."""
        return choice in self.options() or any(choice in self.refinements(each) for each in self.options())

    def detail(self, choice: str) -> Detail | None:
        """What people may add in their own words to `choice`."""
        if self.asks == "safety":
            return "place"
        if self.asks == "muster" and ":" not in choice:
            return "arrival" if choice == "come" else "reason"
        return None

    def label(self, texts: Texts, choice: str) -> str:
        """A choice as people read it."""
        if self.choices:
            return self.choices[int(choice) - 1]
        return texts(f"choice.{self.asks}.{choice.replace(':', '_')}")

    def buttons(self, texts: Texts, broadcast_id: int, choices: Sequence[str] | None = None) -> tuple[Button, ...]:
        """The buttons that answer it: the options, or these choices."""
        shown = self.options() if choices is None else choices
        return tuple(Button(label=self.label(texts, each), data=f"answer:{broadcast_id}:{each}") for each in shown)

    def sentence(self, texts: Texts) -> str:
        """What stands between the notice's text and the buttons."""
        stage = texts("question.stage", stage=self.stage) if self.stage is not None else ""
        return texts(f"question.{self.asks}", stage=stage)

    def columns(self) -> dict[str, Any]:
        """As it stands in a row of `broadcasts`."""
        choices = json.dumps(self.choices, ensure_ascii=False) if self.choices else None
        return {"asks": self.asks, "stage": self.stage, "choices": choices}


def question_of(notice: Row[Any]) -> Question | None:
    """The question in a row of `broadcasts`, or None."""
    if notice.asks is None:
        return None
    return Question(asks=notice.asks, stage=notice.stage, choices=tuple(json.loads(notice.choices or "[]")))


def counted_as(choice: str) -> str:
    """The part of a choice that counts: `come:60` is `come`."""
    return choice.partition(":")[0]


def arrival(words: str, now: datetime) -> str | None:
    """The arrival that somebody wrote, 「19:30」「19時半」「40分」「1時間半」, as a choice; None if it is no time.

    A time of day that has passed is tomorrow's, and what has passed by less than two hours is meant as soon.
    """
    plain = unicodedata.normalize("NFKC", words).strip()
    if (clock := _CLOCK_TIME.search(plain)) is not None:
        hour, minute = int(clock[1]), 30 if clock[4] else int(clock[2] or clock[3] or 0)
        local = to_tokyo(now)
        moment = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if moment < local - timedelta(hours=2):
            moment += timedelta(days=1)
        return _as_choice(moment - local)
    if (span := next((m for m in _DURATION.finditer(plain) if m[1] or m[2]), None)) is not None:
        minutes = 60 * int(span[1] or 0) + (30 if span[3] else int(span[2] or 0))
        return _as_choice(timedelta(minutes=minutes))
    return None


def _as_choice(wait: timedelta) -> str:
    limits = (30, 60, 120)
    within = next((limit for limit in limits if wait <= timedelta(minutes=limit)), None)
    return f"come:{within or 'over'}"


def said_plainly(texts: Texts, question: Question, words: str) -> str | None:
    """The choice that somebody wrote instead of pressing it, as politely as people write: 「参集できません。」."""
    said = unicodedata.normalize("NFKC", words).strip(" \n。、.!")
    for choice in question.options():
        label = question.label(texts, choice)
        polite = label.replace("する", "します").replace("できない", "できません")
        if said in {label, f"{label}です", f"{label}だ", polite}:
            return choice
    return None
