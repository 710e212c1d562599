"""What somebody wrote after `/一斉`, taken apart: kind, question, to whom, and the text as it was typed.

    緊急 参集 第2配備 @土木課 -@総務課 本文
    訓練 安否 本文
    確認 本文
    選択（出られる／出られない） 本文

Only the words at the very beginning count, each of them once, in any order: a text that speaks of 安否 or 確認 later on
keeps its words, and so does one that follows an empty line. 緊急 and 訓練 together are a drill, and a kind and what
follows it may be written without a space (緊急安否).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.errors import Refused
from broadcasts.kinds import Kind
from broadcasts.questions import FREE_CHOICES, Ask, Question

KINDS: dict[str, Kind] = {
    "緊急": "emergency",
    "emergency": "emergency",
    "訓練": "drill",
    "drill": "drill",
    "お知らせ": "notice",
    "notice": "notice",
}
ASKS: dict[str, Ask] = {
    "安否": "safety",
    "safety": "safety",
    "参集": "muster",
    "muster": "muster",
    "安否確認": "safety",
    "参集確認": "muster",
    "確認": "acknowledge",
    "acknowledge": "acknowledge",
}
CHOICE_LENGTH = 20
"""Characters on one button of a free choice, so that eight of them stay readable on a telephone."""

_STAGE = re.compile(r"第([1-3])配備|stage([1-3])", re.IGNORECASE)
_FREE = re.compile(r"(?:選択|choice)\s*[(（]([^)）\n]+)[)）]", re.IGNORECASE)
_RUN_TOGETHER = re.compile(rf"({'|'.join(KINDS)})(?={'|'.join((*KINDS, *ASKS, '第[1-3]配備'))})", re.IGNORECASE)
_MARK = re.compile(r"(?:^|(?<=\s))[-−－ー‐–]?[@＠]")
_EMPTY_LINE = re.compile(r"\s*\n[^\S\n]*\n")
_BETWEEN = re.compile(r"[/／、]")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to send."""

    kind: Kind
    included: tuple[str, ...]
    excluded: tuple[str, ...]
    text: str
    question: Question | None = None
    kind_given: bool = field(default=False, compare=False)
    """Whether they said which kind it is."""


def parse(arguments: str) -> Wish:
    """Take it apart. Raises `Refused` for free choices that make no question."""
    wish = _parse(arguments.strip(), stages=True)
    return wish if wish is not None else _parse(arguments.strip(), stages=False) or Wish("notice", (), (), arguments)


def names_joined(arguments: str, length: Callable[[str], int]) -> str:
    """The words with the names of the audience as one word each: of 「@青木 一郎 本文」 「@青木一郎 本文」.

    `length` tells how many characters at a text's start are a name with blanks (`broadcasts.naming.name_lengths`). What
    is no audience any more, the text, stays as it is.
    """
    done, at = "", 0
    for mark in _MARK.finditer(arguments):
        before = arguments[at : mark.start()]
        if mark.start() < at:
            continue
        if _EMPTY_LINE.search(arguments[: mark.end()]) or parse(done + before).text:
            break
        end = mark.end() + length(arguments[mark.end() :])
        done += before + arguments[mark.start() : mark.end()] + "".join(arguments[mark.end() : end].split())
        at = end
    return done + arguments[at:]


def _parse(rest: str, *, stages: bool) -> Wish | None:
    """None if a stage (第2配備) stood there without its muster: then it was part of the text."""
    kind: Kind | None = None
    asks: Ask | None = None
    stage: int | None = None
    choices: tuple[str, ...] = ()
    included: list[str] = []
    excluded: list[str] = []
    while rest:
        word = rest.split(maxsplit=1)[0]
        if (together := _RUN_TOGETHER.match(word)) is not None and _is_wish(word[together.end() :]):
            word = together[0]
        plain = unicodedata.normalize("NFKC", word)
        if plain.startswith("@") and len(plain) > 1:
            included.append(word[1:])
        elif plain.startswith("-@") and len(plain) > 2:
            excluded.append(word[2:])
        elif kind is None and plain.casefold() in KINDS:
            kind = KINDS[plain.casefold()]
        elif {kind, KINDS.get(plain.casefold())} == {"emergency", "drill"}:
            kind = "drill"
        elif asks is None and plain.casefold() in ASKS:
            asks = ASKS[plain.casefold()]
        elif asks is None and (free := _FREE.match(rest)) is not None:
            asks, choices, word = "choice", _choices(free[1]), free[0]
        elif stages and stage is None and (found := _STAGE.fullmatch(plain)) is not None:
            stage = int(found[1] or found[2])
        else:
            break
        rest = rest[len(word) :]
        ends = _EMPTY_LINE.match(rest) is not None
        rest = rest.lstrip()
        if ends:
            break
    if stage is not None and asks != "muster":
        return None
    question = None if asks is None else Question(asks=asks, stage=stage, choices=choices)
    return Wish(kind or "notice", tuple(included), tuple(excluded), rest, question, kind_given=kind is not None)


def _is_wish(word: str) -> bool:
    plain = unicodedata.normalize("NFKC", word).casefold()
    return plain in KINDS or plain in ASKS or _STAGE.fullmatch(plain) is not None


def _choices(inside: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in _BETWEEN.split(inside))
    if not 2 <= len(labels) <= FREE_CHOICES or len(set(labels)) < len(labels):
        raise Refused("question.choices_count", most=FREE_CHOICES)
    if not all(0 < len(label) <= CHOICE_LENGTH for label in labels):
        raise Refused("question.choices_length", most=CHOICE_LENGTH)
    return labels
