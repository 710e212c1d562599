"""Numbers and dates as a spreadsheet shows them: Excel's number formats, as far as offices use them.

Fractions and exponents are shown as numbers without a format. Colours, and
blanks that only align, are left out. Format codes: ECMA-376 part 1, 18.8.30 and 18.8.31, with the Japanese ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from bot.office.sheet import Typed

BUILT_IN: Mapping[int, str] = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    37: "#,##0",
    38: "#,##0",
    49: "@",
    39: "#,##0.00",
    40: "#,##0.00",
    5: "¥#,##0",
    6: "¥#,##0",
    7: "¥#,##0.00",
    8: "¥#,##0.00",
    14: "yyyy/m/d",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy/m/d h:mm",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss",
    **dict.fromkeys((27, 36, 50, 57), "ge.m.d"),
    **dict.fromkeys((28, 29, 51, 54, 58), 'ggge"年"m"月"d"日"'),
    30: "m/d/yy",
    31: 'yyyy"年"m"月"d"日"',
    32: 'h"時"mm"分"',
    33: 'h"時"mm"分"ss"秒"',
    **dict.fromkeys((34, 52, 55), 'yyyy"年"m"月"'),
    **dict.fromkeys((35, 53, 56), 'm"月"d"日"'),
}
"""The formats that have a number and no code, as Excel in Japan shows them."""

_LONGEST_CODE = 255
_LARGEST = Decimal("1e21")
_TOKEN = re.compile(
    r"""(?P<literal>"[^"]*"?|\\.|!.)|(?P<skip>_.|\*.)|(?P<bracket>\[[^\]]*\]?)|(?P<general>General|G/標準)"""
    r"""|(?P<half>AM/PM|A/P|午前/午後)|(?P<run>y+|m+|d+|h+|s+|e+(?![+-])|g+|aaaa?|r+)|(?P<number>[0#?.,%]+|E[+-]|@|/)"""
    r"""|(?P<sign>.)""",
    re.IGNORECASE | re.DOTALL,
)
_ERAS = (
    (date(2019, 5, 1), "R", "令", "令和"),
    (date(1989, 1, 8), "H", "平", "平成"),
    (date(1926, 12, 25), "S", "昭", "昭和"),
    (date(1912, 7, 30), "T", "大", "大正"),
    (date(1868, 1, 25), "M", "明", "明治"),
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_LONG_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_CONDITION = re.compile(r"([<>=]{1,2})(-?\d{1,15}(?:\.\d{1,15})?)")
_ELAPSED = frozenset({"h", "hh", "m", "mm", "s", "ss"})

Token = tuple[str, str]


def show(value: Decimal | date | datetime | time, code: str, *, since_1904: bool = False) -> tuple[str, Typed | None]:
    """A cell as it is shown under a format, and the value behind it where that is not what is shown."""
    sections = _sections(code[:_LONGEST_CODE])
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a number that is none")
        tokens = sections[0]
        if not _is_moment(tokens):
            return _shown_number(value, sections)
        moment = _moment(value, since_1904=since_1904)
        if moment is None:
            return _general(value), None
        elapsed = next((text[1:-1].lower() for kind, text in tokens if kind == "elapsed"), None)
        if elapsed is not None:
            return _shown_moment(moment, tokens, value), None
        return _shown_moment(moment, tokens, value), moment
    tokens = sections[0]
    return (_shown_moment(value, tokens, Decimal(0)) if _is_moment(tokens) else str(value)), value


def iso_moment(text: str) -> date | datetime | time:
    """A date as strict workbooks may write it; ValueError if it is none."""
    if "T" in text:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
        return moment.date() if moment.time() == time() else moment
    return time.fromisoformat(text) if ":" in text else date.fromisoformat(text)


@lru_cache(maxsize=1_000)
def _sections(code: str) -> tuple[tuple[Token, ...], ...]:
    sections: list[list[Token]] = [[]]
    for found in _TOKEN.finditer(code):
        kind, text = found.lastgroup or "sign", found[0]
        if kind == "sign" and text == ";":
            sections.append([])
        elif kind == "literal":
            sections[-1].append(("literal", text.strip('"') if text.startswith('"') else text[1:]))
        elif kind == "bracket":
            inside = text[1:].rstrip("]")
            if inside.lower() in _ELAPSED:
                sections[-1].append(("elapsed", f"[{inside}]"))
            elif inside.startswith("$"):
                sections[-1].append(("literal", inside[1:].partition("-")[0]))
            elif inside[:1] in "<>=":
                sections[-1].append(("condition", inside))
        elif kind != "skip":
            sections[-1].append((kind, text))
    return tuple(map(tuple, sections))


def _is_moment(tokens: Sequence[Token]) -> bool:
    return any(kind in {"run", "elapsed", "half"} for kind, _ in tokens)


# --------------------------------------------------------------- numbers


def _shown_number(value: Decimal, sections: Sequence[Sequence[Token]]) -> tuple[str, Typed | None]:
    plain = _general(value)
    tokens = sections[0]
    negative = value < 0
    if any(kind == "condition" for kind, _ in tokens):
        tokens = next((section for section in sections if _holds(section, value)), sections[-1])
    elif len(sections) > 1 and value < 0:
        tokens, negative = sections[1], False  # this section says itself how a negative number is marked
    elif len(sections) > 2 and value == 0:
        tokens = sections[2]
    pattern = "".join(text for kind, text in tokens if kind == "number")
    if not tokens or "@" in pattern or "/" in pattern or "E" in pattern.upper() or abs(value) >= _LARGEST:
        return plain, None
    if any(kind == "general" for kind, _ in tokens):
        shown = "".join(_general(abs(value)) if kind == "general" else text for kind, text in tokens)
    elif not pattern:
        return plain, None  # ;;; hides a number, and a literal alone stands for it: nobody means that as an answer
    else:
        shown = _filled(abs(value), tokens, pattern)
    if negative and any(sign in "123456789" for sign in shown):
        shown = f"-{shown}"
    return shown, None if shown == plain else float(value)


def _holds(section: Sequence[Token], value: Decimal) -> bool:
    """Whether the condition of a section, such as [<=999], holds; True without one."""
    found = next((_CONDITION.fullmatch(text) for kind, text in section if kind == "condition"), None)
    if found is None:
        return not any(kind == "condition" for kind, _ in section)
    sign, bound = found[1], Decimal(found[2])
    return {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
        "<>": value != bound,
    }.get(sign, False)


def _filled(value: Decimal, tokens: Sequence[Token], pattern: str) -> str:
    """A number in the places of its format, literals between them where they stand."""
    value *= Decimal(100) ** pattern.count("%")
    digits = pattern.replace("%", "")
    whole, point, fraction = digits.partition(".")
    while whole.endswith(",") and not point:
        whole, value = whole[:-1], value / 1000
    grouped = "," in whole
    whole, fraction = whole.replace(",", ""), fraction.replace(",", "").replace(".", "")
    rounded = format(value.quantize(Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP), "f")
    integer, _, decimals = rounded.partition(".")
    integer = integer.lstrip("0").rjust(len(whole.lstrip("#?")), "0")
    least = len(fraction.rstrip("#?"))
    while len(decimals) > least and decimals.endswith("0"):
        decimals = decimals[:-1]
    if grouped:
        integer = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", integer)
    return _placed(tokens, integer, (f".{decimals}" if decimals else ""), grouped=grouped)


def _placed(tokens: Sequence[Token], integer: str, decimals: str, *, grouped: bool) -> str:
    """Digits from the right into the places, so that 000-0000 shows 123-4567."""
    pieces: list[str] = []
    before = "".join(text for kind, text in tokens if kind == "number").replace("%", "").partition(".")[0]
    left = sum(sign in "0#?" for sign in before)
    rest, started, pointed = integer, False, False
    for kind, text in tokens:
        if kind != "number":
            pieces.append(text)
            continue
        for sign in text:
            if sign == "%":
                pieces.append(sign)
            elif sign == "." and not pointed:
                pieces.append(rest + decimals)
                rest, pointed = "", True
            elif sign in "0#?" and not pointed:
                left -= 1
                take = (0 if left else len(rest)) if grouped else max(len(rest) - left, 0)
                pieces.append(rest[:take])
                rest = rest[take:]
                started = True
    if not pointed and started and rest:
        pieces.append(rest)
    return "".join(pieces)


def _general(value: Decimal) -> str:
    """A number without a format: whole ones in full, others with the 15 figures that a spreadsheet keeps."""
    if abs(value) >= _LARGEST or (value and abs(value) < Decimal("1e-15")):
        return f"{float(value):g}"
    if value == value.to_integral_value():
        return str(int(value))
    return format(Decimal(f"{float(value):.15g}"), "f")


# --------------------------------------------------------------- moments


def _moment(value: Decimal, *, since_1904: bool) -> date | datetime | time | None:
    """The moment that a number of days stands for; None for one that Excel has no date for."""
    days = float(value)
    if not 0 <= days < 2_958_466:
        return None
    whole, seconds = int(days), round((days - int(days)) * 86_400)
    clock = timedelta(seconds=seconds)
    if whole == 0 and not since_1904:
        return (datetime.combine(date.min, time()) + clock).time() if seconds < 86_400 else None
    # Excel has a 29 February 1900; before it, days are counted one further.
    first = date(1904, 1, 1) if since_1904 else date(1899, 12, 31 if whole < 60 else 30)
    moment = datetime.combine(first + timedelta(days=whole), time()) + clock
    return moment.date() if moment.time() == time() else moment


def _shown_moment(moment: date | datetime | time, tokens: Sequence[Token], value: Decimal) -> str:
    day = moment.date() if isinstance(moment, datetime) else moment if isinstance(moment, date) else date(1900, 1, 1)
    clock = moment.time() if isinstance(moment, datetime) else moment if isinstance(moment, time) else time()
    halved = any(kind == "half" for kind, _ in tokens)
    runs = [place for place, (kind, _) in enumerate(tokens) if kind in {"run", "elapsed"}]
    pieces: list[str] = []
    for place, (kind, text) in enumerate(tokens):
        if kind == "half":
            pair = text.split("/")
            pieces.append(pair[clock.hour >= 12])
        elif kind == "elapsed":
            pieces.append(_elapsed(text[1:-1].lower(), value))
        elif kind == "run":
            at = runs.index(place)
            after_hour = at > 0 and tokens[runs[at - 1]][1].strip("[]").lower()[0] == "h"
            before_second = at + 1 < len(runs) and tokens[runs[at + 1]][1].lower()[0] == "s"
            minutes = len(text) < 3 and (after_hour or before_second)
            pieces.append(_run(text.lower(), day, clock, minutes=minutes, halved=halved))
        elif kind in {"literal", "sign", "number"}:
            pieces.append("" if text == "@" else text)
    return "".join(pieces).strip()


def _elapsed(unit: str, value: Decimal) -> str:
    seconds = round(float(value) * 86_400)
    amount = seconds // {"h": 3600, "m": 60, "s": 1}[unit[0]]
    return str(amount).rjust(len(unit), "0")


def _run(text: str, day: date, clock: time, *, minutes: bool, halved: bool) -> str:
    sign, length = text[0], len(text)
    if sign == "y":
        return f"{day.year:04d}" if length > 2 else f"{day.year % 100:02d}"
    if sign == "a":
        return "月火水木金土日"[day.weekday()] + ("曜日" if length > 3 else "")
    if sign in "egr":
        return _era(sign, length, day)
    if sign == "m" and not minutes and length > 2:
        return _LONG_MONTHS[day.month - 1][: 1 if length > 4 else 20] if length > 3 else _MONTHS[day.month - 1]
    if sign == "d" and length > 2:
        return _LONG_DAYS[day.weekday()] if length > 3 else _DAYS[day.weekday()]
    hour = (clock.hour % 12 or 12) if halved else clock.hour
    number = {"m": clock.minute if minutes else day.month, "d": day.day, "h": hour, "s": clock.second}[sign]
    return f"{number:02d}" if length > 1 else str(number)


def _era(sign: str, length: int, day: date) -> str:
    found = next((era for era in _ERAS if day >= era[0]), None)
    if found is None:
        return str(day.year) if sign == "e" else ""
    first, *names = found
    year = f"{day.year - first.year + 1:0{min(length, 2)}d}" if sign != "g" else ""
    name = names[min(length, 3) - 1] if sign == "g" else names[2] if sign == "r" and length > 1 else ""
    return name + year
