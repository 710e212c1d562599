"""E-mails as the bytes that a server gets: what a batch has in common is made once, a head for each person.

Files go as MIME parts. A batch often says the same thing to everybody, and ten megabytes are not encoded fifty times.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import mimetypes
import re
from collections.abc import Mapping
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

_TAKEN_APART = ("message/", "multipart/")
_IN_A_WORD = 39
"""Bytes of text in one encoded word, so that its line has 76 characters at most (RFC 2047, 2)."""
_ATOMS = re.compile(r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~ -]*")

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
        digest = hashlib.sha256(delivery.key.encode()).hexdigest()[:40]
        message_id = f"<{digest}@{self._sender.domain}>"
        head = {
            "To": delivery.address.id,
            "Date": format_datetime(to_tokyo(self._clock.now())),
            "Message-ID": message_id,
        }
        return message_id, _lines(head) + self._last[1]

    def _compose(self, message: Message) -> bytes:
        letter = EmailMessage(policy=SMTP_POLICY)
        address = f"<{self._sender.username}@{self._sender.domain}>"
        head = {
            "From": f"{_words(self._sender.display_name, phrase=True)}\r\n {address}".lstrip(),
            "Subject": _words(subject(message.text)),
            "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday notes in answer, please
        }
        letter.set_content(message.as_plain_text(), cte="base64")
        for attachment in message.attachments:
            assert self._shelf is not None
            kind, encoding = mimetypes.guess_type(attachment.name)
            # RFC 2045, 6.4: a part that is itself a mail, or made of parts, must not be encoded.
            if kind is None or encoding is not None or kind.startswith(_TAKEN_APART):
                kind = UNKNOWN_TYPE
            main, _, sub = kind.partition("/")
            content = self._shelf.read(attachment)
            letter.add_attachment(content, maintype=main, subtype=sub, filename=attachment.name)
        return _lines(head) + letter.as_bytes()


def subject(text: str) -> str:
    """The first words of a text that say something; a mark such as 【緊急】 alone does not, and takes the next line."""
    lines = [line for line in (" ".join(each.split()) for each in text.splitlines()) if line]
    found = lines[0] if lines else ""
    if _MARK.match(found) and len(lines) > 1 and len(found) < SUBJECT_LENGTH // 3:
        found = f"{found}{lines[1]}"
    found = "".join(letter for letter in found if letter.isprintable())
    return found if len(found) <= SUBJECT_LENGTH else found[: SUBJECT_LENGTH - 1] + "…"


def _lines(head: Mapping[str, str]) -> bytes:
    """Header lines as they are: Python folds them otherwise in each version, and loses blanks or encodes addresses."""
    return "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode("ascii")


def _words(text: str, *, phrase: bool = False) -> str:
    """A header's text: as it is if it is short and plain, else in encoded words, a line each; a `phrase` is a name."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    plain = _ATOMS.fullmatch(text) if phrase else text.isascii()
    if plain and len(text) <= SUBJECT_LENGTH and "=?" not in text and text == " ".join(text.split()):
        return text
    parts, size = [""], 0
    for letter in text:
        size += len(letter.encode("utf-8", "replace"))
        if size > _IN_A_WORD:
            parts.append("")
            size = len(letter.encode("utf-8", "replace"))
        parts[-1] += letter
    # The blank of a fold between two encoded words is not shown, so the text's own blanks stand inside of the words.
    encoded = (base64.b64encode(part.encode("utf-8", "replace")).decode() for part in parts)
    return "\r\n ".join(f"=?utf-8?B?{word}?=" for word in encoded)
