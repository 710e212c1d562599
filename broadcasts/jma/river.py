"""River floods: 指定河川洪水予報 (VXKOii, ii between 50 and 89 by river), before and after the 2026 reform."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from broadcasts.jma import levels
from broadcasts.jma.telegram import Area, Content, Fact, Finding, plain
from broadcasts.jma.tree import every, text

PHENOMENON = "氾濫"
_PREFECTURES = "府県予報区等"
_CITY = "気象・地震・火山情報／市町村等"
_SENTENCES = 6
_ESSENTIAL = re.compile("災害が発生|氾濫が?発生|氾濫してい|氾濫による|切迫|決壊|越水|レベル[5５]")
"""What must be read first and is never cut away: the river breaks, or has broken."""


def read(head: Element, body: Element) -> Content:
    """The level of the river, for the river itself, the municipalities that it would flood, and the prefectures."""
    findings = tuple(_headline(head))
    if findings:
        findings += tuple(_flooded(body, max(findings, key=lambda finding: finding.level)))
    rivers = tuple(finding for finding in findings if finding.grain > 0 and "市町村等" not in finding.area.table)
    return Content(findings, tuple(_sentences(body)), covers=bool(findings), rivers=rivers)


def _headline(head: Element) -> Iterator[Finding]:
    for information in every(head, "Headline", "Information"):
        grain = 0 if _PREFECTURES in information.get("type", "") else 3
        for item in every(information, "Item"):
            name = text(item, "Kind", "Name")
            level = levels.flood(name or text(item, "Kind", "Condition"), text(item, "Kind", "Code"))
            if level is None:
                continue
            for areas in every(item, "Areas"):
                for element in every(areas, "Area"):
                    area = Area(text(element, "Name"), text(element, "Code"), areas.get("codeType", ""))
                    if area.name or area.code:
                        yield Finding(area, PHENOMENON, level, _label(name, level), grain)


def _label(name: str, level: int) -> str:
    """The agency's name with the alert level, which the names until 2025 did not carry."""
    return name if level == 0 or re.search(r"レベル[1-5]", plain(name)) else f"{name}（警戒レベル{level}相当）"


def _flooded(body: Element, river: Finding) -> Iterator[Finding]:
    """浸水想定地区: the municipalities that the forecast names, each once."""
    known = set[tuple[str, str]]()
    for item in every(body, "Warning", "Item"):
        for element in every(item, "Areas", "Area"):
            city = (text(element, "City"), text(element, "CityCode"))
            if any(city) and city not in known:
                known.add(city)
                yield Finding(Area(*city, _CITY), PHENOMENON, river.level, river.label)


def _sentences(body: Element) -> Iterator[Fact]:
    """主文: what the river does, in the words of those who watch it."""
    written = (
        text(element, "Text")
        for item in every(body, "Warning", "Item")
        for element in every(item, "Kind", "Property")
        if text(element, "Type") == "主文"
    )
    # The sort is stable: the essential sentences first, and otherwise as they were written.
    sentences = sorted(dict.fromkeys(filter(None, written)), key=lambda said: _ESSENTIAL.search(said) is None)
    yield from (Fact("comment", sentence) for sentence in sentences[:_SENTENCES])
