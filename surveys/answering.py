"""Reads what a person typed as the answer to one step.

One message is one answer, also for several choices ("1 3") and for own words after "other" ("4 …"): the number of
messages that were exchanged then says nothing about what was answered.

Whatever cannot be read raises `Refused` with a sentence that says how to answer; nothing is changed. The sentence
names the rule and never what was typed: replies are stored with the person's address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from bot.dates import UnreadableDate, read_date
from bot.errors import Refused
from bot.folding import fold
from surveys.definition import (
    OTHER,
    Answer,
    Choice,
    Day,
    FreeText,
    Matrix,
    Multiple,
    Number,
    Option,
    Scale,
    Step,
    WithOptions,
    scale_label,
)
from surveys.ticked import means_place, read_ticked

OTHER_LENGTH = 200
"""Characters kept of what is written after "other"."""

_NUMBERED = re.compile(r"^\(?(\d{1,3})(番目?)?(?:[.):、,]|\s|$)\s*(.*)$", re.DOTALL)
_IN_A_ROW = re.compile(r"^\(?(\d{1,3})(番目?)?\)?(?:([\s,、，.．・;/と+&]+)|$)")
_BARE = re.compile(r"[\d\W]*")
_ASIDE = re.compile(
    r"(はい|いいえ|うん|ok|yes|no)?[。!.]*$|了解|承知|かしこまり|(わか|分か)り(ました|ません)|ありがとう|有難う|お疲れ|おつかれ|おはよう|"
    r"こんにちは|すみません|すいません|失礼|よろしく|宜しく|/|.*[?]$",
    re.DOTALL,
)
"""What people also write into a chat while a question waits; typed after the number of その他 it counts."""
_NUMBER = re.compile(r"^[+-]?\d{1,12}(\.\d{1,6})?$")


def normal(text: str) -> str:
    """`text` as it is compared: full-width signs as plain ones, without space around."""
    return unicodedata.normalize("NFKC", text).strip()


def printable(text: str) -> str:
    """`text` without control characters and halves of characters, line breaks kept."""
    return "".join(
        sign for sign in text.replace("\r\n", "\n") if sign == "\n" or unicodedata.category(sign) not in {"Cc", "Cs"}
    ).strip()


def read(step: Step, text: str, order: Sequence[int], today: date | None = None) -> dict[str, Answer]:
    """The entries of a sheet that `text` answers to `step`; `order` are the codes as they were shown.
    With `today`, a day may be one that needs it (7月1日, 明日).

    Every entry of the step is there, so that an earlier answer's remains are overwritten: `<key>.other` may be None.
    """
    question = step.question
    if isinstance(question, Multiple):
        return _several(step, question, text, order)
    if isinstance(question, Choice | Matrix):
        return _one(step, question, text, order)
    if isinstance(question, Scale):
        return {step.key: _scale(question, normal(text))}
    if isinstance(question, Number):
        return {step.key: _number(question, normal(text))}
    if isinstance(question, Day):
        return {step.key: _day(question, text, today)}
    return {step.key: _words(question, text)}


def chosen(step: Step, chosen_codes: Sequence[int], words: str = "") -> dict[str, Answer]:
    """The entries for codes that were chosen, checked against the question; a button's way in."""
    question = step.question
    if isinstance(question, Scale):
        return {step.key: _scale(question, str(chosen_codes[0]))}
    if not isinstance(question, WithOptions):
        raise Refused("survey.answer.again")
    picked = sorted(set(chosen_codes))
    if not picked or not 1 <= picked[0] <= picked[-1] <= len(question.options):
        raise Refused("survey.answer.choice", count=len(question.options))
    if isinstance(question, Multiple):
        _check_several(question, picked)
    elif len(picked) > 1:
        raise Refused("survey.answer.one", count=len(question.options))
    options = [question.options[code - 1] for code in picked]
    entries: dict[str, Answer] = {step.key: picked if isinstance(question, Multiple) else picked[0]}
    if any(option.other for option in question.options):
        taken = printable(words)[:OTHER_LENGTH] if any(option.other for option in options) else ""
        entries[step.key + OTHER] = taken or None
    return entries


def _one(step: Step, question: Choice | Matrix, text: str, order: Sequence[int]) -> dict[str, Answer]:
    if (code := _labelled(question.options, text)) is not None:
        return chosen(step, [code])
    if numbered := _NUMBERED.match(normal(text)):
        position, counted, rest = int(numbered[1]), numbered[2], numbered[3]
        if 1 <= position <= len(order):
            code = order[position - 1]
            option = question.options[code - 1]
            if rest and fold(option.label) == fold(rest):
                return chosen(step, [code])
            if (counted or means_place(question.options, order, position)) and (not rest or option.other):
                return chosen(step, [code], rest)
        if rest or counted:
            raise Refused("survey.answer.choice", count=len(order))
    return _ticked(step, question, text, order)


