"""E-mail over SMTP: a platform without rooms, receipts and buttons, for those whom no chat reaches.

One connection carries a batch; each person gets a message of their own, so nobody sees who else did. The Message-ID is
made of the delivery's key: should a retry be a second copy, mail programs recognise it as the same message.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Literal

import aiosmtplib

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.clock import Clock, to_tokyo
from bot.errors import ConfigurationError, MalformedPayload
from bot.events import Event

Security = Literal["starttls", "tls", "none"]

PORTS: Mapping[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
SUBJECT_LENGTH = 60
"""Characters of a subject: more is cut off on the screen of a telephone."""

_MARK = re.compile(r"【[^】]{1,20}】")
_ADDRESS = re.compile(r"[!-?A-~]{1,64}@[0-9A-Za-z.-]{1,253}")


class Mail:
    """One sender's address at one mail server.

    `security`: `starttls` (refused if the server has none), `tls` from the first byte, or `none` for a server on this
    machine. `tls` replaces the system's trust, for a city hall's own certificate authority.
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
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(batch_size=50, text_length=100_000, concurrency=2)
        if not _ADDRESS.fullmatch(sender):
            raise ConfigurationError("The sender of e-mail must be an address such as kairanban@city.example.lg.jp.")
        if (username is None) != (password is None):
            raise ConfigurationError("The mail server needs a user name and a password, or neither.")
        if username is not None and security == "none":
            raise ConfigurationError("A password is not sent in the clear: use security starttls or tls.")
        local, _, self._domain = sender.rpartition("@")
        self._from = MailAddress(display_name, local, self._domain)
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
        try:
            async with self._connection() as server:
                for delivery in batch:
                    outcome = await self._send(server, delivery)
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
            local_hostname=self._domain,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls or (None if self._security == "none" else ssl.create_default_context()),
        )

    async def _send(self, server: aiosmtplib.SMTP, delivery: Delivery) -> Outcome:
        if delivery.action == "delete":
            return Rejected("An e-mail cannot be taken back.")
        if not _ADDRESS.fullmatch(delivery.address.id):
            return Rejected("This is no e-mail address.")
        message = self._compose(delivery)
        try:
            await server.send_message(message, sender=self._sender, recipients=[delivery.address.id])
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused(error.recipients[0])
        except aiosmtplib.SMTPResponseException as error:
            # 421 closes the connection. A refused sender is for people to mend, and no fault of this message.
            if error.code == aiosmtplib.SMTPStatus.domain_unavailable or type(error) is aiosmtplib.SMTPSenderRefused:
                raise
            return _refused(error)
        return Sent(message["Message-ID"])

    def _compose(self, delivery: Delivery) -> EmailMessage:
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self._from
        message["To"] = delivery.address.id
        message["Subject"] = subject(delivery.message.text)
        message["Date"] = format_datetime(to_tokyo(self._clock.now()))
        message["Message-ID"] = f"<{hashlib.sha256(delivery.key.encode()).hexdigest()[:40]}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in answer, please
        message.set_content(delivery.message.as_plain_text(), cte="base64")
        return message


def subject(text: str) -> str:
    """The first words of a text that say something; a mark such as 【緊急】 alone does not, and takes the next line."""
    lines = [line for line in (" ".join(each.split()) for each in text.splitlines()) if line]
    found = lines[0] if lines else ""
    if _MARK.match(found) and len(lines) > 1 and len(found) < SUBJECT_LENGTH // 3:
        found = f"{found}{lines[1]}"
    found = "".join(letter for letter in found if letter.isprintable())
    return found if len(found) <= SUBJECT_LENGTH else found[: SUBJECT_LENGTH - 1] + "…"


def _refused(error: aiosmtplib.SMTPResponseException) -> Outcome:
    """By RFC 5321, 4.2.1: 4yz is worth another try, 5yz is not."""
    reason = _reason(error)
    return Retry(reason) if error.code < 500 else Rejected(reason, gone=type(error) is aiosmtplib.SMTPRecipientRefused)


def _reason(error: BaseException) -> str:
    """The server's code and our name for the failure; its own words may hold addresses."""
    code = f" {error.code}" if isinstance(error, aiosmtplib.SMTPResponseException) else ""
    return f"The mail server: {type(error).__name__}{code}"
