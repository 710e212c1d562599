"""What a telegram of the weather agency says, once read: the head that all kinds share, and what is said of which area.

Source of the elements: 気象庁防災情報XMLフォーマット, Control, Head (informationBasis1) and Body.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Matter = Literal["earthquake", "tsunami", "warning", "landslide", "flood"]
"""What a telegram is about; it decides which threshold of the settings counts."""


class Status(StrEnum):
    """Control/Status."""

    NORMAL = "通常"
    DRILL = "訓練"
    TEST = "試験"


class InfoType(StrEnum):
    """Head/InfoType."""

    ISSUE = "発表"
    CORRECTION = "訂正"
    CANCELLATION = "取消"


def plain(text: str) -> str:
    """`text` for comparing: full-width letters and figures made narrow (NFKC), every kind of blank left out."""
    # In pieces: normalising sorts the marks on one letter, which takes a hostile text's length squared.
    pieces = (text[start : start + 500] for start in range(0, len(text), 500))
    return "".join("".join(unicodedata.normalize("NFKC", piece) for piece in pieces).split())


@dataclass(frozen=True)
class Reason:
    """Why: a sentence's key in the room's catalogue under `reason`, and what fills it."""

    key: str
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Area:
    """A place with its code in one of the agency's code tables (`table` as the telegram's codeType names it)."""

    name: str
    code: str
    table: str = ""


@dataclass(frozen=True)
class Fact:
    """One more thing to know: `key` names a line of the catalogue under `fact`; about `area` only, if there is one."""

    key: str
    value: str
    area: Area | None = None


@dataclass(frozen=True)
class Finding:
    """What is said of one area.

    `level` is a rank on the matter's own scale (see `levels`), 0 for nothing or for what has been lifted. `label` is
    what the agency calls it. `grain` orders the layers in which weather warnings repeat themselves: 0 forecast region
    of a prefecture … 3 municipality.
    """

    area: Area
    phenomenon: str
    level: int
    label: str
    grain: int = 3
    facts: tuple[Fact, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What stays the same from one telegram of an event to the next."""
        return (self.area.table, self.area.code or self.area.name, self.phenomenon)


@dataclass(frozen=True)
class Content:
    """What a body says. `covers`: it states what holds where. `rivers`: the river sections that a flood is about."""

    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()
    covers: bool = False
    rivers: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Telegram:
    """A telegram of a kind that is read.

    `kind` is the agency's name for the kind (VXSE51, …). `event_id` is the agency's; where that is empty, as in weather
    warnings, it is office, report time and hash. `series` is what amendments share: matter and EventID or, without one,
    office and region. `serial` is None if blank or 0.
    """

    digest: str
    kind: str
    matter: Matter
    status: Status
    info_type: InfoType
    event_id: str
    series: str
    serial: int | None
    reported_at: datetime
    sent_at: datetime
    title: str
    office: str
    headline: str
    content: Content = Content()

    @property
    def drill(self) -> bool:
        return self.status is Status.DRILL


@dataclass(frozen=True)
class Unreadable:
    """Bytes that are no telegram, a broken one, or one of a kind that is not read; with as much as could be seen."""

    digest: str
    reason: Reason
    kind: str | None = None
    event_id: str | None = None
    reported_at: datetime | None = None
    headline: str = ""
    status: Status | None = None

    @property
    def drill(self) -> bool:
        return self.status is Status.DRILL
