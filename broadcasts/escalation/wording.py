"""What a notice says on its way up the ladder; its kind stands first in every form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Literal

from bot.adapter import Adapter
from bot.messages import Attachment, Message
from bot.texts import Texts
from broadcasts.escalation.ladder import Way
from broadcasts.escalation.silent import Silent
from broadcasts.kinds import Kind
from broadcasts.questions import Question
from broadcasts.signature import Signature
from broadcasts.wording import Wording, beginning

CATALOGUE = "broadcasts.escalation"
LISTED = 100
"""Names on one call list: more can be telephoned by no one, and a message has an end."""


class EscalationWording:
    """The messages of the ladder in one language."""

    def __init__(self, texts: Texts, signature: Signature | None = None) -> None:
        self._texts = Texts(CATALOGUE, language=texts.language)
        self._notices = Wording(texts, signature)

    def again(
        self,
        way: Literal["chat", "mail"],
        broadcast_id: int,
        number: int,
        kind: Kind,
        text: str,
        question: Question | None,
        attachments: tuple[Attachment, ...] = (),
        *,
        at: datetime | None = None,
    ) -> Message:
        """The notice once more, with question, buttons and files; an e-mail has no buttons and says where to answer."""
        notice = self._notices.notice(broadcast_id, kind, text, question, attachments, at=at)
        said = f"{notice.text}\n\n{self._texts(f'note.{way}')}"
        buttons = notice.buttons if way == "chat" else ()
        return notice.model_copy(
            update={"text": said, "buttons": buttons, "reference": reference(broadcast_id, number)}
        )

    def for_platform(self, message: Message, broadcast_id: int, adapter: Adapter) -> Message:
        """With a button to say that one has read it, or with the files' names, where a platform needs that."""
        return self._notices.for_platform(message, broadcast_id, adapter)

    def call_list(self, broadcast_id: int, number: int, kind: Kind, text: str, people: Sequence[Silent]) -> Message:
        """Whom a liaison is to telephone, by department, with their numbers."""
        lines = [self._texts("list.title", members=len(people), notice=beginning(text))]
        for department, group in groupby(people[:LISTED], key=lambda person: person.department):
            lines += ["", self._texts("list.department", department=department)]
            lines += [self._line(person) for person in group]
        if len(people) > LISTED:
            lines += ["", self._texts("list.more", members=len(people) - LISTED)]
        lines += ["", self._texts("list.hint")]
        heading = self._notices.notice(broadcast_id, kind, "\n".join(lines))
        return heading.model_copy(update={"reference": reference(broadcast_id, number)})

    def report(self, broadcast_id: int, number: int, kind: Kind, way: Way, waiting: int, reached: int) -> Message:
        """For the author: how many were silent, how many were tried another way, how many have none."""
        said = self._texts(f"report.{way}", id=broadcast_id, silent=waiting, reached=reached, rest=waiting - reached)
        return Message(text=self._notices.marked(kind, said), reference=reference(broadcast_id, number))

    def _line(self, person: Silent) -> str:
        who = f"{person.post} {person.name}".strip()
        phone = person.phone or self._texts("list.no_phone")
        return self._texts("list.line", who=who, code=person.code, phone=phone)


def reference(broadcast_id: int, number: int) -> str:
    """The topic of a rung's deliveries."""
    return f"escalation:{broadcast_id}:{number}"
