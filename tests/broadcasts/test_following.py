"""`/既読` by those whose right holds in some departments only: their part of every notice, and all of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import delete, insert, select

from bot.audit.tables import audit_log
from bot.directory import APPROVER, DUTY_OFFICER, HEADQUARTERS, SENDER, Entry
from bot.tables import departments, member_roles, members
from bot.testing.harness import Harness
from tests.broadcasts.test_chat import chat
from tests.broadcasts.test_tree import plant


def worker(code: str, department: str, *roles: str) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"fake": code})


PEOPLE = [
    worker("hq", "総務課", HEADQUARTERS),
    worker("duty", "総務課", DUTY_OFFICER),
    worker("head", "土木課"),
    worker("k1", "河川係"),
    worker("d1", "道路係"),
    worker("tax", "税務課"),
    worker("ken", "建設部"),
]


@asynccontextmanager
async def office(role: str = SENDER, *places: str) -> AsyncIterator[Harness]:
    """`head` holds the role in these departments, 土木課 if none is named."""
    async with chat(PEOPLE) as harness:
        await plant(harness.database)
        async with harness.database.transaction() as db:
            ids = {row.name: row.id for row in await db.execute(select(departments.c.name, departments.c.id))}
            head = await db.scalar(select(members.c.id).where(members.c.code == "head"))
            # One role may be limited to one department only: the second is another role.
            for name, place in zip(
                (role, APPROVER if role != APPROVER else SENDER), places or ("土木課",), strict=False
            ):
                values = {"member_id": head, "role": name, "department_id": ids[place]}
                await db.execute(insert(member_roles).values(values))
        yield harness


async def send(harness: Harness, person: str, words: str) -> None:
    seen = await harness.say(person, f"/一斉 {words}")
    await harness.press(person, seen, "送信する")


@pytest.mark.parametrize("role", [SENDER, APPROVER])
async def test_a_limited_role_sees_its_own_subtree_of_a_notice_to_all(role: str) -> None:
    async with office(role) as harness:
        await send(harness, "hq", "本日の会議は中止です。")
        answer = (await harness.say("head", "/既読")).text
        assert answer.startswith("番号 1・建設部／土木課：既読 0／3人")
        assert "河川係 0／1人" in answer
        for hidden in ("総務課", "税務課", "7人"):
            assert hidden not in answer
        names = (await harness.say("head", "/既読 1 未読")).text
        assert "職員k1" in names
        assert "職員tax" not in names
        inner = (await harness.say("head", "/既読 1 河川係")).text
        assert "河川係：既読 0／1人" in inner


async def test_what_lies_outside_is_refused_and_written_down() -> None:
    async with office() as harness:
        await send(harness, "hq", "@税務課 本文")
        assert "あなたが見られる所属には送られていません" in (await harness.say("head", "/既読 1")).text
        await send(harness, "hq", "全員に")
        assert "見られる所属の外" in (await harness.say("head", "/既読 2 税務課")).text
        assert "見つかりません" in (await harness.say("head", "/既読 2 水道課")).text
        async with harness.database.snapshot() as db:
            query = select(audit_log.c.subject).where(audit_log.c.actor == "head").order_by(audit_log.c.seq)
            assert list(await db.scalars(query)) == ["broadcast:1", "broadcast:2"]


async def test_without_a_number_it_is_the_last_one_that_they_may_see() -> None:
    async with office() as harness:
        assert "まだ一斉連絡はありません" in (await harness.say("head", "/既読")).text
        await send(harness, "hq", "@税務課 本文")
        assert "まだ一斉連絡はありません" in (await harness.say("head", "/既読")).text
        await send(harness, "hq", "全員に")
        await send(harness, "hq", "@税務課 もう一度")
        assert (await harness.say("head", "/既読")).text.startswith("番号 2")
        assert (await harness.say("hq", "/既読")).text.startswith("番号 3")


async def test_of_what_they_wrote_themselves_they_see_everything() -> None:
    async with office() as harness:
        await send(harness, "head", "@土木課 本文")
        answer = (await harness.say("head", "/既読")).text
        assert "番号 1（お知らせ、" in answer
        assert "既読 0／3人（0%）" in answer


async def test_whoever_wrote_a_notice_and_lost_the_right_is_refused() -> None:
    async with office() as harness:
        await send(harness, "head", "@土木課 本文")
        async with harness.database.transaction() as db:
            await db.execute(delete(member_roles).where(member_roles.c.role == SENDER))
        assert "送る人・承認する人だけ" in (await harness.say("head", "/既読 1")).text


async def test_two_limits_show_two_parts_and_one_inside_the_other_shows_once() -> None:
    async with office(SENDER, "土木課", "税務課") as harness:
        await send(harness, "hq", "全員に")
        parts = [message.text for message in await harness.post("head", "/既読")]
        assert sorted(part.split("：")[0] for part in parts) == ["番号 1・建設部／土木課", "番号 1・税務課"]
    async with office(SENDER, "河川係", "土木課") as harness:
        await send(harness, "hq", "全員に")
        assert len(await harness.post("head", "/既読")) == 1


async def test_the_duty_officer_sees_all_of_it() -> None:
    async with office() as harness:
        await send(harness, "hq", "全員に")
        assert "既読 0／7人" in (await harness.say("duty", "/既読")).text
