"""Dates and times as people write them: the one reader for what is typed in the chat, on the command line, in a file.

    12月2日（水）9時半・12/2 9:00・2026-12-02T09:00・20261202 0900・令和8年12月2日・R8.12.2・十二月二日
    今日・明日・明後日・3日後・2週間後・月曜・来週月曜・今度の金曜・15日・来月1日・月末・翌開庁日
    午前9時・午後3時半・正午・夜8時・明朝7時・今夜25時・3pm・30分後・2時間半後

A day without a year is the next one; one that went by in the last half year is more likely a mistake, and is refused
as past. A day of the week is the next one, today included while its hour is ahead; 来週 and 今週 go from Monday to
Sunday; 今度の and 次の are never today. An hour without a day is today's. From 24時 on it is the next day's. What can
be two hours (夜1時, 午後12時) is asked about. 翌開庁日 alone is the next open day; beside a day or a time it moves
them, if the city hall is closed then.

What cannot be read raises `UnreadableDate`, which names the part. Its sentences stand in the catalogue `bot`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from bot.clock import TOKYO, to_tokyo
from bot.dates.days import OPEN_DAY, NamedDay, read_day
from bot.dates.hours import NamedHour, read_hour
from bot.dates.written import BLANKS, UnreadableDate, Written, as_written, shown_part
from bot.open_days import open_day

__all__ = ["Prefix", "UnreadableDate", "open_moment", "read_date", "read_moment", "read_prefix", "read_time"]

_LOOKED_AT = 120
"""Characters at the beginning of a text in which a moment is looked for."""
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_S = BLANKS
_LINK = re.compile(rf"{_S}(?:の|に|は|、|,|t(?=\d))?{_S}")
_ENDS = re.compile(rf"に?(?:{_S}[、,:]|(?=\s)|$|(?=「))")
_BEHIND = re.compile(rf"{_S}(?:{OPEN_DAY.pattern})")


@dataclass(frozen=True, slots=True)
class Prefix:
    """A moment at the beginning of a text: when, what was written for it, and the rest as it was typed.

    `moved`: 翌開庁日 stood beside it; `moment` is not moved yet.
    """

    moment: datetime
    said: str
    rest: str
    moved: bool = False


def read_date(text: str, today: date | None = None, *, past: bool = True) -> date:
    """The day that the whole text names. Without `today`, only one that needs none: 2026-12-02, 令和8年12月2日.

    `past`: whether it may be over. Raises `UnreadableDate`.
    """
    written = as_written(text[:_LOOKED_AT])
    found, end = read_day(written, 0, today)
    if found is None or _left(written, end):
        raise _unreadable(written, end, day_only=True)
    if not past and today is not None and found.day < today:
        raise _past(written.part(0, end), found.day, yearless=found.yearless)
    return found.day


def read_moment(text: str, now: datetime, *, at: time | None = None, past: bool = False) -> datetime:
    """The moment that the whole text names, in Japan's time; `at` is the hour of a day without one.

    `past`: whether it may be over. Raises `UnreadableDate`.
    """
    written = as_written(text[:_LOOKED_AT])
    found, end, moved = _moment(written, to_tokyo(now), at, past)
    if _left(written, end):
        raise _unreadable(written, end)
    return open_moment(found) if moved else found


def read_prefix(text: str, now: datetime | None) -> Prefix:
    """The moment at the beginning of a text, which a blank, a comma or the end must follow.

    Without `now`, only one that needs none, be it past or not. Raises `UnreadableDate`.
    """
    written = as_written(text[:_LOOKED_AT])
    found, end, moved = _moment(written, None if now is None else to_tokyo(now), None, past=now is None)
    if (ending := _ENDS.match(written.plain, end)) is None:
        raise _unreadable(written, end)
    rest = text[written.origin(ending.end()) :]
    return Prefix(moment=found, said=written.part(0, end), rest=rest.lstrip(), moved=moved)


def read_time(text: str) -> tuple[time, str]:
    """The time of day at the beginning of a text, and the rest as it was typed. Raises `UnreadableDate`."""
    written = as_written(text[:_LOOKED_AT])
    hour, end = read_hour(written, written.start, bare=False)
    ending = _ENDS.match(written.plain, end)
    if hour is None or hour.since_midnight is None or ending is None:
        raise _unreadable(written, end)
    if hour.since_midnight >= _DAY:
        raise UnreadableDate("dates.no_such_time", part=written.part(0, end))
    hours, seconds = divmod(hour.since_midnight.seconds, 3600)
    return time(hours, seconds // 60), text[written.origin(ending.end()) :].lstrip()


def open_moment(moment: datetime) -> datetime:
    """The same hour on the next open day, if the city hall is closed on this one."""
    local = to_tokyo(moment)
    return local + (open_day(local.date()) - local.date())


def _moment(written: Written, local: datetime | None, at: time | None, past: bool) -> tuple[datetime, int, bool]:
    """(when, where it ends, whether 翌開庁日 stands beside it); `local` is the present in Japan, if it counts."""
    plain, today = written.plain, None if local is None else local.date()
    ahead = OPEN_DAY.match(plain, written.start)
    start = _after_link(plain, ahead.end()) if ahead is not None else written.start
    named, end = read_day(written, start, today)
    hour, hour_end = read_hour(written, _after_link(plain, end) if named else start, bare=named is not None)
    if hour is not None:
        end = hour_end
    elif named is None and ahead is None:
        raise _unreadable(written, start)
    elif at is None:
        raise _no_time(written, ahead.end() if named is None and ahead is not None else end)
    else:
        hour = NamedHour(timedelta(hours=at.hour, minutes=at.minute))
    behind = _BEHIND.match(plain, end) if ahead is None else None
    end = behind.end() if behind is not None else end
    moved = ahead is not None or behind is not None
    if named is None and (local is None or (moved and hour.since_now is None)):
        named, moved = NamedDay(open_day(_known(local, written, end).date() + _DAY)), False
    moment = _resolved(named, hour, local)
    if not past and local is not None and (open_moment(moment) if moved else moment) <= local:
        half = hour.half and local < moment + timedelta(hours=12) and moment.date() == local.date()
        raise _past(written.part(0, end), moment, half=half, yearless=named is not None and named.yearless)
    return moment, end, moved


def _known(local: datetime | None, written: Written, end: int) -> datetime:
    if local is None:
        raise UnreadableDate("dates.no_year", part=written.part(0, end))
    return local


def _after_link(plain: str, place: int) -> int:
    link = _LINK.match(plain, place)
    assert link is not None, "it may be empty"
    return link.end()


def _resolved(named: NamedDay | None, hour: NamedHour, local: datetime | None) -> datetime:
    if hour.since_now is not None:
        assert local is not None, "without it there is no moment from now"
        moment = local + hour.since_now
        whole = moment.replace(second=0, microsecond=0)
        return whole if whole == moment else whole + _MINUTE
    assert hour.since_midnight is not None
    if named is None:
        assert local is not None, "without it a day is named"
        named = NamedDay(local.date())
    moment = datetime.combine(named.day, time(), hour.zone or TOKYO) + hour.since_midnight
    moment = moment.astimezone(TOKYO)
    if named.step is not None and local is not None and moment <= local:
        moment += named.step
    return moment


def _left(written: Written, end: int) -> str:
    return written.plain[end:].strip(" \n。.に")


def _unreadable(written: Written, end: int, *, day_only: bool = False) -> UnreadableDate:
    """The word that was not understood, and what was understood before it."""
    rest = written.plain[end:]
    skipped = len(rest) - len(rest.lstrip())
    word = (rest.split(maxsplit=1) or [""])[0]
    part = written.part(end + skipped, end + skipped + len(word))
    before = written.part(0, end)
    if before and part:
        return UnreadableDate("dates.odd_end", part=part, before=before)
    return UnreadableDate("dates.unreadable_day" if day_only else "dates.unreadable", part=part or before)


def _no_time(written: Written, end: int) -> UnreadableDate:
    day, odd = written.part(0, end), _unreadable(written, end)
    if odd.key == "dates.odd_end":
        return UnreadableDate("dates.no_time_but", day=day, part=odd.values["part"])
    return UnreadableDate("dates.no_time", part=day)


def _past(part: str, moment: date | datetime, *, yearless: bool = False, half: bool = False) -> UnreadableDate:
    key = "dates.past_year" if yearless else "dates.past_half" if half else "dates.past"
    return UnreadableDate(key, part=part, date=shown_part(moment))
