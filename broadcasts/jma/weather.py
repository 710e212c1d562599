"""Weather warnings: VPWW53/54, the forms of the 2026 reform VPWW55–61, and 土砂災害警戒情報 (VXWW50).

They state the whole situation of one forecast region, in layers from the prefecture down to the municipality. A form of
the reform is about one phenomenon (55 heavy rain, 56 landslides, 57 storm surge, 58 storm, 59 waves, 60 snow, 61 the
rest) and knows the class between warning and emergency warning, 危険警報, alert level 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from broadcasts.jma import levels
from broadcasts.jma.telegram import Area, Content, Finding, plain
from broadcasts.jma.tree import every, path, text

_GRAINS = {"府県予報区等": 0, "一次細分区域等": 1, "市町村等をまとめた地域等": 2}
_WEATHER = "気象情報／府県予報区・細分区域等"
_CITY = "気象・地震・火山情報／市町村等"
_LIFTED = "解除"

# 強風 becomes 暴風 and 風雪 becomes 暴風雪 as they grow: one phenomenon, so that growing counts as growing.
_GROWS_FROM = {"強風": "暴風", "風雪": "暴風雪"}

LANDSLIDE = "土砂災害"
# コード管理表 土砂災害警戒情報: 0 なし, 1 解除, 3 警戒, which corresponds to alert level 4.
_LANDSLIDE_LEVELS = {"警戒": 4, "3": 4, "解除": 0, "1": 0, "なし": 0, "0": 0}


def read(head: Element, body: Element) -> Content:
    """What holds in every area of every layer; an area without warnings is said to be without."""
    return _content(head, body, landslide=False)


def read_landslide(head: Element, body: Element) -> Content:
    """Which municipalities must fear landslides."""
    return _content(head, body, landslide=True)


def _content(head: Element, body: Element, *, landslide: bool) -> Content:
    told = body.find(path("Warning")) is not None
    findings = tuple(_body(body, landslide=landslide) if told else _headline(head, landslide=landslide))
    return Content(findings, covers=bool(findings))


def _body(body: Element, *, landslide: bool) -> Iterator[Finding]:
    for warning in every(body, "Warning"):
        grain = _grain(warning.get("type", ""))
        for item in every(warning, "Item"):
            element = item.find(path("Area"))
            yield from _item(item, [] if element is None else [element], grain, "", landslide=landslide)


def _headline(head: Element, *, landslide: bool) -> Iterator[Finding]:
    """The headline's tables, for a body without warnings."""
    for information in every(head, "Headline", "Information"):
        grain = _grain(information.get("type", ""))
        for item in every(information, "Item"):
            for areas in every(item, "Areas"):
                table = areas.get("codeType", "")
                yield from _item(item, every(areas, "Area"), grain, table, landslide=landslide)


def _grain(layer: str) -> int:
    return next((grain for name, grain in _GRAINS.items() if f"（{name}）" in layer), 3)


def _item(item: Element, elements: list[Element], grain: int, table: str, *, landslide: bool) -> Iterator[Finding]:
    for element in elements:
        named = table or element.get("codeType") or (_CITY if grain == 3 else _WEATHER)
        area = Area(text(element, "Name"), text(element, "Code"), named)
        if not (area.name or area.code):
            continue
        for kind in every(item, "Kind"):
            finding = _landslide(kind, area) if landslide else _finding(kind, area, grain)
            if finding is not None:
                yield finding


def _finding(kind: Element, area: Area, grain: int) -> Finding | None:
    name, status = text(kind, "Name"), text(kind, "Status")
    if not name:
        # 発表警報・注意報はなし: nothing holds here, and that is worth knowing.
        return Finding(area, "", 0, status, grain)
    level = levels.warning(name, text(kind, "Code"))
    if level is None:
        return None
    return Finding(area, phenomenon(name), 0 if status == _LIFTED else level, name, grain)


def _landslide(kind: Element, area: Area) -> Finding | None:
    name, status = text(kind, "Name"), text(kind, "Status")
    level = _LANDSLIDE_LEVELS.get(plain(name), _LANDSLIDE_LEVELS.get(plain(text(kind, "Code"))))
    label = "土砂災害警戒情報"
    if level is None and (level := levels.warning(name)) is not None:
        label = name
    return None if level is None else Finding(area, LANDSLIDE, 0 if status == _LIFTED else level, label)


def phenomenon(name: str) -> str:
    """What a warning is about, whatever its class: レベル４大雨危険警報 and 大雨警報（土砂災害） are both 大雨."""
    bare = re.sub(r"^レベル[1-5]|\([^()]*\)|特別警報|危険警報|警報|注意報", "", plain(name))
    return _GROWS_FROM.get(bare, bare)
