"""Tsunami: 津波警報・注意報・予報 (VTSE41), 津波情報 (VTSE51) and 沖合の津波観測に関する情報 (VTSE52).

VTSE41 says which class holds for which coast. VTSE51 repeats it with arrival times and what was measured on the coast;
VTSE52 says what was measured far out and what follows for the coast.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from broadcasts.jma import levels
from broadcasts.jma.earthquake import clock_time, comments, source
from broadcasts.jma.telegram import Area, Content, Fact, Finding
from broadcasts.jma.tree import UNKNOWN, every, path, stated, text

PHENOMENON = "津波"
TABLE = "津波予報区"


def read(head: Element, body: Element) -> Content:
    """Classes by coast with arrival and height, and what was measured."""
    findings = tuple(_headline(head) if body.find(path("Tsunami")) is None else _forecast(body))
    facts = (*_measured(body), *_estimated(body), *source(body), *comments(body))
    return Content(findings, facts, covers=bool(findings))


def _area(item: Element) -> Area:
    return Area(text(item, "Area", "Name"), text(item, "Area", "Code"), TABLE)


def _forecast(body: Element) -> Iterator[Finding]:
    for item in every(body, "Tsunami", "Forecast", "Item"):
        name, area = text(item, "Category", "Kind", "Name"), _area(item)
        level = levels.tsunami(name, text(item, "Category", "Kind", "Code"))
        if level is not None and (area.name or area.code):
            yield Finding(area, PHENOMENON, level, name, facts=tuple(_expected(item, area)))


def _expected(item: Element, area: Area) -> Iterator[Fact]:
    for first in every(item, "FirstHeight"):
        if arrival := clock_time(text(first, "ArrivalTime")) or text(first, "Condition"):
            yield Fact("arrival", arrival, area)
    if height := _height(item):
        yield Fact("height", height, area)


def _height(item: Element) -> str:
    """The greatest height in the agency's words (`１ｍ`, `巨大`), as they say what the figure does not."""
    height, condition = stated(item.find(path("MaxHeight", "TsunamiHeight"))), text(item, "MaxHeight", "Condition")
    return condition if condition and height in ("", UNKNOWN) else height


def _headline(head: Element) -> Iterator[Finding]:
    """The headline's table, for a body without coasts; its areas may be whole regions."""
    for item in every(head, "Headline", "Information", "Item"):
        name = text(item, "Kind", "Name")
        level = levels.tsunami(name, text(item, "Kind", "Code"))
        for element in every(item, "Areas", "Area"):
            area = Area(text(element, "Name"), text(element, "Code"), TABLE)
            if level is not None and (area.name or area.code):
                yield Finding(area, PHENOMENON, level, name)


def _measured(body: Element) -> Iterator[Fact]:
    """Heights at stations. A station far out belongs to no coast: it concerns everybody."""
    for item in every(body, "Tsunami", "Observation", "Item"):
        area = _area(item)
        for station in every(item, "Station"):
            if (name := text(station, "Name")) and (height := _height(station)):
                yield Fact("measured", f"{name} {height}", area if area.name or area.code else None)


def _estimated(body: Element) -> Iterator[Fact]:
    """What measurements far out mean for a coast."""
    for item in every(body, "Tsunami", "Estimation", "Item"):
        area = _area(item)
        if (area.name or area.code) and (height := _height(item)):
            arrival = clock_time(text(item, "FirstHeight", "ArrivalTime")) or text(item, "FirstHeight", "Condition")
            yield Fact("estimated", f"{area.name} {height} {arrival}".strip(), area)
