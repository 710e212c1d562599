"""What is kept of an event between its telegrams: just enough to tell what is new in the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from broadcasts.jma.telegram import Fact, Finding, InfoType, Telegram

Stage = Literal["none", "waiting", "told"]
"""Where the event's draft stands: there is none, it waits (an officer may have it), or people have been sent one."""

SERIES_REST = timedelta(hours=24)
"""EventIDs of rivers and landslides name a river or a prefecture, so their serials begin again with the next flood; a
smaller serial so much later belongs to the next one even if the end of the last was never seen."""


@dataclass(frozen=True)
class Mark:
    """The latest telegram of one kind in an event."""

    serial: int | None
    reported_at: datetime
    sent_at: datetime
    digest: str

    @classmethod
    def of(cls, telegram: Telegram) -> Mark:
        return cls(telegram.serial, telegram.reported_at, telegram.sent_at, telegram.digest)

    def distance(self, telegram: Telegram) -> float:
        """How far `telegram` stands behind this one in its series: negative if before it, 0 at the same place.

        Serials decide where both have one; where one is blank (震度速報, tsunami and weather warnings), the times of
        the report and, within the same minute, of its transmission do.
        """
        if self.serial is not None and telegram.serial is not None:
            return telegram.serial - self.serial
        return self.seconds_to(telegram)

    def seconds_to(self, telegram: Telegram) -> float:
        """How much later `telegram` was reported or, within the same minute, sent."""
        between = telegram.reported_at - self.reported_at or telegram.sent_at - self.sent_at
        return between.total_seconds()


@dataclass(frozen=True)
class Layer:
    """What the latest telegram of one kind said of our areas."""

    kind: str
    findings: tuple[Finding, ...]
    facts: tuple[Fact, ...]
    headline: str
    covers: bool


@dataclass(frozen=True)
class Memory:
    """One event: the latest telegram of each kind, what they said in the order they came, where the draft stands.

    `told` is what people have been told of, once a notice has gone out; `taken` is what the draft says that an officer
    has made a notice of and not sent yet.
    """

    marks: Mapping[str, Mark] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    stage: Stage = "none"
    told: tuple[Finding, ...] = ()
    taken: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What holds now: the word of the latest telegram that stated the whole situation."""
        return next((layer.findings for layer in reversed(self.layers) if layer.covers), ())

    @property
    def basis(self) -> tuple[Finding, ...]:
        """What the next draft is compared with: what people know or, before that, what the waiting draft says."""
        return self.told if self.stage == "told" else self.findings

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything else that is known, each line once, the latest kind of telegram last."""
        return tuple(dict.fromkeys(fact for layer in self.layers for fact in layer.facts))

    def begins_anew(self, telegram: Telegram) -> bool:
        """Whether `telegram` opens another event under an EventID that has been used before."""
        mark = self.marks.get(telegram.kind)
        if mark is None or telegram.serial is None or mark.serial is None or telegram.serial > mark.serial:
            return False
        later = telegram.reported_at - mark.reported_at
        return later >= SERIES_REST or (later > timedelta(0) and self.stage == "none")

    def has_passed(self, telegram: Telegram) -> bool:
        """Whether `telegram` is older than what has been seen of its kind, or says it again.

        A correction or cancellation may carry the very numbers of the telegram that it mends.
        """
        if telegram.info_type is InfoType.ISSUE and self._overtaken(telegram):
            return True
        mark = self.marks.get(telegram.kind)
        if mark is None:
            return False
        distance = mark.distance(telegram)
        return distance < 0 or (distance == 0 and telegram.info_type is InfoType.ISSUE) or self.repeats(telegram)

    def _overtaken(self, telegram: Telegram) -> bool:
        """Whether another kind has stated the whole situation since: a speed report that comes after the full one."""
        others = (self.marks[layer.kind] for layer in self.layers if layer.covers and layer.kind != telegram.kind)
        return any(mark.seconds_to(telegram) < 0 for mark in others)

    def repeats(self, telegram: Telegram) -> bool:
        """Whether `telegram` is, byte for byte, the latest of its kind."""
        mark = self.marks.get(telegram.kind)
        return mark is not None and mark.digest == telegram.digest

    def marked(self, telegram: Telegram) -> Memory:
        return replace(self, marks={**self.marks, telegram.kind: Mark.of(telegram)})

    def with_layer(self, layer: Layer) -> Memory:
        return replace(self, layers=(*self._others(layer.kind), layer))

    def without_layer(self, kind: str) -> Memory:
        return replace(self, layers=self._others(kind))

    def ended(self) -> Memory:
        """The same event with nothing in force and no draft; what was said is forgotten, how far it came is not."""
        return Memory(self.marks)

    def drafted(self) -> Memory:
        return replace(self, stage="waiting")

    def released(self) -> Memory:
        """The same event once its waiting draft has been handed on: nobody has been told by that."""
        return replace(self, taken=self.findings)

    def sent(self) -> Memory:
        """The same event once the notice of the released draft has gone out. An event that has ended stays so."""
        return replace(self, stage="told", told=self.taken, taken=()) if self.taken else self

    def dismissed(self) -> Memory:
        """The same event once its waiting draft has been put aside: what reaches the thresholds next is a new draft.

        People who were told of it earlier still know what they were told.
        """
        return replace(self, stage="told" if self.told else "none")

    def thrown_away(self) -> Memory:
        """The same event once the notice of the released draft has been thrown away."""
        return replace(self, taken=())

    def _others(self, kind: str) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.kind != kind)
