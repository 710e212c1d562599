"""E-mail over SMTP: a platform without rooms, receipts and buttons, for those whom no chat reaches.

One connection carries a batch; each person gets a message of their own, so nobody sees who else did. The Message-ID is
made of the delivery's key: should a retry be a second copy, mail programs recognise it as the same message.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address as MailAddress
from typing import Literal

import aiosmtplib
import structlog

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.adapters.mail_letters import SUBJECT_LENGTH, Letters, subject
from bot.attachments import FILES, Shelf
from bot.bilingual import both
from bot.clock import Clock
from bot.errors import ConfigurationError, MalformedPayload, NotOnShelf
from bot.events import Event
from bot.mailboxes import fault
from bot.messages import Message

__all__ = ["SUBJECT_LENGTH", "Mail", "subject"]

log = structlog.get_logger(__name__)

Security = Literal["starttls", "tls", "none"]

PORTS: Mapping[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
ATTACHMENT_BYTES = 10_000_000
"""Bytes of one mail's files; on its way a mail is a third larger, and many servers take no more than 20 MB."""
SLOWEST = 100_000
"""Bytes a second that a mail may crawl at before its server is given up."""

_TOO_LARGE = frozenset({523, 552})
"""RFC 1870, 6: more than the server takes. RFC 3463 names it x.2.3 and x.3.4, under whatever code."""
_TOO_LARGE_ENHANCED = re.compile(r"5\.(?:2\.3|3\.4)\b")


class Mail:
    """One sender's address at one mail server.

    `security`: `starttls` (refused if the server has none), `tls` from the first byte, or `none` for a server on this
    machine. `tls` replaces the system's trust, for a city hall's own certificate authority. `attachment_bytes`: what
    one mail's files may come to; 0 for none.
    """

    def __init__(
        self,
        host: str,
        sender: str,
        clock: Clock,
        *,
        port: int | None = None,
        security: Security = "starttls",
        username: str | None = None,
        password: str | None = None,
        display_name: str = "回覧板",
        name: str = "mail",
        timeout: timedelta = timedelta(seconds=30),
        attachment_bytes: int = ATTACHMENT_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(batch_size=50, text_length=100_000, concurrency=2)
        self._attachment_bytes = attachment_bytes
        self._shelf: Shelf | None = None
        if fault(sender, host_alone=True) is not None:
            raise ConfigurationError(both("bot", "adapter.mail_sender"))
        if (username is None) != (password is None):
            raise ConfigurationError(both("bot", "adapter.mail_login"))
        if username is not None and security == "none":
            raise ConfigurationError(both("bot", "adapter.mail_clear"))
        local, _, domain = sender.rpartition("@")
        self._from = MailAddress(display_name, local, domain)
        self._sender = sender
        self._clock = clock
        self._host = host
        self._port = PORTS[security] if port is None else port
        self._security = security
        self._username = username
        self._password = password
        self._timeout = timeout.total_seconds()
        self._tls = tls

    def __repr__(self) -> str:
        return f"<Mail {self.name} at {self._host}:{self._port}>"

    def carry(self, shelf: Shelf) -> None:
        """Attach files from this shelf, up to the limit."""
        self._shelf = shelf
        self.capabilities = replace(
            self.capabilities,
            attachments=FILES if self._attachment_bytes else 0,
            attachment_bytes=self._attachment_bytes,
        )

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Nobody sends us webhooks here."""
        return False

    def parse(self, body: bytes) -> Sequence[Event]:
        """Raises MalformedPayload: a mailbox is not read, answers are given in the chat."""
        raise MalformedPayload("A mail server sends no webhooks.")

    async def open(self) -> None:
        """Nothing to take: a connection lasts for one batch."""

    async def close(self) -> None:
        """Nothing to give back."""

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """One message to each; see `bot.adapter.Adapter`."""
        outcomes: list[Outcome] = []
        letters = Letters(self._from, self._clock, self._shelf)
        try:
            async with self._connection() as server:
                for delivery in batch:
                    outcome = await self._send(server, letters, delivery)
                    outcomes.append(outcome)  # at once: what the server has taken is sent, whatever comes next
        except (aiosmtplib.SMTPException, OSError) as error:
            outcomes += [Retry(_reason(error))] * (len(batch) - len(outcomes))
        return outcomes

    def _connection(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            local_hostname=self._from.domain,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls or (None if self._security == "none" else ssl.create_default_context()),
        )

    async def _send(self, server: aiosmtplib.SMTP, letters: Letters, delivery: Delivery) -> Outcome:
        if delivery.action == "delete":
            return Rejected("An e-mail cannot be taken back.")
        # The library would take what it can read out of anything else, and a stranger would get the mail.
        if (wrong := fault(delivery.address.id, host_alone=True)) is not None:
            return Rejected(f"No server takes this e-mail address: {wrong}.", gone=True)
        try:
            return await self._with_or_without_files(server, letters, delivery)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused(error.recipients[0])
        except aiosmtplib.SMTPResponseException as error:
            # 421 closes the connection. A refused sender is for people to mend, and no fault of this message.
            if error.code == aiosmtplib.SMTPStatus.domain_unavailable or type(error) is aiosmtplib.SMTPSenderRefused:
                raise
            return _refused(error)

    async def _with_or_without_files(self, server: aiosmtplib.SMTP, letters: Letters, delivery: Delivery) -> Outcome:
        """Give one mail to the server; the words arrive whatever becomes of the files."""
        try:
            return await self._hand_over(server, letters, delivery, delivery.message)
        except (aiosmtplib.SMTPResponseException, NotOnShelf) as error:
            if not delivery.message.attachments or not _is_about_the_files(error):
                raise
            why = str(error) if isinstance(error, NotOnShelf) else _reason(error)
            log.warning("mail.without_files", key=delivery.key, error=why)
        return await self._hand_over(server, letters, delivery, delivery.message.words_alone())

    async def _hand_over(
        self, server: aiosmtplib.SMTP, letters: Letters, delivery: Delivery, message: Message
    ) -> Outcome:
        message_id, letter = await letters.write(delivery, message)
        patience = self._timeout + len(letter) / SLOWEST
        await server.sendmail(self._sender, [delivery.address.id], letter, timeout=patience)
        return Sent(message_id)


def _is_about_the_files(error: Exception) -> bool:
    """They are gone from the shelf, or more than this server takes; it says so when MAIL names the size, or later."""
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        return True
    return error.code in _TOO_LARGE or _TOO_LARGE_ENHANCED.match(error.message) is not None


def _refused(error: aiosmtplib.SMTPResponseException) -> Outcome:
    """By RFC 5321, 4.2.1: 4yz is worth another try, 5yz is not."""
    reason = _reason(error)
    return Retry(reason) if error.code < 500 else Rejected(reason, gone=type(error) is aiosmtplib.SMTPRecipientRefused)


def _reason(error: BaseException) -> str:
    """The server's code and our name for the failure; its own words may hold addresses."""
    code = f" {error.code}" if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    return f"The mail server: {type(error).__name__}{code}"
