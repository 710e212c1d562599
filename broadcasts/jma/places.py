"""The agency's published lists of places: what a city means by an area, in whatever spelling, and what follows from it.

Data: `areas/*.csv`, whose sources stand in `areas/README.md`. Municipalities have the five figures of 全国地方公共団体
コード; a code of the agency begins with them. A city's region of 震度速報 and its coast are derived where the lists say
them; where they do not divide a prefecture by city, all of the prefecture's are taken, so that nothing is missed.
"""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bot.folding import fold

PREFECTURES = tuple(
    re.findall(
        r".{2,3}[都道府県]",
        "北海道青森県岩手県宮城県秋田県山形県福島県茨城県栃木県群馬県埼玉県千葉県東京都神奈川県新潟県富山県石川県"
        "福井県山梨県長野県岐阜県静岡県愛知県三重県滋賀県京都府大阪府兵庫県奈良県和歌山県鳥取県島根県岡山県広島県"
        "山口県徳島県香川県愛媛県高知県福岡県佐賀県長崎県熊本県大分県宮崎県鹿児島県沖縄県",
    )
)
DESIGNATED = frozenset(
    {"01100", "04100", "11100", "12100", "14100", "14130", "14150", "15100", "22100", "22130", "23100"}
    | {"26100", "27100", "27140", "28100", "33100", "34100", "40100", "40130", "43100"}
)
"""Cities with wards of their own codes (政令指定都市): 仙台市 04100 has 04101 to 04105."""
WARDS_LIKE_TOKYO = {
    "北区": ["札幌市", "さいたま市", "新潟市", "名古屋市", "京都市", "大阪市", "堺市", "神戸市", "岡山市", "熊本市"],
    "中央区": [
        *("札幌市", "さいたま市", "千葉市", "相模原市", "新潟市", "浜松市", "大阪市", "神戸市", "福岡市", "熊本市"),
    ],
    "港区": ["名古屋市", "大阪市"],
}
"""Wards of designated cities that have the name of one of Tokyo's: which is meant must be said."""
# In place names these are one: 龍ヶ崎, 龍ケ崎, 龍が崎, 竜ケ崎; 鎌ヶ谷; 梼原 and 檮原.
_SPELLINGS = str.maketrans(
    {"が": "ケ", "ガ": "ケ", "ヶ": "ケ", "龍": "竜", "檮": "梼", "嶋": "島", "籠": "篭", "邊": "辺"}
)


@dataclass(frozen=True)
class Place:
    """One entry of a list. `table` is a word of `settings.TABLES`: city, quake, tsunami; or prefecture."""

    table: str
    code: str
    name: str
    prefecture: str = ""

    @property
    def shown(self) -> str:
        """The name as the section reads it."""
        inside = self.table == "city" and not self.name.startswith(self.prefecture)
        return f"{self.prefecture}{self.name}" if inside else self.name


@dataclass(frozen=True)
class Answer:
    """What a written area is: `found` has one place; several are a question, none a mistake with `near` names."""

    written: str
    found: tuple[Place, ...] = ()
    near: tuple[str, ...] = ()
    unlisted: bool = False  # a river or a region of the forecast, of which there is no list here


def key(name: str) -> str:
    """What stays of a place's name however it is spelt."""
    return fold(name).translate(_SPELLINGS).replace(" ", "")


@cache
def _listed(file: str) -> tuple[dict[str, str], ...]:
    text = files("broadcasts.jma").joinpath("areas", file).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def municipalities() -> dict[str, Place]:
    """By the five figures of their codes."""
    return {r["code"]: Place("city", r["code"], r["name"], r["prefecture"]) for r in _listed("municipalities.csv")}


@cache
def quake_regions() -> dict[str, Place]:
    """細分区域 of 震度速報 by code."""
    return {r["code"]: Place("quake", r["code"], r["name"]) for r in _listed("quake_regions.csv")}


@cache
def coasts() -> dict[str, Place]:
    """津波予報区 by code."""
    return {r["code"]: Place("tsunami", r["code"], r["name"]) for r in _listed("coasts.csv")}


@cache
def _names() -> dict[str, tuple[Place, ...]]:
    names: dict[str, list[Place]] = {}
    for number, name in enumerate(PREFECTURES, 1):
        names.setdefault(key(name), []).append(Place("prefecture", f"{number:02}", name, name))
    for place in municipalities().values():
        names.setdefault(key(place.name), []).append(place)
        names.setdefault(key(place.prefecture + place.name), []).append(place)
    for place in (*quake_regions().values(), *coasts().values()):
        # 茨城県 and 静岡県 are coasts too; the prefecture has them anyhow.
        if place.name not in PREFECTURES:
            names.setdefault(key(place.name), []).append(place)
    for ward, cities in WARDS_LIKE_TOKYO.items():
        for city in cities:
            [place] = names[key(city)]
            names[key(ward)].append(Place("city", place.code, city + ward, place.prefecture))
    return {name: tuple(places) for name, places in names.items()}


