"""What the kind of a notice decides: what it overtakes, whom it may wake, and how far it may go.

kind        overtakes            quiet hours   may leave the chat (e-mail, telephone)
notice      nothing              wait          yes
emergency   everything queued    do not hold   yes
drill       nothing              wait          never
"""

from __future__ import annotations

from typing import Literal

from bot.messages import Priority

Kind = Literal["notice", "emergency", "drill"]

PRIORITIES: dict[Kind, Priority] = {
    "notice": Priority.NOTICE,
    "emergency": Priority.EMERGENCY,
    "drill": Priority.NOTICE,
}
"""A drill stands in the queue like any notice: it must not hold up what is real."""


def may_leave_chat(kind: Kind) -> bool:
    """Whether a notice may go on to e-mail or to a call list. Ask here before anything leaves the chat.

    A drill never may: whoever got it by telephone at night, without its mark before their eyes, would take it for real.
    """
    return kind != "drill"


def waits_for_morning(kind: Kind) -> bool:
    """Whether quiet hours hold a notice and its reminders."""
    return kind != "emergency"
