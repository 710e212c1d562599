"""What every platform's table of settings is made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

from bot.adapter import Adapter
from bot.bilingual import both, shown
from bot.clock import Clock, SystemClock
from bot.documents import text_in
from bot.errors import ConfigurationError


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(both("config", "setting.url"))
    if parts.username or parts.password or parts.query:
        raise ValueError(both("config", "setting.url_secret"))
    return value.rstrip("/")


SECRET_BYTES = 100_000
"""Bytes of a file with a secret in it; the longest, a private key, has a few thousand."""
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

    def problems(self) -> Iterator[str]:
        """A sentence for each thing for want of which there would be no adapter; it is made and opens nothing."""
        found = list[str]()
        for name in self.SECRETS:
            try:
                if not self.read_secret(name):
                    found.append(str(both("config", "check.empty", table=self.TABLE, name=name)))
            except ConfigurationError as error:
                found.append(self._here(error))
        if not found:
            try:
                self.build(SystemClock())
            except ConfigurationError as error:
                found.append(self._here(error))
        yield from found

    def _here(self, error: ConfigurationError) -> str:
        title = f"[{self.TABLE}] "
        return str(error) if str(error).startswith(title) else f"{title}{error}"

    def read_secret(self, name: str) -> str:
        """The secret itself, from the settings or from its file; ConfigurationError if there is none."""
        secret = self.read_optional_secret(name)
        if secret is None:
            raise ConfigurationError(both("config", "setting.no_secret", table=self.TABLE, name=name))
        return secret

    def read_optional_secret(self, name: str) -> str | None:
        """The same for one that may be left out; ConfigurationError only for a file that cannot be read."""
        value: SecretStr | None = getattr(self, name)
        if value is not None:
            return value.get_secret_value()
        file: Path | None = getattr(self, f"{name}_file")
        if file is None:
            return None
        return text_in(file, SECRET_BYTES, f"[{self.TABLE}] {name}_file {shown(file)}").strip()

    @model_validator(mode="after")
    def one_of_each(self) -> Self:
        for file_field in type(self).model_fields:
            name = file_field.removesuffix("_file")
            if file_field == name or name not in type(self).model_fields:
                continue
            if getattr(self, name) is not None and getattr(self, file_field) is not None:
                raise ValueError(both("config", "setting.one", name=name, file_field=file_field))
        return self
