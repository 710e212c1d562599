"""What a text is looked at for before it goes to everybody: an error stops it, a warning asks a second time.

Errors are what nobody can want: a variable that was never filled in, a password. Warnings are what is usually a slip
but may be meant: a blank such as 〇〇, a telephone number, a crowd of mentions, and figures that look like a personal
or a card number: of twelve figures that mean something else, every eleventh has the right check digit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MENTIONS = 5
"""More @names than this in a text is a warning."""

_VARIABLE = re.compile(r"\$?\{[^{}\n]{0,40}\}")
_BLANK = re.compile(r"[〇○◯●]{2,}|[×xX＊*△]{2,}(?=[年月日時分階人号課室])|[〇○◯●](?=[月日時分])|_{3,}")
_DIGITS = re.compile(
    r"(?<![0-9.,/:-])(?:[0-9]{12,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}(?:\1[0-9]{4}(?:\1[0-9]{3})?)?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})(?![0-9]|[.,/:-][0-9]|\s*[円件人個名台枚冊回本%])"
)
"""Twelve to nineteen figures as such numbers are printed: in one, or in their groups. What is counted is none."""
_DATE = re.compile(r"(?:19|20)[0-9]{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12][0-9]|3[01])")
_CARD = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}|6(?:011|5[0-9]{2}|4[4-9][0-9]|2[0-9]{2})[0-9]{12}"
)
"""Issuers' first figures with the lengths of their numbers (ISO/IEC 7812, as the issuers publish them)."""
_PASSWORD = re.compile(
    r"(?:パスワード|暗証番号|passw(?:or)?d|\bpw|api[ _-]?key|secret|token|トークン)"
    r"\s*(?:は|[:=]|is\b)\s*[「\"']?(?=\S)[!-~]{4,}",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+\s*[/,:]\s*(?=\S*[0-9!-/])[!-~]{6,}")
_PHONE = re.compile(
    r"(?<![0-9-])0[0-9]{1,4}[-() ]{1,2}[0-9]{1,4}[-) ]{1,2}[0-9]{3,4}(?![0-9-])|(?<![0-9])0[5789]0[0-9]{8}(?![0-9])"
)
_MENTION = re.compile(r"(?<![\w.])@\w+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `key` is a sentence `check.…` of the catalogue that says what to mend, `found` fills it.

    Secrets are never repeated: `found` is empty for them.
    """

    severity: Literal["error", "warning"]
    key: str
    found: str = ""


def check(text: str) -> list[Finding]:
    """Everything that is wrong or odd with a text, errors first; how long it may be is for the platforms to say."""
    return sorted(_findings(unicodedata.normalize("NFKC", text), text), key=lambda each: each.severity)


def errors(text: str) -> list[Finding]:
    """What must be mended before the text can be kept."""
    return [finding for finding in check(text) if finding.severity == "error"]


def warnings(text: str) -> list[Finding]:
    """What the author must see and agree to once more."""
    return [finding for finding in check(text) if finding.severity == "warning"]


def _findings(plain: str, typed: str) -> Iterator[Finding]:
    if variable := _VARIABLE.search(plain):
        yield Finding("error", "check.variable", variable[0])
    if _PASSWORD.search(plain) or _CREDENTIALS.search(plain):
        yield Finding("error", "check.password")
    numbers = list(_numbers(plain))
    if any(is_my_number(number) for number in numbers):
        yield Finding("warning", "check.my_number")
    if any(_CARD.fullmatch(number) and is_card_number(number) for number in numbers):
        yield Finding("warning", "check.card_number")
    if blank := _BLANK.search(typed):
        yield Finding("warning", "check.blank", blank[0])
    if phone := _PHONE.search(plain):
        yield Finding("warning", "check.phone", phone[0])
    mentions = len(_MENTION.findall(plain))
    if mentions > MENTIONS:
        yield Finding("warning", "check.mentions", str(mentions))


def _numbers(plain: str) -> Iterator[str]:
    """Figures that may be a personal or a card number: no dates, no telephone numbers."""
    for found in _DIGITS.finditer(plain):
        grouped = not found[0].isdecimal()
        if _DATE.match(found[0]) or (grouped and found[0].startswith("0")):
            continue
        yield re.sub(r"[ -]", "", found[0])


def is_my_number(digits: str) -> bool:
    """Whether 12 digits carry the check digit of an individual number (マイナンバー).

    Rule: 番号法 通知カード及び個人番号カード等に関する省令 (平成26年総務省令第85号) 第5条.
    """
    if len(digits) != 12 or not digits.isdecimal():
        return False
    payload = [int(digit) for digit in reversed(digits[:11])]
    weights = [n + 1 if n <= 6 else n - 5 for n in range(1, 12)]
    rest = sum(digit * weight for digit, weight in zip(payload, weights, strict=True)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def is_card_number(digits: str) -> bool:
    """Whether 13 to 19 digits look like a payment card: an issuer's first digit and Luhn's check (ISO/IEC 7812-1)."""
    if not 13 <= len(digits) <= 19 or not digits.isdecimal() or digits[0] not in "23456" or len(set(digits)) == 1:
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
