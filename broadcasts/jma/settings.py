"""Which telegrams concern this city: areas and thresholds."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta

from bot.errors import ConfigurationError
from broadcasts.jma import levels
from broadcasts.jma.telegram import Area, Finding, Matter, plain

TABLES = {
    "quake": "地震情報／細分区域",
    "tsunami": "津波予報区",
    "weather": "気象情報／府県予報区・細分区域等",
    "city": "気象・地震・火山情報／市町村等",
    "river": "河川",
}
"""Short words for code tables: regions of earthquakes and of tsunami share codes, `tsunami:310` is certain."""


@dataclass(frozen=True)
class JmaSettings:
    """What makes a draft.

    `areas`: codes and names of the municipality, its prefecture and their forecast regions, as the agency writes them;
    a municipality also by the five figures of 全国地方公共団体コード; a code may be tied to a table (`tsunami:310`).
    Without any, every area of the country counts. Drafts are made from `intensity` (1 … 5-, 5+ … 7), `tsunami`
    (forecast, advisory, warning, major), `warning` (注意報, 警報, 危険警報, 特別警報) and `flood` (level 1 to 5)
    upwards and held for `hold`. `without`: kinds that are not wanted, such as VPWW53 and VPWW54 where VPWW55–61 come
    too: until 2028 the agency sends both. Raises ConfigurationError.
    """

    areas: AbstractSet[str] = frozenset()
    intensity: str = "5-"
    tsunami: str = "advisory"
    warning: str = "警報"
    flood: int = 3
    hold: timedelta = timedelta(minutes=10)
    without: AbstractSet[str] = frozenset()
    _areas: frozenset[str] = field(init=False, repr=False, compare=False)
    _thresholds: dict[Matter, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        intensity = levels.intensity(self.intensity)
        if intensity is None:
            raise ConfigurationError(f"jma.intensity is {self.intensity!r}; write one of 1 2 3 4 5- 5+ 6- 6+ 7.")
        if self.tsunami not in levels.TSUNAMI_CLASSES:
            raise ConfigurationError(f"jma.tsunami is {self.tsunami!r}; write {' or '.join(levels.TSUNAMI_CLASSES)}.")
        if self.warning not in levels.WARNING_CLASSES:
            raise ConfigurationError(f"jma.warning is {self.warning!r}; write {' or '.join(levels.WARNING_CLASSES)}.")
        if self.flood not in range(1, 6):
            raise ConfigurationError(f"jma.flood is {self.flood!r}; write a level from 1 to 5.")
        if self.hold < timedelta(0):
            raise ConfigurationError("jma.hold is negative; write the minutes that a draft is held, such as 10.")
        warning = levels.WARNING_CLASSES[self.warning]
        thresholds: dict[Matter, int] = {
            "earthquake": intensity,
            "tsunami": levels.TSUNAMI_CLASSES.index(self.tsunami) + 1,
            "warning": warning,
            "landslide": warning,
            "flood": self.flood,
        }
        object.__setattr__(self, "_thresholds", thresholds)
        object.__setattr__(self, "_areas", frozenset(_with_table(area) for area in self.areas if area.strip()))

    def concerns(self, area: Area) -> bool:
        """Whether `area` is one of ours."""
        if not self._areas:
            return True
        code, name = plain(area.code), plain(area.name)
        ours = {code, name, f"{plain(area.table)}:{code}", f"{plain(area.table)}:{name}"} - {""}
        if re.fullmatch(r"\d{7}", code):
            # A municipality that the agency divides has several codes, all beginning with the municipality's own.
            ours.add(code[:5])
        return not self._areas.isdisjoint(ours)

    def reached_by(self, matter: Matter, finding: Finding) -> bool:
        """Whether `finding` is severe enough to tell people."""
        return finding.level >= self._thresholds[matter]

    @property
    def name_a_municipality(self) -> bool:
        """Whether any area is a municipality, so that a whole prefecture is only second best."""
        return any(re.fullmatch(r"\d{5}|\d{7}|.*[市区町村]", area) for area in self._areas)


def _with_table(area: str) -> str:
    word, colon, code = plain(area).partition(":")
    return f"{plain(TABLES[word])}:{code}" if colon and word in TABLES else plain(area)
