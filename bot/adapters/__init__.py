"""The chat platforms that Kairanban speaks to, found by name through the entry points `kairanban.adapters`.

A package that brings an adapter of its own says so in its `pyproject.toml`:

    [project.entry-points."kairanban.adapters"]
    pigeon = "pigeon_post:Pigeon"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from bot.adapter import Adapter
from bot.bilingual import both
from bot.errors import ConfigurationError

GROUP = "kairanban.adapters"

AdapterFactory = Callable[..., Adapter]


def names() -> list[str]:
    """Every adapter that is installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find(name: str) -> AdapterFactory:
    """The class (or function) that makes the adapter called `name`.

    ConfigurationError if none is installed under that name, if two packages claim it, or if it cannot be imported.
    """
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if not found:
        known = ", ".join(names())
        raise ConfigurationError(both("bot", "adapter.none" if known else "adapter.nothing", name=name, known=known))
    if len(found) > 1:
        raise ConfigurationError(both("bot", "adapter.claimed", name=name, packages=" and ".join(sorted(found))))
    return _load(*found.values())


def _load(entry: EntryPoint) -> AdapterFactory:
    try:
        factory = entry.load()
    except Exception as error:
        raise ConfigurationError(
            both(
                "bot", "adapter.broken", name=entry.name, value=entry.value, problem=f"{type(error).__name__}: {error}"
            )
        ) from error
    if not callable(factory):
        raise ConfigurationError(both("bot", "adapter.no_class", name=entry.name, value=entry.value))
    return cast(AdapterFactory, factory)
