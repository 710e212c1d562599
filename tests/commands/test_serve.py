"""`kairanban serve --demo`: the city's own rules on the demo's platform, and on no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import APPROVER, HEADQUARTERS, Member
from bot.tables import member_roles, members
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


DEMO = ("serve", "--demo", "--staff", "4", "--service-port", "0", "--bot-port", "0")


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
    assert kairanban(*DEMO, "--settings", file).code == 0
    assert seen == [(True, {"logochat"})]


def test_a_demo_that_is_started_again_keeps_the_roster_that_was_imported(
    kairanban: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_until_told", at_once)
    assert kairanban(*DEMO).code == 0

    async def imported(db: AsyncConnection) -> int:
        gone, promoted, *_ = await db.scalars(select(members.c.id).order_by(members.c.code))
        await db.execute(update(members).where(members.c.id == gone).values(active=False))
        await db.execute(insert(member_roles).values(member_id=promoted, role=APPROVER))
        return int(promoted)

    async def found(db: AsyncConnection) -> tuple[int | None, list[int]]:
        approvers = select(member_roles.c.member_id).where(member_roles.c.role == APPROVER)
        active = await db.scalar(select(func.count()).select_from(members).where(members.c.active))
        return active, list(await db.scalars(approvers))

    promoted = kairanban.database(imported)
    assert kairanban(*DEMO).code == 0
    assert kairanban.database(found) == (3, [promoted])