def _several(step: Step, question: Multiple, text: str, order: Sequence[int]) -> dict[str, Answer]:
    positions: list[int] = []
    rest = normal(text)
    while (numbered := _IN_A_ROW.match(rest)) is not None:
        position = int(numbered[1])
        if not numbered[2] and not means_place(question.options, order, position):
            break
        positions.append(position)
        rest = rest[numbered.end() :]
        if not numbered[3]:
            break
    if positions and rest and all(1 <= position <= len(order) for position in positions):
        picked = [order[position - 1] for position in positions]
        if any(question.options[code - 1].other for code in picked):
            return chosen(step, picked, rest)
        if not _NUMBERED.match(rest):
            # "1 3 掲示板": what follows the numbers is a label, or own words where such an option exists.
            following = _ticked(step, question, rest, order, whole=False)
            codes = following[step.key]
            words = following.get(step.key + OTHER)
            assert isinstance(codes, list)
            return chosen(step, [*picked, *codes], str(words or ""))
    return _ticked(step, question, text, order)


def _ticked(
    step: Step, question: Choice | Matrix | Multiple, text: str, order: Sequence[int], *, whole: bool = True
) -> dict[str, Answer]:
    """What the reader of ticked boxes makes of a message, with refusals that say how to answer in the chat."""
    several = isinstance(question, Multiple)
    try:
        ticked = read_ticked(question, text.strip(), several=several, order=order)
        if not fold(text) or (ticked.words and (_BARE.fullmatch(ticked.words) or _ASIDE.match(fold(text)))):
            # A number that is no option's, no word at all, or an answer to somebody else is nobody's own words.
            raise Refused("survey.import.unreadable")
    except Refused as refusal:
        if refusal.key.endswith("ambiguous"):
            raise Refused("survey.answer.ambiguous") from refusal
        raise Refused("survey.answer.multiple" if several else "survey.answer.choice", count=len(order)) from refusal
    if whole:
        return chosen(step, ticked.codes, ticked.words)
    return {step.key: list(ticked.codes), step.key + OTHER: ticked.words or None}


def _check_several(question: Multiple, picked: Sequence[int]) -> None:
    if len(picked) > 1:
        for code in picked:
            if question.options[code - 1].exclusive:
                raise Refused("survey.answer.exclusive")
    alone = any(question.options[code - 1].exclusive for code in picked)
    if len(picked) < question.at_least and not alone:
        raise Refused("survey.answer.at_least", count=question.at_least)
    if question.at_most is not None and len(picked) > question.at_most:
        raise Refused("survey.answer.at_most", count=question.at_most)


def _labelled(options: Sequence[Option], typed: str) -> int | None:
    """The one option that was typed as it is written."""
    found = [code for code, option in enumerate(options, start=1) if fold(option.label) == fold(typed)]
    return found[0] if len(found) == 1 else None


def _scale(question: Scale, typed: str) -> int:
    for value in range(question.low, question.high + 1):
        if fold(typed).removesuffix("番") in {str(value), fold(scale_label(question, value))}:
            return value
    raise Refused("survey.answer.scale", low=question.low, high=question.high)


def _number(question: Number, typed: str) -> int | float:
    typed = typed.removesuffix(normal(question.unit)).replace(",", "").strip()
    typed = typed.replace("\u2212", "-", 1)  # the minus sign of mathematics, which NFKC leaves
    try:
        number = Decimal(typed) if _NUMBER.match(typed) else None
    except InvalidOperation:  # pragma: no cover - the pattern lets nothing through that Decimal refuses
        number = None
    if number is None or (not question.decimals and number != number.to_integral_value()):
        raise Refused("survey.answer.decimal" if question.decimals else "survey.answer.number")
    if question.minimum is not None and number < Decimal(str(question.minimum)):
        raise Refused("survey.answer.minimum", bound=f"{question.minimum:g}", unit=question.unit)
    if question.maximum is not None and number > Decimal(str(question.maximum)):
        raise Refused("survey.answer.maximum", bound=f"{question.maximum:g}", unit=question.unit)
    return float(number) if question.decimals else int(number)


def as_day(typed: str, today: date | None = None) -> date | None:
    """The date in "2023-07-01" or "令和5年7月1日"; with `today` also in "7月1日" or "明日". None if it is none.

    `bot.dates` reads it, and its errors name what was typed; where answers are secret, nobody may repeat that.
    """
    try:
        return read_date(typed, today)
    except UnreadableDate:
        return None


def _day(question: Day, typed: str, today: date | None) -> str:
    day = as_day(typed, today)
    if day is None:
        raise Refused("survey.answer.date")
    if question.earliest is not None and day < question.earliest:
        raise Refused("survey.answer.earliest", bound=question.earliest.isoformat())
    if question.latest is not None and day > question.latest:
        raise Refused("survey.answer.latest", bound=question.latest.isoformat())
    return day.isoformat()


def _words(question: FreeText, text: str) -> str:
    words = printable(text)
    if not words:
        raise Refused("survey.answer.text")
    if len(words) > question.max_length:
        raise Refused("survey.answer.too_long", limit=question.max_length)
    return words
