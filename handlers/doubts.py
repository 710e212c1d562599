"""What stands where a kind or an audience usually stands and looks like one: 至急, ｷﾝｷｭｳ, 【訓練】, 福祉部, 課長以上.

At two in the morning people forget the @ or the blank, and the notice would go to everybody as an ordinary one. Nothing
is guessed: each reading becomes a wish of its own, and the person says which is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Refused
from bot.spoken import folded
from broadcasts.audience import EVERYONE
from broadcasts.naming import AmbiguousName, UnknownName, named
from handlers.wishes import ASKS, Wish, parse

LOOKED_AT = 60
"""Characters at the beginning of a text that can be a kind or an audience."""
CHOICES = 3
"""Readings of one word that are offered at most."""

_URGENT = re.compile("緊急|至急|大至急|急報|非常|きんきゅう|しきゅう|だいしきゅう|urgent|emergency")
_DRILL = re.compile("訓練|くんれん|演習|てすと|drill|test(?![a-z])")
_ASKS = {"安否": re.compile("安否|あんぴ"), "参集": re.compile("参集|さんしゅう")}
_BEFORE = re.compile(r"^[\s\[({<*#!=_|・★☆■□◆◇●○◎※▲▼【《〔〈≪]+")
_SIGNS = re.compile(r"[\W_]+")
_MARKS = re.compile(
    r"の?(?:職員|みなさま|みなさん|皆様|皆さん|皆さま|各位|方々|方)|各位|宛て?|あて|以外|を除く|除く|のみ|だけ|全員|[へに:、,。]"
)
_WITHOUT = re.compile("以外|を?除く")
_SEVERAL = re.compile("[、,・と/]")
_PLACE = re.compile("[部課科係局室班署所館]$|センター$|以上$")


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that may be meant: `key` is its sentence in the catalogue, `names` fill it."""

    key: str
    wish: Wish
    names: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A word that may be more than a word of the text, and what it may mean; the last reading leaves it a word."""

    about: str
    word: str
    readings: tuple[Reading, ...]


async def doubt(db: AsyncConnection, wish: Wish, settled: frozenset[str]) -> Doubt | None:
    """What must be asked before this wish is drafted; `settled` are the doubts that were asked about already."""
    if "kind" not in settled and (found := _about_kind(wish)) is not None:
        return found
    if "question" not in settled and (found := _about_question(wish)) is not None:
        return found
    return None if "audience" in settled else await _about_audience(db, wish)


# ------------------------------------------------------------------------------------------------- kinds


def _about_kind(wish: Wish) -> Doubt | None:
    if wish.kind == "drill" or (wish.kind_given and wish.kind == "notice"):
        return None
    plain = _beginning(wish.text)
    drill = _DRILL.match(plain)
    urgent = None if wish.kind == "emergency" else _URGENT.match(plain)
    found = drill or urgent
    if found is None:
        return None
    word = _typed(wish.text, found[0])
    kinds = ("drill", "emergency") if drill else ("emergency", "drill")
    words = {"emergency": "緊急", "drill": "訓練"}
    readings = [
        Reading(f"doubt.kind_{kind}", _again(wish, f"{words[kind]} {_rest(wish.text, found)}")) for kind in kinds
    ]
    own = replace(wish, kind_given=True)
    return Doubt("kind", word, (*readings, Reading(f"doubt.kind_own_{wish.kind}", own)))


def _about_question(wish: Wish) -> Doubt | None:
    if wish.question is not None:
        return None
    plain = _beginning(wish.text)
    for word, pattern in _ASKS.items():
        if (found := pattern.match(plain)) is not None:
            asked = _again(wish, f"{word} {_rest(wish.text, found)}")
            return Doubt(
                "question",
                _typed(wish.text, found[0]),
                (Reading(f"doubt.ask_{ASKS[word]}", asked), Reading("doubt.ask_nothing", wish)),
            )
    return None


def _beginning(text: str) -> str:
    """The first words as they are compared: of one width, ｷﾝｷｭｳ as きんきゅう, without brackets before them."""
    plain = unicodedata.normalize("NFKC", text[:LOOKED_AT]).casefold()
    plain = "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in plain)
    return _BEFORE.sub("", plain)


def _typed(text: str, word: str) -> str:
    first = text.split(maxsplit=1)[0]
    return first if len(first) <= len(word) + 4 else word


def _rest(text: str, found: re.Match[str]) -> str:
    """The text without the mark, where a mark is all that its first word is; no other word is ever lost."""
    first, *rest = text.split(maxsplit=1)
    return rest[0] if rest and _SIGNS.sub("", _beginning(first)) == found[0] else text


def _again(wish: Wish, words: str) -> Wish:
    """The wish as it would have been read with these words after its audience."""
    read = parse(words)
    kind = wish.kind if not read.kind_given else read.kind
    return Wish(
        kind=kind,
        included=(*wish.included, *read.included),
        excluded=(*wish.excluded, *read.excluded),
        text=read.text or wish.text,
        question=read.question or wish.question,
        kind_given=wish.kind_given or read.kind_given,
    )


# ---------------------------------------------------------------------------------------------- audiences


async def _about_audience(db: AsyncConnection, wish: Wish) -> Doubt | None:
    candidates = list(_candidates(wish.text))
    for near, (word, names, rest, without) in [(near, each) for near in (False, True) for each in candidates]:
        options = await _options(db, names, near=near)
        if not options:
            continue
        readings = []
        for option in options[:CHOICES]:
            included = wish.included if without else (*wish.included, *option)
            excluded = (*wish.excluded, *option) if without else wish.excluded
            meant = replace(wish, included=included, excluded=excluded, text=rest or wish.text)
            key = "doubt.audience_without" if without else "doubt.audience_only"
            readings.append(Reading(key, meant, "、".join(f"@{name}" for name in option)))
        own = "doubt.audience_own" if wish.included or wish.excluded else "doubt.audience_everyone"
        return Doubt("audience", word, (*readings, Reading(own, wish)))
    return None


def _candidates(text: str) -> Iterator[tuple[str, list[str], str, bool]]:
    """(as typed, names, the text without it, whether they are left out): what may be an audience, the likely first."""
    first, *rest = text.split(maxsplit=1)
    behind = rest[0] if rest else ""
    plain = unicodedata.normalize("NFKC", first[:LOOKED_AT])
    if behind and len(first) <= LOOKED_AT:
        second = unicodedata.normalize("NFKC", behind.split(maxsplit=1)[0])
        after = behind.split(maxsplit=1)[1:]
        if len(second) <= LOOKED_AT and after:
            yield f"{first} {second}", [plain.lstrip("@") + second], after[0], False
        yield first, [plain], behind, plain.startswith("-")
        yield first, _SEVERAL.split(plain), behind, plain.startswith("-")
    for mark in _MARKS.finditer(plain):
        head, tail = plain[: mark.start()], plain[mark.start() :]
        if head:
            whole = behind and re.fullmatch(rf"(?:{_MARKS.pattern}|の)+", tail)
            without = head.startswith("-") or _WITHOUT.match(tail) is not None
            yield head, _SEVERAL.split(head), behind if whole else text, without
    last = text.rsplit(maxsplit=1)[-1]
    if rest and last[:1] in "@＠" and len(last) > 1:
        yield last, [unicodedata.normalize("NFKC", last)], text, False


async def _options(db: AsyncConnection, names: list[str], *, near: bool) -> list[tuple[str, ...]]:
    """What these names may stand for, each as the names to use; with `near`, also what they are nearly."""
    found: list[str] = []
    for name in names:
        bare = name.strip().lstrip("-@").strip("「」")
        if len(bare) < 2 or (bare.isdecimal() and len(bare) < 4) or not folded(bare):
            return []
        try:
            audience = await named(db, [bare])
        except AmbiguousName as several:
            return [(choice,) for choice in several.choices] if len(names) == 1 else []
        except UnknownName as unknown:
            alike = near and len(names) == 1 and (_PLACE.search(bare) or name.startswith("@"))
            return [(each,) for each in unknown.near[:1]] if alike else []
        except Refused:
            return []
        if audience == EVERYONE:
            return []
        found.append(bare)
    return [tuple(found)]
