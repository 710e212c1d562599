"""What free texts are about: how many of their writers used each word, and how names of persons are masked.

Words come from the tokenizer janome: nouns in a row are one word (業務 + チャット), verbs and adjectives stand in their
base form (使っ → 使う), and words that say nothing by themselves are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast

MASK = "○○"
"""Stands where a person was named, as in Japanese newspapers."""

MOST = 50
"""Words of one question that are listed."""

TITLES = ("さん", "様", "氏", "くん", "君", "先生", "主事", "主任", "主査", "補佐", "係長", "課長", "室長", "部長")
"""What follows a family name of one sign (森, 東); elsewhere such a sign is more often a word."""

_JOINED = {"一般", "固有名詞", "サ変接続", "接尾"}
_ALONE = {"形容動詞語幹", "ナイ形容詞語幹", "副詞可能"}
_EASE = {"やすい", "にくい", "づらい", "がたい"}
_PERSON = "名詞,固有名詞,人名"
_MASKS = re.compile(rf"{MASK}(?:[ \u3000]*{MASK})+")
_STOP_WORDS = """
する なる ある いる できる 出来る 思う おもう 言う いう 行う おこなう ない 無い いい 良い よい 感じる 考える 見る みる
くる 来る いく 行く やる もらう くれる 頂く いただく くださる 下さる られる 今 今後 現在 最近 場合 時 とき こと 事 もの
物 ため 為 よう 様 ところ 所 方 ほう 人 点 面 的 化 等 など さん 中 上 下 前 後 他 ほか その他 特 特に 以上 以下 程度
感じ 気 とおり 通り かも 以前 いま 意見 無し なし 上記
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and how many of the texts hold it: somebody who repeats it counts once."""

    word: str
    texts: int


class Token(Protocol):
    """What is used of janome's tokens."""

    surface: str
    part_of_speech: str
    base_form: str


def frequent(texts: Iterable[str], most: int = MOST) -> tuple[Word, ...]:
    """The words of `texts`, the most frequent first; those of equal frequency in the order of their signs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(words(text)))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Word(word, count) for word, count in ranked[:most])


def words(text: str) -> Iterator[str]:
    """The words of one text that carry meaning, in its order."""
    compound: list[str] = []
    verb: Token | None = None
    of_person = False
    for token in _tokens(text):
        kind, detail, *_ = token.part_of_speech.split(",")
        person = token.part_of_speech.startswith(_PERSON)
        joins = (kind == "名詞" and detail in _JOINED) or (kind == "接頭詞" and detail == "名詞接続")
        if not joins or person != of_person:
            yield from _said("".join(compound))
            compound.clear()
        # A suffix with nothing before it hangs on something that is no word here, such as a number: 3回.
        if joins and (detail != "接尾" or compound):
            compound.append(token.surface)
        of_person = person
        if verb is not None:
            easy = kind == "形容詞" and token.base_form in _EASE
            yield from _said(verb.surface + token.base_form if easy else verb.base_form)
        verb = token if kind == "動詞" and detail == "自立" and token.base_form != "する" else None
        if (kind == "名詞" and detail in _ALONE) or (kind == "形容詞" and detail == "自立"):
            yield from _said(token.base_form)
    yield from _said("".join(compound))
    if verb is not None:
        yield from _said(verb.base_form)


class Masker:
    """Masks persons: those in `names` ("青木 花子", also family or given name alone) and whom janome takes for one.

    It rather masks a word too many: some names are words, too. Whoever hands texts on still reads them first.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        found: set[str] = set()
        for name in names:
            parts = name.split()
            found |= {"".join(parts), " ".join(parts), "\u3000".join(parts)}
            for part in parts:
                found |= {part} if len(part) > 1 else {part + title for title in TITLES}
        found.discard("")
        self._names = found
        self._lengths: dict[str, list[int]] = {}
        for first, length in sorted({(name[0], len(name)) for name in found}, reverse=True):
            self._lengths.setdefault(first, []).append(length)

    def mask(self, text: str) -> str:
        """`text` with a mask for each person; a title that follows (さん, 課長) stays."""
        return _MASKS.sub(MASK, MASK.join(self._known_to_janome(piece) for piece in self._pieces(text)))

    def _pieces(self, text: str) -> Iterator[str]:
        """What stands between the names of the directory, the longest name first."""
        start = place = 0
        while place < len(text):
            length = next((n for n in self._lengths.get(text[place], ()) if text[place : place + n] in self._names), 0)
            if not length:
                place += 1
                continue
            yield text[start:place]
            title = next((t for t in TITLES if text[place : place + length] == text[place] + t), "")
            place += length
            start = place - len(title)
        yield text[start:]

    @staticmethod
    def _known_to_janome(text: str) -> str:
        masked: list[str] = []
        place = 0
        for token in _tokens(text):
            # Janome leaves out some of the blanks between words.
            start = text.index(token.surface, place)
            named = token.part_of_speech.startswith(_PERSON)
            masked += (text[place:start], MASK if named else token.surface)
            place = start + len(token.surface)
        return "".join(masked) + text[place:]


def _said(word: str) -> Sequence[str]:
    """`word`, unless it says nothing: a stop word or a single kana, letter or sign."""
    single = len(word) < 2 and not ("\u4e00" <= word <= "\u9fff")
    return () if single or word in _STOP else (word.casefold() if word.isascii() else word,)


def _tokens(text: str) -> Iterator[Token]:
    return cast(Iterator[Token], _tokenizer().tokenize(text))


class _Tokenizer(Protocol):
    def tokenize(self, text: str) -> object: ...


@cache
def _tokenizer() -> _Tokenizer:
    from janome.tokenizer import Tokenizer  # noqa: PLC0415 - its dictionary takes a while to load

    return cast(_Tokenizer, Tokenizer())
