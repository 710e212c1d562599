"""`[lineworks]`: a bot of LINE WORKS, and the app through which it speaks."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from bot.adapters.lineworks import LineWorks
from bot.adapters.lineworks_auth import ServiceAccount
from bot.clock import Clock
from config.platforms.base import PlatformTable


class LineWorksTable(PlatformTable):
    """A bot and an app with a service account, as the LINE WORKS developer console shows them."""

    TABLE: ClassVar[str] = "lineworks"
    SECRETS: ClassVar[tuple[str, ...]] = ("bot_secret", "client_secret", "private_key")

    bot_id: str = Field(coerce_numbers_to_str=True)  # the console shows a number
    client_id: str
    service_account: str
    bot_secret: SecretStr | None = None
    bot_secret_file: Path | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    private_key: SecretStr | None = None
    private_key_file: Path | None = None
    requests_per_minute: int = Field(default=240, ge=1)  # of one operation; 60 on the free plan
    staff_numbers: bool = False  # users' external keys are staff numbers, and the app has the scope user.read
    board: int | None = Field(default=None, ge=1)  # must-read posts tell who has read; the app has the scope board
    board_from: int = Field(default=50, ge=1)  # people from whom on a notice is put there

    def build(self, clock: Clock) -> LineWorks:
        account = ServiceAccount(
            self.client_id, self.read_secret("client_secret"), self.service_account, self.read_secret("private_key")
        )
        return LineWorks(
            self.bot_id,
            self.read_secret("bot_secret"),
            account,
            clock=clock,
            requests_per_minute=self.requests_per_minute,
            staff_numbers=self.staff_numbers,
            board=self.board,
            board_from=self.board_from,
        )
