"""Catalogues of what people read: one TOML file a language, Japanese first, English beside it.

A room keeps its sentences in `<room>/texts/ja.toml` and `en.toml`, as tables of `key = "sentence with {values}"`.
Both files must hold the same keys with the same values; a test compares them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Language = Literal["ja", "en"]


def repeated(words: str, most: int = 500) -> str:
    """What somebody wrote, as it is said back to them: cut where it is very long."""
    return words if len(words) <= most else f"{words[:most]}…"


class Texts:
    """One language of one or more catalogues: `texts("broadcast.sent", count=225)`."""

    def __init__(self, *packages: str, language: Language = "ja") -> None:
        self.language: Language = language
        self._sentences: dict[str, str] = {}
        for package in packages:
            self._sentences.update(load(package, language))

    def __call__(self, key: str, /, **values: object) -> str:
        """The sentence named `key` with its values filled in; KeyError if there is no such sentence."""
        return self._sentences[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self._sentences


@cache
def load(package: str, language: Language) -> Mapping[str, str]:
    """Every sentence of a package's catalogue, by dotted key."""
    source = files(package).joinpath("texts", f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flatten(tomllib.loads(source)))


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value)
