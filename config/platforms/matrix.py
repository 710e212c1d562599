"""`[matrix]`: a homeserver such as Synapse, and the bot's registration there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from bot.adapters.matrix import Matrix
from bot.adapters.matrix.registration import Registration
from bot.clock import Clock
from config.durations import Duration
from config.platforms.base import HttpUrl, PlatformTable


class MatrixTable(PlatformTable):
    """A homeserver and the registration by which it knows the bot; the tokens come from that file, or stand here."""

    TABLE: ClassVar[str] = "matrix"
    SECRETS: ClassVar[tuple[str, ...]] = ("as_token", "hs_token")

    homeserver: HttpUrl
    user: str
    registration: Path | None = None  # what `kairanban matrix registration` has written
    as_token: SecretStr | None = None
    as_token_file: Path | None = None
    hs_token: SecretStr | None = None
    hs_token_file: Path | None = None
    id: str = "kairanban"  # the registration's, where its file is not here
    display_name: str = "回覧板"
    room_size: int = Field(default=350, ge=2)
    catch_up_every: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))

    def read_optional_secret(self, name: str) -> str | None:
        if self.registration is not None:
            return str(Registration.read(self.registration)[name])
        return super().read_optional_secret(name)

    def build(self, clock: Clock) -> Matrix:
        return Matrix(
            self.homeserver,
            self.read_secret("as_token"),
            self.read_secret("hs_token"),
            self.user,
            appservice=self.id if self.registration is None else str(Registration.read(self.registration)["id"]),
            display_name=self.display_name,
            room_size=self.room_size,
            catch_up_every=self.catch_up_every,
            clock=clock,
        )
