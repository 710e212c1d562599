"""Earthquakes: 震度速報 (VXSE51), 震源に関する情報 (VXSE52) and 震源・震度に関する情報 (VXSE53).

VXSE51 knows how strongly the regions shook, VXSE52 where the earthquake was, VXSE53 both and each municipality.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from xml.etree.ElementTree import Element

from bot.clock import to_tokyo
from broadcasts.jma import levels
from broadcasts.jma.telegram import Area, Content, Fact, Finding
from broadcasts.jma.tree import every, path, stated, text

PHENOMENON = "震度"
_TABLES = {
    "Pref": "地震情報／都道府県等",
    "Area": "地震情報／細分区域",
    "City": "気象・地震・火山情報／市町村等",
}


def read(head: Element, body: Element) -> Content:
    """Intensities of every prefecture, region and municipality, and what is known of the source."""
    findings = tuple(_headline(head) if body.find(path("Intensity")) is None else _observed(body))
    return Content(findings, (*source(body), *comments(body)), covers=bool(findings))


def _observed(body: Element) -> Iterator[Finding]:
    for prefecture in every(body, "Intensity", "Observation", "Pref"):
        yield from _finding(prefecture, "Pref")
        for region in every(prefecture, "Area"):
            yield from _finding(region, "Area")
            for city in every(region, "City"):
                yield from _finding(city, "City")


def _finding(element: Element, layer: str) -> Iterator[Finding]:
    # A municipality whose value has not come in has a Condition, with or without a (lower) MaxInt of its other points.
    ranks = [levels.intensity(text(element, name)) for name in ("MaxInt", "Condition")]
    level = max((rank for rank in ranks if rank is not None), default=None)
    area = Area(text(element, "Name"), text(element, "Code"), _TABLES[layer])
    if level is not None and (area.name or area.code):
        yield Finding(area, PHENOMENON, level, levels.INTENSITY_LABELS[level - 1])


def _headline(head: Element) -> Iterator[Finding]:
    """The headline's table, for a body without intensities."""
    for item in every(head, "Headline", "Information", "Item"):
        level = levels.intensity(text(item, "Kind", "Name"))
        for areas in every(item, "Areas") if level is not None else ():
            for element in every(areas, "Area"):
                area = Area(text(element, "Name"), text(element, "Code"), areas.get("codeType", ""))
                if level is not None and (area.name or area.code):
                    yield Finding(area, PHENOMENON, level, levels.INTENSITY_LABELS[level - 1])


def source(body: Element) -> Iterator[Fact]:
    """Time, place, depth and magnitude of each earthquake; a tsunami can have several."""
    for earthquake in every(body, "Earthquake"):
        if moment := clock_time(text(earthquake, "OriginTime")):
            yield Fact("origin", moment)
        place = earthquake.find(path("Hypocenter", "Area"))
        if name := text(place, "DetailedName") or text(place, "Name"):
            yield Fact("hypocenter", name)
        for key, found in (
            ("position", None if place is None else place.find(path("Coordinate"))),
            ("magnitude", earthquake.find(path("Magnitude"))),
        ):
            if described := stated(found):
                yield Fact(key, described)


def comments(body: Element) -> Iterator[Fact]:
    """The agency's fixed sentences: whether a tsunami is feared, what to do."""
    for name in ("ForecastComment", "WarningComment"):
        if sentence := text(body, "Comments", name, "Text"):
            yield Fact("comment", "\n".join(filter(None, map(str.strip, sentence.splitlines()))))


def clock_time(written: str) -> str:
    """An ISO 8601 moment as people say it in Japan (`11日 05:07`); '' if it is none."""
    try:
        moment = to_tokyo(datetime.fromisoformat(written))
    except (ValueError, OverflowError):
        return ""
    return f"{moment.day}日 {moment:%H:%M}"
