"""The registration: the file by which a homeserver knows the bot, and the bot's half of what stands in it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.bilingual import both, shown
from bot.documents import read_yaml, text_in
from bot.errors import ConfigurationError


def _token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Registration:
    """An application service for the bot `localpart` on `server`; the homeserver calls it at `url`.

    `url` is where the bot listens, with `/webhooks/NAME` at its end. The tokens are new with every registration.
    """

    server: str
    url: str
    localpart: str = "kairanban"
    id: str = "kairanban"
    as_token: str = field(default_factory=_token, repr=False)
    hs_token: str = field(default_factory=_token, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9._=/-]+", self.localpart):
            raise ConfigurationError(both("bot", "adapter.matrix_name"))
        if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", self.server):
            raise ConfigurationError(both("bot", "adapter.matrix_server"))
        if not re.fullmatch(r"https?://[^\s?#]+", self.url):
            raise ConfigurationError(both("bot", "adapter.matrix_bot"))

    @property
    def user(self) -> str:
        """The bot's full id."""
        return f"@{self.localpart}:{self.server}"

    def document(self) -> dict[str, Any]:
        """What Synapse reads (application service API, section 3)."""
        server = re.escape(self.server)
        name = re.escape(self.localpart)
        return {
            "id": self.id,
            "url": self.url.rstrip("/"),
            "as_token": self.as_token,
            "hs_token": self.hs_token,
            # Not the bot itself: as this one, Synapse answers /sync with an error.
            "sender_localpart": f"{self.localpart}-service",
            "rate_limited": False,
            "receive_ephemeral": True,
            "namespaces": {
                "users": [{"exclusive": True, "regex": f"@{name}:{server}"}],
                "aliases": [{"exclusive": True, "regex": f"#{name}_.*:{server}"}],
                "rooms": [],
            },
        }

    @staticmethod
    def read(file: Path) -> dict[str, Any]:
        """What stands in a registration file. Raises ConfigurationError for one that cannot be used."""
        text = text_in(file)
        try:
            document: Any = read_yaml(text)
        except ValueError:  # its text has secrets in it
            raise ConfigurationError(both("bot", "adapter.registration_yaml", file=shown(file))) from None
        missing = [
            name
            for name in ("id", "as_token", "hs_token")
            if not isinstance(document, dict) or not isinstance(document.get(name), str)
        ]
        if missing:
            raise ConfigurationError(
                both("bot", "adapter.registration_missing", file=shown(file), missing=", ".join(missing))
            )
        found: dict[str, Any] = document
        return found

    def as_yaml(self) -> str:
        """The same as a file."""
        return yaml.safe_dump(self.document(), sort_keys=False, allow_unicode=True)
