"""`[mail]`: the mail server that e-mail goes out through."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from bot.adapters.mail import ATTACHMENT_BYTES, Mail, Security
from bot.attachments import BYTES
from bot.clock import Clock
from config.platforms.base import PlatformTable


class MailTable(PlatformTable):
    """The mail server that e-mail goes out through."""

    TABLE: ClassVar[str] = "mail"

    host: str
    sender: str
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Security = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    attachment_bytes: int = Field(default=ATTACHMENT_BYTES, ge=0, le=BYTES)  # of one mail's files; 0: none go by mail

    def build(self, clock: Clock) -> Mail:
        return Mail(
            self.host,
            self.sender,
            clock,
            port=self.port,
            security=self.security,
            username=self.username,
            password=self.read_optional_secret("password"),
            attachment_bytes=self.attachment_bytes,
        )
