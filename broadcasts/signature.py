"""The last line of a notice: who sends it, its number and when, as the city sets it.

At two in the morning people telephone about 「番号12」, and ask which of two texts is the newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.clock import TOKYO, to_tokyo
from bot.texts import Texts

LONGEST_NUMBER = 999_999
"""Stands for the number of a notice that has none yet, where lengths are counted."""
LONGEST_MOMENT = datetime(2026, 12, 31, 23, 59, tzinfo=TOKYO)


@dataclass(frozen=True, slots=True)
class Signature:
    """How notices are signed; `headquarters` is the name of who sends them, empty where only number and time stand."""

    headquarters: str = ""

    def under(self, texts: Texts, text: str, broadcast_id: int, at: datetime) -> str:
        """A text with the line below it; `at` is when it reaches people."""
        key = "signature.named" if self.headquarters else "signature.unnamed"
        local = to_tokyo(at)
        values = {"month": local.month, "day": local.day, "clock": f"{local.hour}:{local.minute:02}"}
        line = texts(key, headquarters=self.headquarters, id=broadcast_id or LONGEST_NUMBER, **values)
        return f"{text}\n\n{line}"
