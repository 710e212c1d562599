"""`[logochat]`: a LoGoチャット-compatible service and the bot's account there."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr

from bot.adapters.logochat import LogoChat
from bot.clock import Clock
from config.platforms.base import HttpUrl, PlatformTable


class LogoChatTable(PlatformTable):
    """A LoGoチャット-compatible service and the bot's account there."""

    TABLE: ClassVar[str] = "logochat"
    SECRETS: ClassVar[tuple[str, ...]] = ("token", "secret")

    base_url: HttpUrl
    token: SecretStr | None = None
    token_file: Path | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None

    def build(self, clock: Clock) -> LogoChat:
        return LogoChat(self.base_url, self.read_secret("token"), self.read_secret("secret"), clock=clock)
