"""`/アンケート 予約 …`: surveys that open later or again and again, in the words that people type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from bot import recurrence
from bot.clock import to_tokyo
from bot.dates import read_date
from bot.errors import Refused
from bot.texts import Texts
from handlers.closing import closing
from surveys.answering import normal
from surveys.definition import Definition
from surveys.results import closing_time
from surveys.schedules import Plan, Reserved

CANCEL = frozenset({"取消", "取り消し", "cancel"})

_CLOSING = re.compile(r"(?:^|\s)(?:締切|〆切|until)\s*(\S+)", re.IGNORECASE)
_UNTIL = re.compile(r"(?:^|\s)(?:(\S+)まで|through:(\S+))(?=\s|$)", re.IGNORECASE)


def read_plan(definition: Definition, typed: str | Sequence[str], now: datetime) -> Plan:
    """The plan in "毎月20日 09:00 翌開庁日 @福祉部 締切 5日 2023-12-31まで"; raises `Refused`.

    What is not said is as the definition has it. Given as words, a name may have blanks in it (`@青木 一郎`).
    """
    each = [normal(word) for word in (typed.split() if isinstance(typed, str) else typed)]
    names = [word[1:] for word in each if word.startswith("@")]
    words = " ".join(word for word in each if not word.startswith("@"))
    changes: dict[str, object] = {}
    closes_at: datetime | None = None
    if (written := _CLOSING.search(words)) is not None:
        when = closing(written[1], now)
        if isinstance(when, int):
            changes["days"] = when
        else:
            closes_at = when
        words = words.replace(written[0], " ", 1)
    if (until := _UNTIL.search(words)) is not None:
        changes["until"] = read_date(until[1] or until[2], to_tokyo(now).date())
        words = words.replace(until[0], " ", 1)
    rule, rest = recurrence.read(words, now) if words.strip() else (definition.rule, "")
    if rule is None or rest:
        raise Refused("survey.schedule.unreadable")
    return Plan(
        definition=definition.model_copy(update=changes),
        rule=rule,
        names=tuple(names or definition.audience),
        closes_at=closes_at,
    )


def listing_text(texts: Texts, found: Sequence[Reserved]) -> str:
    """What will open, as a message."""
    lines = [texts("survey.schedule.title" if found else "survey.schedule.none")]
    return "\n".join([*lines, *(line(texts, reserved) for reserved in found), "", texts("survey.schedule.usage")])


def line(texts: Texts, reserved: Reserved) -> str:
    """A reservation as a line of a message."""
    plan = reserved.plan
    until = plan.definition.until
    if plan.closes_at is None:
        closes = texts("survey.schedule.days", days=plan.definition.days)
    else:
        closes = closing_time(plan.closes_at)
    return texts(
        "survey.schedule.line",
        id=reserved.id,
        title=plan.definition.title,
        rule=recurrence.in_words(plan.rule, texts.language),
        until=texts("survey.schedule.until", day=until) if until and plan.rule.recurs else "",
        next=recurrence.shown(reserved.next_at, texts.language),
        names="、".join(plan.names) or texts("survey.schedule.everybody"),
        closes=closes,
    )
