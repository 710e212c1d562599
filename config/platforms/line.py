"""`[line]`: a LINE official account with the Messaging API."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from bot.adapters.line import Line
from bot.clock import Clock
from config.platforms.base import HttpUrl, PlatformTable


class LineTable(PlatformTable):
    """The Messaging API channel of an official account, as the LINE Developers console shows it."""

    TABLE: ClassVar[str] = "line"
    SECRETS: ClassVar[tuple[str, ...]] = ("channel_access_token", "channel_secret")

    channel_access_token: SecretStr | None = None
    channel_access_token_file: Path | None = None
    channel_secret: SecretStr | None = None
    channel_secret_file: Path | None = None
    reserve_percent: int = Field(default=20, ge=0, le=100)  # of the month's messages, for emergencies only
    base_url: HttpUrl = "https://api.line.me"  # another one for a fake, or a proxy in front of LINE

    def build(self, clock: Clock) -> Line:
        return Line(
            self.read_secret("channel_access_token"),
            self.read_secret("channel_secret"),
            base_url=self.base_url,
            clock=clock,
            reserve_percent=self.reserve_percent,
        )
