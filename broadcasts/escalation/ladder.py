"""A ladder: which other ways are tried, in which order, how long after the sending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from bot.errors import ConfigurationError
from broadcasts.kinds import Kind, may_leave_chat

Way = Literal["chat", "mail", "liaison"]
"""The next chat platform that somebody can be reached on; e-mail; a call list for their section's liaison."""

LEAVES_CHAT: frozenset[Way] = frozenset({"mail", "liaison"})
"""A call list goes to the liaison by chat, but from there it is the telephone."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step; `after` counts from the moment at which the notice went out."""

    way: Way
    after: timedelta


Ladder = Sequence[Rung]


def checked(kind: Kind, ladder: Ladder) -> Ladder:
    """The ladder, if it is one that a notice of this kind may climb; ConfigurationError says what to mend."""
    where = f"escalation.{kind}"
    if any(rung.after <= timedelta(0) for rung in ladder):
        raise ConfigurationError(f"{where}: `after` must be longer than nothing, such as PT10M.")
    if any(upper.after <= lower.after for lower, upper in pairwise(ladder)):
        raise ConfigurationError(
            f"{where}: each rung comes later than the one before it; `after` counts from the sending."
        )
    if not may_leave_chat(kind) and any(rung.way in LEAVES_CHAT for rung in ladder):
        raise ConfigurationError(
            f"{where}: a {kind} never leaves the chat; take {' and '.join(sorted(LEAVES_CHAT))} out."
        )
    return ladder
