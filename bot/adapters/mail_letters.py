"""E-mails as the bytes that a server gets: what a batch has in common is made once, a head for each person.

Files go as MIME parts. A batch often says the same thing to everybody, and ten megabytes are not encoded fifty times.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

from bot.adapter import Delivery
from bot.attachments import Shelf
from bot.clock import Clock, to_tokyo
from bot.messages import Message

SUBJECT_LENGTH = 60
"""Characters of a subject: more is cut off on the screen of a telephone."""
UNKNOWN_TYPE = "application/octet-stream"

_MARK = re.compile(r"【[^】]{1,20}】")


class Letters:
    """The letters of one batch, from one sender."""

    def __init__(self, sender: MailAddress, clock: Clock, shelf: Shelf | None) -> None:
        self._sender = sender
        self._clock = clock
        self._shelf = shelf
        self._last: tuple[Message, bytes] | None = None

    async def write(self, delivery: Delivery, message: Message) -> tuple[str, bytes]:
        """The Message-ID and the whole mail. Raises `NotOnShelf`."""
        if self._last is None or self._last[0] != message:
            if message.attachments:  # beside the loop: encoding megabytes takes a while
                self._last = message, await asyncio.to_thread(self._compose, message)
            else:
                self._last = message, self._compose(message)
        head = EmailMessage(policy=SMTP_POLICY)
        head["To"] = delivery.address.id
        head["Date"] = format_datetime(to_tokyo(self._clock.now()))
        digest = hashlib.sha256(delivery.key.encode()).hexdigest()[:40]
        head["Message-ID"] = message_id = f"<{digest}@{self._sender.domain}>"
        return message_id, head.as_bytes().rstrip(b"\r\n") + b"\r\n" + self._last[1]

    def _compose(self, message: Message) -> bytes:
        letter = EmailMessage(policy=SMTP_POLICY)
        letter["From"] = self._sender
        letter["Subject"] = subject(message.text)
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in answer, please
        letter.set_content(message.as_plain_text(), cte="base64")
        for attachment in message.attachments:
            assert self._shelf is not None
            kind, encoding = mimetypes.guess_type(attachment.name)
            main, _, sub = (UNKNOWN_TYPE if kind is None or encoding is not None else kind).partition("/")
            content = self._shelf.read(attachment)
            letter.add_attachment(content, maintype=main, subtype=sub, filename=attachment.name)
        return letter.as_bytes()


def subject(text: str) -> str:
    """The first words of a text that say something; a mark such as 【緊急】 alone does not, and takes the next line."""
    lines = [line for line in (" ".join(each.split()) for each in text.splitlines()) if line]
    found = lines[0] if lines else ""
    if _MARK.match(found) and len(lines) > 1 and len(found) < SUBJECT_LENGTH // 3:
        found = f"{found}{lines[1]}"
    found = "".join(letter for letter in found if letter.isprintable())
    return found if len(found) <= SUBJECT_LENGTH else found[: SUBJECT_LENGTH - 1] + "…"
