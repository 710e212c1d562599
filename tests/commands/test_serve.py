"""`kairanban serve --demo`: the city's own rules on the demo's platform, and on no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.directory import HEADQUARTERS, Member
from config.commands import serve
from config.stage import Stage
from tests.commands.conftest import Terminal
from trial.population import Person

RULES = """
[broadcasts]
approval_headquarters = ["notice"]

[mail]
host = "mail.example.lg.jp"
sender = "kairanban@example.lg.jp"
security = "none"
"""


async def at_once() -> None:
    """Nobody waits for Ctrl-C."""


def test_the_demo_follows_the_settings_and_speaks_to_no_real_platform(
    kairanban: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES, encoding="utf-8")
    seen: list[tuple[bool, set[str]]] = []

    def look(stage: Stage, _: Path, people: Sequence[Person]) -> None:
        officer = Member(1, "hq", "本部", 1, people[0].department, roles=frozenset({HEADQUARTERS}))
        seen.append((stage.house.broadcasts.approvals.needed("notice", officer), set(stage.house.adapters)))

    monkeypatch.setattr(serve, "_introduce", look)
    monkeypatch.setattr(serve, "_until_told", at_once)
    words = ("serve", "--demo", "--staff", "4", "--service-port", "0", "--bot-port", "0", "--settings", file)
    assert kairanban(*words).code == 0
    assert seen == [(True, {"logochat"})]
