"""What people see of a notice, in every form in which it reaches them.

The kind stands first in all of them, so that nobody takes a drill for the real thing, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.adapter import Adapter, Capabilities
from bot.messages import Attachment, Button, Message
from bot.texts import Texts
from broadcasts.kinds import PRIORITIES, Kind
from broadcasts.questions import Question
from broadcasts.signature import LONGEST_MOMENT, Signature

__all__ = ["PRIORITIES", "Kind", "Wording", "beginning"]

ACKNOWLEDGE = "broadcast:read:"
"""What the data of the button begins with by which people say that they have read."""
QUOTED = 40
"""Characters of a notice by which a correction names it."""


_ELSEWHERE, _TOO_LARGE = "attachment.elsewhere", "attachment.too_large_here"
"""What stands in the place of files that a platform cannot carry, and of those that are too large for it."""

TOPICS = ("broadcast:", "reminder:", "correction:")
"""How the topics of a notice's own messages begin."""


class Wording:
    """The shapes of a notice in one language."""

    def __init__(self, texts: Texts, signature: Signature | None = None) -> None:
        self._texts = texts
        self._signature = signature

    def notice(
        self,
        broadcast_id: int,
        kind: Kind,
        text: str,
        question: Question | None = None,
        attachments: tuple[Attachment, ...] = (),
        *,
        at: datetime | None = None,
    ) -> Message:
        """The notice itself, with its question and the buttons that answer it, and its files.

        `at` is when it goes out: with it, here and below, it is signed where the city wants that.
        """
        said = self._signed(self._texts(f"notice.{kind}", text=text), broadcast_id, at)
        return self._asking(broadcast_id, question, said, f"broadcast:{broadcast_id}", attachments)

    def reminder(
        self,
        broadcast_id: int,
        kind: Kind,
        text: str,
        number: int,
        question: Question | None = None,
        attachments: tuple[Attachment, ...] = (),
        *,
        at: datetime | None = None,
    ) -> Message:
        """The `number`th reminder; it repeats the notice, so whoever reads it has read the notice."""
        said = self._signed(self._texts(f"reminder.{kind}", text=text, number=number), broadcast_id, at)
        return self._asking(broadcast_id, question, said, f"reminder:{broadcast_id}:{number}", attachments)

    def correction(
        self,
        broadcast_id: int,
        kind: Kind,
        text: str,
        number: int,
        original: str,
        question: Question | None = None,
        attachments: tuple[Attachment, ...] = (),
        *,
        at: datetime | None = None,
    ) -> Message:
        """The `number`th correction; it names the original by its beginning, for where a platform cannot quote it."""
        said = self._texts(f"correction.{kind}", text=text, original=beginning(original))
        said = self._signed(said, broadcast_id, at)
        return self._asking(broadcast_id, question, said, f"correction:{broadcast_id}:{number}", attachments)

    def recall(self, broadcast_id: int, kind: Kind, original: str, *, at: datetime | None = None) -> Message:
        """What takes the place of a deletion where a platform has none."""
        text = self._signed(self._texts(f"recall.{kind}", original=beginning(original)), broadcast_id, at)
        return Message(text=text, reference=f"recall:{broadcast_id}")

    def marked(self, kind: Kind, text: str) -> str:
        """A word about a notice to one person: a drill says in each of them that it is one."""
        return self._texts("notice.drill_mark", text=text) if kind == "drill" else text

    def _signed(self, text: str, broadcast_id: int, at: datetime | None) -> str:
        if self._signature is None or at is None:
            return text
        return self._signature.under(self._texts, text, broadcast_id, at)

    def _asking(
        self,
        broadcast_id: int,
        question: Question | None,
        text: str,
        reference: str,
        attachments: tuple[Attachment, ...] = (),
    ) -> Message:
        if question is None:
            return Message(text=text, reference=reference, attachments=attachments)
        return Message(
            text=f"{text}\n\n{question.sentence(self._texts)}",
            buttons=question.buttons(self._texts, broadcast_id),
            reference=reference,
            attachments=attachments,
        )

    def for_platform(self, message: Message, broadcast_id: int, adapter: Adapter) -> Message:
        """The message as a platform can show it.

        With a button to say that one has read it, where the platform does not tell by itself; where it takes no files,
        or none that large, with their names and the way to them instead.
        """
        message = self._with_files(message, adapter.capabilities)
        if message.buttons or adapter.capabilities.native_receipts or not adapter.capabilities.buttons:
            return message  # an answer to a question counts as a read
        button = Button(label=self._texts("notice.acknowledge"), data=f"{ACKNOWLEDGE}{broadcast_id}")
        return message.model_copy(update={"buttons": (button,)})

    def _with_files(self, message: Message, here: Capabilities) -> Message:
        if not message.attachments:
            return message
        if not here.carries(message.attachments):
            update = {"text": self.with_names(message, here), "named": message.attachments, "attachments": ()}
            return message.model_copy(update=update)
        return message.model_copy(update={"without_files": self.with_names(message, here)})

    def with_names(self, message: Message, here: Capabilities | None = None) -> str:
        """The text with the names of the files that belong to it, for where they cannot be sent."""
        return message.text + self._names(message.attachments, _TOO_LARGE if here and here.attachments else _ELSEWHERE)

    def in_words(self, message: Message) -> Message:
        """A message that may go anywhere: its files are named."""
        return message.model_copy(update={"text": self.with_names(message), "attachments": ()})

    def _names(self, attachments: Sequence[Attachment], key: str) -> str:
        names = self._texts("read.name_separator").join(file_line(self._texts, each) for each in attachments)
        return f"\n\n{self._texts(key, files=names)}"

    def _whole(self, message: Message) -> Message:
        """A message as it was before a platform's shape put names in the place of its files."""
        text = message.text
        for key in (_ELSEWHERE, _TOO_LARGE):
            text = text.replace(self._names(message.named, key), "")
        update = {"text": text, "attachments": message.named, "named": ()}
        return message.model_copy(update=update)

    def elsewhere(self, message: Message, broadcast_id: int, adapter: Adapter, *, uncertain: bool) -> Message:
        """A message as it goes to another platform than it was made for.

        `uncertain`: the first platform may have it. Then it says that it may be the second copy; said once, it stays.
        """
        message = self._whole(message) if message.named else message
        text = self.perhaps_twice(message.text) if uncertain else message.text
        if len(text) > adapter.capabilities.text_length:
            text = message.text  # perhaps twice unawares is better than not at all
        own = [button for button in message.buttons if not button.data.startswith(ACKNOWLEDGE)]
        moved = message.model_copy(update={"text": text, "buttons": tuple(own), "quote": None, "without_files": None})
        return self.for_platform(moved, broadcast_id, adapter)

    def by_mail(self, message: Message, broadcast_id: int, mail: Adapter, *, uncertain: bool = False) -> Message:
        """A message as an e-mail, for whom no chat reaches: it has no buttons, and nobody reads an answer to it."""
        note = self._texts("moved.by_mail")
        text = message.text if note in message.text else f"{message.text}\n\n{note}"
        letter = self.elsewhere(message.model_copy(update={"text": text}), broadcast_id, mail, uncertain=uncertain)
        return letter.model_copy(update={"buttons": ()})

    def many_refused(self, adapter: str, broadcast_id: int, refused: int, reason: str) -> Message:
        """For administrators: a platform that refuses nearly everybody has something against us, not against them."""
        values = {"platform": adapter, "id": broadcast_id, "members": refused, "reason": reason}
        return Message(text=self._texts("moved.many_refused", **values), reference=f"refused:{broadcast_id}")

    def perhaps_twice(self, text: str) -> str:
        """A text that says of itself that it may be the second copy; once is enough."""
        note = self._texts("moved.perhaps_twice")
        return text if note in text else f"{text}\n\n{note}"

    def length(self, message: Message, *, platforms: int) -> int:
        """Characters of a message with its files' names; with several platforms, of what it becomes on another."""
        text = message.text
        if message.attachments:
            text += max((self._names(message.attachments, key) for key in (_ELSEWHERE, _TOO_LARGE)), key=len)
        return len(text if platforms == 1 else self.perhaps_twice(text))

    def longest(
        self,
        kind: Kind,
        text: str,
        rounds: int,
        question: Question | None = None,
        *,
        platforms: int = 1,
        attachments: tuple[Attachment, ...] = (),
    ) -> int:
        """Characters of the longest message that the notice will ever be."""
        forms = [self.notice(0, kind, text, question, attachments, at=LONGEST_MOMENT)]
        if rounds:
            forms.append(self.reminder(0, kind, text, rounds, question, attachments, at=LONGEST_MOMENT))
        return max(self.length(form, platforms=platforms) for form in forms)

    def room_title(self, department: str | None, number: int) -> str:
        """The title of the `number`th room (from 1) of a department, or of all staff."""
        if department is None:
            return self._texts("room.everyone", number=number)
        return self._texts("room.department", department=department, number=number)


def file_line(texts: Texts, attachment: Attachment) -> str:
    """A file as people see it named: 「避難所一覧.pdf（1.2MB）」."""
    kilobytes = max(1, round(attachment.size / 1_000))
    size = f"{kilobytes}KB" if kilobytes < 1_000 else f"{attachment.size / 1_000_000:.1f}MB"
    return texts("attachment.file", name=attachment.name, size=size)


def beginning(text: str) -> str:
    """The first line of a notice, cut where it is long."""
    line = text.strip().split("\n", maxsplit=1)[0]
    return line if len(line) <= QUOTED else line[: QUOTED - 1] + "…"
