"""Adapters are found by name, and a wrong name gets a sentence that helps."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from bot import adapters
from bot.adapters.logochat import LogoChat
from bot.adapters.terminal import Terminal
from bot.errors import ConfigurationError


def test_the_adapters_of_the_house_are_found() -> None:
    assert adapters.find("logochat") is LogoChat
    assert adapters.find("terminal") is Terminal
    assert {"logochat", "terminal"} <= set(adapters.names())


def test_an_unknown_name_gets_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'pigeon'.*logochat.*terminal"):
        adapters.find("pigeon")


def installed(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        return [entry for entry in entries if entry.group == group and name in {None, entry.name}]

    monkeypatch.setattr(adapters, "entry_points", entry_points)


def entry(value: str, name: str = "pigeon") -> EntryPoint:
    return EntryPoint(name, value, adapters.GROUP)


def test_where_nothing_is_installed_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(ConfigurationError, match="install the project"):
        adapters.find("logochat")


def test_two_packages_that_claim_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, entry("one:Pigeon"), entry("two:Pigeon"))
    with pytest.raises(ConfigurationError, match="one:Pigeon and two:Pigeon"):
        adapters.find("pigeon")


@pytest.mark.parametrize("value", ["no_such_module:Pigeon", "bot.adapters.logochat:Pigeon"])
def test_what_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    installed(monkeypatch, entry(value))
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        adapters.find("pigeon")


def test_what_makes_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, entry("bot.adapters:GROUP"))
    with pytest.raises(ConfigurationError, match="class or a function"):
        adapters.find("pigeon")
