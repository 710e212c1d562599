"""A decision in words: the text of the draft for the staff, and the lines of `kairanban jma draft --json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.clock import to_tokyo
from bot.texts import Texts
from broadcasts.jma.decide import Change, Decision
from broadcasts.jma.telegram import Fact, Finding, InfoType, Telegram

AREAS_SHOWN = 12
"""How many areas a text names before it counts the rest: a notice must be read in one glance."""

CATALOGUE = "broadcasts.jma"

OLD = timedelta(days=1)
"""From which age on a telegram's draft begins with its age: what was true yesterday is not sent as news."""

_WIDE = str.maketrans("12345", "１２３４５")

WITH_ALERT_LEVEL = frozenset({"大雨", "土砂災害", "高潮", "洪水", "氾濫"})
"""Phenomena whose warnings stand for an alert level (警戒レベル); storms, waves and snow have classes but no levels."""


def describe(decision: Decision, texts: Texts) -> dict[str, Any]:
    """The decision as plain values in the order of issue 3, item 10; times in ISO 8601, areas with code and level."""
    source = decision.source
    return {
        "action": decision.action,
        "drill": source.drill,
        "kind": source.kind,
        "event_id": source.event_id,
        "serial": source.serial if isinstance(source, Telegram) else None,
        "reported_at": source.reported_at.isoformat() if source.reported_at else None,
        "headline": source.headline,
        "areas": [
            {"code": finding.area.code, "name": finding.area.name, "level": finding.label}
            for finding in decision.findings
        ],
        "reason": texts(f"reason.{decision.reason.key}", **decision.reason.values),
    }


def compose(decision: Decision, texts: Texts, now: datetime | None = None) -> str:
    """The draft's text: what, where and how severe, when, and how to go on; what is new stands first.

    At `now`, a telegram of another day says so before anything else.

    Raises ValueError for a decision that makes no text.
    """
    telegram = decision.source
    if not isinstance(telegram, Telegram) or decision.action not in ("draft", "amend", "withdraw"):
        raise ValueError(f"There is nothing to write about a telegram whose action is {decision.action}.")
    return "\n".join(_lines(decision, telegram, texts, now))


def is_old(telegram: Telegram, now: datetime) -> bool:
    """Whether it was written so long ago that it says nothing of now; no chain of the agency's waits so long."""
    return now - telegram.reported_at >= OLD


def _lines(decision: Decision, telegram: Telegram, texts: Texts, now: datetime | None) -> Iterator[str]:
    if telegram.drill:
        yield texts("draft.drill")
    if now is not None and is_old(telegram, now):
        written = to_tokyo(telegram.reported_at)
        age = (now - telegram.reported_at).days
        yield texts("draft.old", days=age, year=written.year, month=written.month, day=written.day)
    yield _title(decision, telegram, texts)
    if decision.changes:
        yield from _section("changes", (_change(change, texts) for change in decision.changes), texts)
    if not decision.all_clear:
        yield from _section("areas", (_place(finding, texts) for finding in decision.findings), texts)
    moment = to_tokyo(telegram.reported_at)
    when = texts("draft.reported", month=moment.month, day=moment.day, time=f"{moment:%H:%M}", office=telegram.office)
    yield from _section("when", [when], texts)
    words = [telegram.headline] if telegram.headline else []
    yield from _section("words", [*words, *(_fact(fact, texts) for fact in decision.facts)], texts, bullet="")
    yield from _section("next", _guidance(decision, telegram, texts), texts)
    yield ""
    yield texts("draft.source")


def _title(decision: Decision, telegram: Telegram, texts: Texts) -> str:
    matter = texts(f"matter.{telegram.matter}")
    if decision.all_clear:
        return texts("title.cancelled" if _was_mistaken(telegram) else "title.all_clear", matter=matter)
    if decision.weakened:
        return texts("title.weakened", matter=matter, level=_level(decision.findings[0]))
    worst = decision.findings[0]
    names = list(dict.fromkeys(f.area.name or f.area.code for f in decision.findings if f.level == worst.level))
    where = texts("draft.and_more", names=texts("draft.comma").join(names[:3]), count=len(names) - 3)
    if len(names) <= 3:
        where = texts("draft.comma").join(names)
    state = "corrected" if telegram.info_type is InfoType.CORRECTION else decision.action
    return texts(f"title.{state}", matter=matter, label=worst.label, where=where)


def _level(finding: Finding) -> str:
    """What continues, in the fewest words: the alert level where the agency names one, or else its own name."""
    found = re.search(r"レベル[1-5１-５]", finding.label)
    return found[0].translate(_WIDE) if found else finding.label


def _section(name: str, lines: Iterator[str] | Sequence[str], texts: Texts, bullet: str | None = None) -> Iterator[str]:
    listed = list(lines)
    if not listed:
        return
    yield ""
    yield texts(f"section.{name}")
    mark = texts("draft.bullet") if bullet is None else bullet
    yield from (mark + line for line in listed[:AREAS_SHOWN])
    if len(listed) > AREAS_SHOWN:
        yield mark + texts("draft.more", count=len(listed) - AREAS_SHOWN)


def _change(change: Change, texts: Texts) -> str:
    values = {"area": change.now.area.name or change.now.area.code, "label": change.now.label}
    if change.before is None:
        return texts("change.new", **values)
    if change.now.level == 0:
        return texts("change.over", area=values["area"], before=change.before.label)
    return texts("change.raised" if change.rise > 0 else "change.lowered", before=change.before.label, **values)


def _place(finding: Finding, texts: Texts) -> str:
    details = texts("draft.comma").join(_fact(fact, texts) for fact in finding.facts)
    values = {"area": finding.area.name or finding.area.code, "label": finding.label}
    return texts("draft.place_with", details=details, **values) if details else texts("draft.place", **values)


def _fact(fact: Fact, texts: Texts) -> str:
    return texts(f"fact.{fact.key}", value=fact.value)


def _was_mistaken(telegram: Telegram) -> bool:
    """Whether what was told before is taken back (取消, 訂正), and not over because time has passed."""
    return telegram.info_type is not InfoType.ISSUE


def _guidance(decision: Decision, telegram: Telegram, texts: Texts) -> Iterator[str]:
    """How to go on, by how severe it is; whether and where people must flee is for the city to say, not for this."""
    matter = telegram.matter
    if decision.all_clear:
        yield texts("guidance.cancelled" if _was_mistaken(telegram) else "guidance.all_clear")
    elif decision.weakened:
        yield texts("guidance.weakened")
    elif matter == "earthquake":
        yield texts("guidance.earthquake")
    elif matter == "tsunami":
        yield texts(f"guidance.tsunami{decision.findings[0].level}")
    else:
        # One sentence for each way of being told of, the gravest first.
        keys = sorted({_guidance_key(finding) for finding in decision.findings}, key=lambda key: -int(key[-1]))
        yield from (texts(f"guidance.{key}") for key in keys[:2])
    yield texts("guidance.headquarters")


def _guidance_key(finding: Finding) -> str:
    if finding.phenomenon not in WITH_ALERT_LEVEL:
        return f"weather{finding.level}"
    level = finding.level
    # Until the reform 高潮警報 stood for level 4 (内閣府 避難情報に関するガイドライン); since then its name says which.
    if finding.phenomenon == "高潮" and level == 3 and "レベル" not in finding.label:
        level = 4
    return f"level{level}"
