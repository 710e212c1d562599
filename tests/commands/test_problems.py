"""`kairanban problems`: what staff reported is listed, answered and closed from a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import usage
from bot.audit.tables import audit_log
from bot.directory import Entry, save
from bot.messages import Message
from bot.tables import deliveries, members, messages
from tests.commands.conftest import Terminal
from tests.commands.test_broadcast import NOON


@pytest.fixture
def city(kairanban: Terminal, tmp_path: Path) -> Terminal:
    (tmp_path / "kairanban.toml").write_text(
        '[logochat]\nbase_url = "https://chat.example.jp"\ntoken = "t"\nsecret = "s"\n', encoding="utf-8"
    )

    async def settle(db: AsyncConnection) -> None:
        await save(db, [Entry("1", "佐藤", "税務課", addresses={"logochat": "u1"}), Entry("2", "鈴木", "税務課")])
        for code, words in (("1", "通知が来ません"), ("2", "画面が真っ白です")):
            member = await db.scalar(select(members.c.id).where(members.c.code == code))
            assert member is not None
            await usage.report_problem(db, member, NOON, words)

    kairanban.database(settle)
    return kairanban


def said_to(city: Terminal) -> list[tuple[str, str]]:
    async def look(db: AsyncConnection) -> list[tuple[str, str]]:
        query = select(deliveries.c.address, messages.c.body).join(messages, messages.c.id == deliveries.c.message_id)
        found = await db.execute(query.order_by(deliveries.c.id))
        return [(address, Message.model_validate_json(body).text) for address, body in found]

    return city.database(look)


def test_reports_are_listed_answered_and_closed_and_the_running_bot_is_left_to_tell_of_it(city: Terminal) -> None:
    listed = city("problems", "list").out
    assert "■1番　2023-10-02 12:00　佐藤（税務課）　まだ" in listed
    assert "画面が真っ白です" in listed
    answered = city("problems", "answer", "1", "直しました")
    assert answered.code == 0, answered.err
    assert "佐藤さんに返事を送りました" in answered.out
    closed = city("problems", "close", "1")
    assert "済みにし" in closed.out
    (first, answer), (second, end) = said_to(city)
    assert first == second == "u1"
    assert "直しました" in answer
    assert "対応が終わりました" in end
    assert "通知が来ません" not in city("problems", "list").out
    everything = city("problems", "list", "--all").out
    assert "直しました" in everything
    assert "（済みにしました）" in everything

    async def acts(db: AsyncConnection) -> list[tuple[str, str]]:
        rows = await db.execute(select(audit_log.c.actor, audit_log.c.action).order_by(audit_log.c.seq))
        return [(actor.partition(":")[0], action) for actor, action in rows]

    assert city.database(acts) == [("os", "problem.answered"), ("os", "problem.closed")]


def test_whoever_cannot_be_reached_is_named_and_what_makes_no_sense_is_refused_in_a_sentence(city: Terminal) -> None:
    unheard = city("problems", "answer", "2", "直しました")
    assert unheard.code == 0
    assert "鈴木さんにはいま届けられるチャットがありません" in unheard.out
    for words, why in (
        (("answer", "9", "x"), "9番はありません"),
        (("answer", "1", " "), "返事の文を続けて"),
        (("close", "9"), "9番はありません"),
    ):
        refused = city("problems", *words)
        assert refused.code == 2, words
        assert why in refused.err
    assert city("problems", "close", "2").code == 0
    assert "すでに済んでいます" in city("problems", "close", "2").err
    assert said_to(city) == []
