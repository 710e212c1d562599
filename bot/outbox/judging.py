"""What an adapter's outcome makes of a delivery: sent, dead, or queued once more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from bot.adapter import Outcome, Rejected, Sent
from bot.outbox.store import Claimed, Result


def judge(
    claimed: Claimed,
    outcome: Outcome,
    started_at: datetime,
    now: datetime,
    wait: timedelta | None,
    *,
    down: bool = False,
) -> Result:
    """One delivery's next state; `wait` is how long to wait for another try, None where there is none left.

    A try at a platform that is `down` says nothing about the message.
    """
    if isinstance(outcome, Sent):
        return Result(claimed, "sent", "sent", started_at, now, platform_id=outcome.message_id)
    if isinstance(outcome, Rejected):
        why: Literal["gone", "rejected"] = "gone" if outcome.gone else "rejected"
        return Result(claimed, "dead", why, started_at, now, reason=outcome.reason)
    failed = Result(claimed, "queued", "retry", started_at, now, reason=outcome.reason, uncertain=outcome.uncertain)
    failed.plainly = outcome.plainly
    if down and wait is not None:
        failed.outcome = "down" if outcome.after is None else "snooze"
        failed.due_at = now + wait
    elif outcome.after is not None:
        failed.outcome, failed.due_at = "snooze", now + outcome.after
    elif wait is not None:
        failed.due_at = now + wait
    else:
        failed.state = "dead"
    return failed
