"""`[adapters.NAME]`: an adapter that another package brings. Its keys are the arguments of the adapter's class."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bot import adapters
from bot.adapter import Adapter
from bot.adapters import AdapterFactory
from bot.bilingual import both, shown
from bot.clock import Clock, SystemClock
from bot.documents import text_in
from bot.errors import ConfigurationError
from config.platforms.base import SECRET_BYTES

CLOCK = "clock"
"""The argument that is not for the settings to give."""


class OtherTable:
    """One such table. For an argument `token` there may be `token_file` instead: the file that holds it."""

    def __init__(self, name: str, values: Mapping[str, object]) -> None:
        self.name = name
        self.title = f"[adapters.{name}]"
        self._values = values

    def build(self, clock: Clock) -> Adapter:
        """The adapter. ConfigurationError if it is not installed, or for a key too many, too few, or unreadable."""
        arguments: dict[str, object] = {}
        try:
            factory = adapters.find(self.name)
            arguments = self._arguments(factory)
            return factory(clock=clock, **arguments)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.title} {error}") from error
        except Exception as error:
            problem = _shown(error, arguments.values())
            raise ConfigurationError(f"{self.title} {both('config', 'setting.not_taken', problem=problem)}") from error

    def problems(self) -> Iterator[str]:
        """A sentence if there would be no adapter; it is made and thrown away, and opens nothing."""
        try:
            self.build(SystemClock())
        except ConfigurationError as error:
            yield str(error)

    def _arguments(self, factory: AdapterFactory) -> dict[str, object]:
        parameters = {
            name: parameter
            for name, parameter in inspect.signature(factory).parameters.items()
            if name != CLOCK and parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        }
        found: dict[str, object] = {}
        for key, value in self._values.items():
            name = key if key in parameters else key.removesuffix("_file")
            if name not in parameters:
                raise ConfigurationError(both("config", "setting.no_key", key=key, known=", ".join(parameters)))
            if name in found:
                raise ConfigurationError(both("config", "setting.one_file", name=name))
            found[name] = value if name == key else _read(key, value)
        missing = [name for name, each in parameters.items() if each.default is each.empty and name not in found]
        if missing:
            raise ConfigurationError(both("config", "setting.missing", missing=" and ".join(missing)))
        return found


def _read(key: str, file: object) -> str:
    if not isinstance(file, str):
        raise ConfigurationError(both("config", "setting.file_name", key=key))
    return text_in(Path(file), SECRET_BYTES, f"{key} {shown(file)}").strip()


def _shown(error: Exception, values: Iterable[object]) -> str:
    """What went wrong, but never together with one of the values, which may be a secret."""
    text = str(error)
    hidden = not text or any(isinstance(value, str) and value and value in text for value in values)
    return type(error).__name__ if hidden else f"{type(error).__name__}: {text}"
