"""What every platform's table of settings is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

from bot.adapter import Adapter
from bot.clock import Clock
from bot.errors import ConfigurationError


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write it as https://host or http://host:port")
    if parts.username or parts.password or parts.query:
        raise ValueError("an address carries no password and no token; those have keys of their own")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Table(BaseModel):
    """One table of the file; a key that nobody reads is an error, because it is a typing mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlatformTable(Table):
    """How to reach one platform.

    A secret NAME is two optional fields, `NAME: SecretStr | None` and `NAME_file: Path | None`, so that it need not
    stand in the settings themselves.
    """

    TABLE: ClassVar[str]
    """The name of the table in the settings file, and of the adapter."""
    SECRETS: ClassVar[tuple[str, ...]] = ()
    """The secrets that the platform cannot do without."""

    def build(self, clock: Clock) -> Adapter:
        """The adapter. Raises ConfigurationError for a secret that cannot be read."""
        raise NotImplementedError

    def read_secret(self, name: str) -> str:
        """The secret itself, from the settings or from its file; ConfigurationError if there is none."""
        secret = self.read_optional_secret(name)
        if secret is None:
            raise ConfigurationError(f"[{self.TABLE}] has neither {name} nor {name}_file.")
        return secret

    def read_optional_secret(self, name: str) -> str | None:
        """The same for one that may be left out; ConfigurationError only for a file that cannot be read."""
        value: SecretStr | None = getattr(self, name)
        if value is not None:
            return value.get_secret_value()
        file: Path | None = getattr(self, f"{name}_file")
        if file is None:
            return None
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"[{self.TABLE}] {name}_file cannot be read: {error.strerror}: {file}") from error

    @model_validator(mode="after")
    def one_of_each(self) -> Self:
        for file_field in type(self).model_fields:
            name = file_field.removesuffix("_file")
            if file_field == name or name not in type(self).model_fields:
                continue
            if getattr(self, name) is not None and getattr(self, file_field) is not None:
                raise ValueError(f"give {name} or {file_field}, not both")
        return self
