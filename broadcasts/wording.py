"""What people see of a notice, in every form in which it reaches them.

The kind stands first in all of them, so that nobody takes a drill for the real thing, nor the other way round.
"""

from __future__ import annotations

from bot.adapter import Adapter
from bot.messages import Button, Message
from bot.texts import Texts
from broadcasts.kinds import PRIORITIES, Kind

__all__ = ["PRIORITIES", "Kind", "Wording"]


class Wording:
    """The shapes of a notice in one language."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def notice(self, broadcast_id: int, kind: Kind, text: str) -> Message:
        """The notice itself."""
        return Message(text=self._texts(f"notice.{kind}", text=text), reference=f"broadcast:{broadcast_id}")

    def reminder(self, broadcast_id: int, kind: Kind, text: str, number: int) -> Message:
        """The `number`th reminder; it repeats the notice, so whoever reads it has read the notice."""
        return Message(
            text=self._texts(f"reminder.{kind}", text=text, number=number),
            reference=f"reminder:{broadcast_id}:{number}",
        )

    def for_platform(self, message: Message, broadcast_id: int, adapter: Adapter) -> Message:
        """The message with a button to say that one has read it, where the platform does not tell by itself."""
        if adapter.capabilities.native_receipts or not adapter.capabilities.buttons:
            return message
        button = Button(label=self._texts("notice.acknowledge"), data=f"broadcast:read:{broadcast_id}")
        return message.model_copy(update={"buttons": (button,)})

    def longest(self, kind: Kind, text: str, rounds: int) -> int:
        """Characters of the longest message that the notice will ever be."""
        forms = [self.notice(0, kind, text)]
        if rounds:
            forms.append(self.reminder(0, kind, text, rounds))
        return max(len(form.text) for form in forms)

    def room_title(self, department: str | None, number: int) -> str:
        """The title of the `number`th room (from 1) of a department, or of all staff."""
        if department is None:
            return self._texts("room.everyone", number=number)
        return self._texts("room.department", department=department, number=number)
