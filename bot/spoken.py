"""What people type where they might have pressed a button: its label in their own words, its number, はい or いいえ."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.messages import Button

LONGEST = 60
"""Characters of a text that may still be a choice; no label is longer, and whatever is said besides is no choice."""

_LEFT_OUT = re.compile("[\\s\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff。、.,!?「」『』【】\"'〜~ー]+")
_NUMBER = re.compile(r"\s*\(?(\d{1,2})(?:番目?|つ目|\))?(?:です)?(?:\s*[.):、,\s]\s*(\S.*)?)?\s*[.。]?\s*", re.DOTALL)
_I_ROW: Final = dict(zip("すくぐむぶぬうつる", "しきぎみびにいちり", strict=True))
_A_ROW: Final = dict(zip("さかがまばなわたら", "しきぎみびにいちり", strict=True))
_REMARK = re.compile(r"(?<=.)[（(][^（()）]*[)）]$")
_KANA = re.compile("[ぁ-ん]")

_YES = """
はい うん ええ そうです ok okです おk おけ おけです おっけ おっけです yes y よし いいです よいです いいよ
それでいいです これでいいです お願いします おねがいします よろしくお願いします どうぞ 了解 了解です りょうかい
承知しました 進める 進めて 進めてください
"""
_NO = """
いいえ いえ いや いやです ううん ちがう ちがいます 違う 違います no n だめ だめです やめる やめます やめて
やめてください やめ やめた やめとく やめておく とりやめ 取りやめ とりやめる 取りやめる 中止 中止する
きゃんせる cancel すとっぷ stop 待って まって ちょっと待って 待ってください
"""
YES: Final = frozenset(_YES.split())
"""Words by which people agree to what was just asked, folded."""
NO: Final = frozenset(_NO.split())
"""Words by which people leave what was just asked, folded."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody typed, as it is compared with choices."""

    word: str
    number: int | None
    """A number, alone or before a label."""
    beside: str
    """What stood beside the number."""


def said(text: str) -> Said | None:
    """Take a text in; None if it is too long for a choice, or empty."""
    if len(text) > 4 * LONGEST:
        return None
    plain = unicodedata.normalize("NFKC", text)
    word = folded(plain)
    if not word or len(word) > LONGEST:
        return None
    found = _NUMBER.fullmatch(plain)
    return Said(word, int(found[1]) if found else None, folded(found[2] or "") if found else "")


def folded(text: str) -> str:
    """A text without width, case, marks and blanks; katakana as hiragana (ハイ is はい)."""
    plain = _LEFT_OUT.sub("", unicodedata.normalize("NFKC", text)).casefold()
    return "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in plain)


def named(given: Said, buttons: Sequence[Button]) -> list[int]:
    """The places of the buttons that a text names by their labels: no two people are asked to type alike."""
    word = given.beside or given.word
    found = [place for place, button in enumerate(buttons) if word in forms(button)]
    if given.beside and given.number is not None:
        return [place for place in found if place == given.number - 1]
    return found


def agreed(given: Said, buttons: Sequence[Button]) -> list[int]:
    """The places that a text means without naming them: by a number, by はい or いいえ."""
    if given.number is not None and not given.beside:
        return [given.number - 1] if 1 <= given.number <= len(buttons) else []
    means = "yes" if given.word in YES else "no" if given.word in NO else None
    return [place for place, button in enumerate(buttons) if means is not None and button.means == means]


def forms(button: Button) -> set[str]:
    """What a button may be called: 送信する, 送信, 送信します, 送信してください."""
    short = _REMARK.sub("", button.label)  # お知らせとして送る（本文の言葉）
    return {form for word in {button.label, short, *button.spoken} for form in _inflected(folded(word))}


_TO_DO: Final = (
    "する",
    "",
    "します",
    "して",
    "してください",
    "して下さい",
    "お願いします",
    "をお願いします",
    "です",
    "しろ",
)
_ICHIDAN: Final = ("る", "", "ます", "て", "てください", "て下さい", "って", "ってください", "って下さい", "ります")


def _inflected(word: str) -> set[str]:
    """A verb as people bend it; anything else as it is, and with です."""
    if word.endswith("しない"):
        return {word, f"{word[:-2]}ません"}
    if word.endswith("ない") and len(word) > 3 and word[-3] in _A_ROW:
        return {word, f"{word[:-3]}{_A_ROW[word[-3]]}ません"}
    if word.endswith("する") and len(word) > 2:
        return {word[:-2] + end for end in _TO_DO}
    if len(word) < 2 or word[-1] not in _I_ROW:
        return {word, f"{word}です"}
    stem = word[:-1] + _I_ROW[word[-1]]
    found = {word, stem, f"{stem}ます", f"{stem}です"}
    if word.endswith("す"):
        found |= {f"{stem}て", f"{stem}てください", f"{stem}て下さい"}
    if word.endswith("る"):
        found |= {word[:-1] + end for end in _ICHIDAN}
    # 差戻し and 取消 for 差し戻す and 取り消す: the kanji are the word.
    kanji = _KANA.sub("", word)
    return found | ({kanji, f"{kanji}し", f"{kanji}す", f"{kanji}します"} if len(kanji) > 1 else set())