def find(written: str) -> Answer:
    """What `written` names: a code of two to seven figures, a name, or either after `quake:` and the like."""
    area = "".join(unicodedata.normalize("NFKC", written).split())[:100]
    word, colon, rest = area.partition(":")
    if colon:
        return _in_table(written, word, rest)
    if area.isascii() and area.isdigit():
        return _by_code(written, area)
    found = _names().get(key(area), ())
    if not found and "郡" in area:
        # 稲敷郡美浦村, 茨城県稲敷郡美浦村: telegrams and lists leave the 郡 out.
        prefecture = next((name for name in PREFECTURES if area.startswith(name)), "")
        found = _names().get(key(prefecture + area.rpartition("郡")[2]), ())
    if found:
        return Answer(written, found)
    if area.endswith(("川", "流", "川上流部", "川下流部")) or ("川" in area and area.endswith("部")):
        return Answer(written, unlisted=True)
    near = difflib.get_close_matches(key(area), _names(), n=3, cutoff=0.5)
    return Answer(written, near=tuple(dict.fromkeys(_names()[name][0].shown for name in near)))


def _in_table(written: str, word: str, rest: str) -> Answer:
    lists = {"quake": quake_regions(), "tsunami": coasts()}
    if word in lists:
        found = [place for place in lists[word].values() if rest in (place.code, place.name)]
        return Answer(written, tuple(found))
    if word == "city":
        return _by_code(written, rest) if rest.isdigit() and len(rest) >= 5 else Answer(written)
    return Answer(written, unlisted=word in ("weather", "river") and bool(rest))


def _by_code(written: str, code: str) -> Answer:
    if len(code) == 2 and 1 <= int(code) <= len(PREFECTURES):
        name = PREFECTURES[int(code) - 1]
        return Answer(written, (Place("prefecture", code, name, name),))
    if len(code) == 3:
        both = (quake_regions().get(code), coasts().get(code))
        return Answer(written, tuple(place for place in both if place is not None))
    city = municipalities().get(code[:5]) or municipalities().get(_city_of_ward(code[:5]))
    if city is not None and (len(code) in (5, 7) or (len(code) == 6 and code[5] == check_digit(code[:5]))):
        return Answer(written, (Place("city", code[:5], city.name, city.prefecture),))
    if len(code) == 6 and code.endswith("0") and 1 <= int(code[:2]) <= len(PREFECTURES):
        # A region of the forecast: 080000 茨城県, 080020 its south.
        return Answer(written, unlisted=True)
    if len(code) in (10, 12):
        return Answer(written, unlisted=True)
    return Answer(written, near=tuple(p.shown + " " + p.code for p in _near_code(code)))


def _near_code(code: str) -> list[Place]:
    near = difflib.get_close_matches(code[:5], municipalities(), n=2, cutoff=0.6)
    return [municipalities()[found] for found in near]


def check_digit(code: str) -> str:
    """The sixth figure of 全国地方公共団体コード (modulus 11; JIS X 0402)."""
    total = sum(int(figure) * weight for figure, weight in zip(code, (6, 5, 4, 3, 2), strict=True))
    return str((11 - total % 11) % 10) if total >= 11 else str(11 - total)[-1]


def _city_of_ward(code: str) -> str:
    before = [city for city in DESIGNATED if city[:2] == code[:2] and city < code and code[2] == "1"]
    return max(before, default="")


def ward_codes(city: str) -> list[str]:
    """The codes that a designated city's wards may have."""
    if city not in DESIGNATED:
        return []
    after = min((other for other in DESIGNATED if other[:2] == city[:2] and other > city), default=f"{city[:2]}200")
    return [f"{number:05}" for number in range(int(city) + 1, int(after))]


def regions_of(place: Place) -> list[Place]:
    """The regions of 震度速報 in which a city or prefecture lies."""
    inside = [region for region in quake_regions().values() if _prefecture_of(region) == place.prefecture]
    if place.table != "city":
        return inside
    divided = {row["region"]: set(row["cities"].split()) for row in _listed("quake_cities.csv")}
    named = [region for region in inside if place.name in divided.get(region.name, ())]
    rest = [region for region in inside if divided.get(region.name) == {"*"}]
    return named or rest or inside


def _prefecture_of(region: Place) -> str:
    number = int(region.code)
    if number < 200:
        return "北海道"
    if 350 <= number < 360:
        return "東京都"
    return next((name for name in PREFECTURES if region.name.startswith(name)), "")


def coasts_of(place: Place) -> list[Place]:
    """The coasts on which a city or prefecture lies; none for one without sea."""
    rows = [row for row in _listed("coast_cities.csv") if row["prefecture"] == place.prefecture]
    if place.table == "city":
        rows = [row for row in rows if "*" in row["cities"].split() or place.name in row["cities"].split()]
    return list(dict.fromkeys(coasts()[row["coast"]] for row in rows))


def names(places: Iterable[Place]) -> str:
    """Places in one line; なし if there are none."""
    return "、".join(dict.fromkeys(place.shown for place in places)) or "なし"
