"""`kairanban broadcast send`: a notice from a terminal, previewed, confirmed and queued, with its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Row, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.audit.tables import audit_log
from bot.directory import APPROVER, HEADQUARTERS, SENDER, Entry, save
from bot.messages import Message
from bot.recurrence import Rule
from bot.tables import deliveries, departments, member_roles, messages
from broadcasts.drafting_tables import broadcast_schedules
from broadcasts.escalation import broadcast_rungs
from broadcasts.files import current, files_of
from broadcasts.tables import broadcast_corrections, broadcasts
from tests.commands.conftest import Terminal


def entry(code: str, department: str, roles: Sequence[str] = ()) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"logochat": f"u{code}"})


PEOPLE = [
    entry("1", "総務課", [HEADQUARTERS]),
    entry("2", "税務課", [SENDER]),
    entry("3", "税務課", [APPROVER]),
    entry("4", "土木課"),
]


@pytest.fixture
def city(kairanban: Terminal, tmp_path: Path) -> Terminal:
    (tmp_path / "kairanban.toml").write_text(
        '[logochat]\nbase_url = "https://chat.example.jp"\ntoken = "t"\nsecret = "s"\n', encoding="utf-8"
    )

    async def settle(db: AsyncConnection) -> None:
        await save(db, PEOPLE)
        tax = select(departments.c.id).where(departments.c.name == "税務課").scalar_subquery()
        limited = member_roles.c.role.in_((SENDER, APPROVER))
        await db.execute(update(member_roles).where(limited).values(department_id=tax))

    kairanban.database(settle)
    return kairanban


def rows(city: Terminal, *columns: Any) -> list[tuple[Any, ...]]:
    async def look(db: AsyncConnection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await db.execute(select(*columns))]

    return city.database(look)


def states(city: Terminal) -> list[Any]:
    return [state for (state,) in rows(city, broadcasts.c.state)]


def test_a_notice_with_a_file_is_previewed_and_queued_for_the_running_bot(city: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "避難所.csv"
    file.write_bytes(b"a,b\n")
    said = city("broadcast", "send", "資料です。", "--by", "1", "--kind", "emergency", "--attach", file, "--yes")
    assert said.code == 0, said.err
    assert "宛先：4人" in said.out
    assert "・避難所.csv（1KB）" in said.out
    assert "番号は 1、宛先は 4人です" in said.out
    assert "動いているボットが送ります" in said.out
    queued = rows(city, deliveries.c.address, deliveries.c.state, deliveries.c.priority)
    assert sorted(queued) == [(f"u{number}", "queued", 0) for number in range(1, 5)]
    ((body,),) = rows(city, messages.c.body)
    (attachment,) = Message.model_validate_json(body).attachments
    kept = city.folder / "attachments" / attachment.sha256[:2] / attachment.sha256
    assert kept.read_bytes() == b"a,b\n"
    assert [action for (action,) in rows(city, audit_log.c.action)] == ["broadcast.drafted", "broadcast.sent"]


def test_the_ladder_of_the_settings_is_planned_for_it(city: Terminal, tmp_path: Path) -> None:
    settings = tmp_path / "kairanban.toml"
    rung = '[[escalation.emergency]]\nway = "liaison"\nafter = "PT1H"\n'
    settings.write_text(settings.read_text(encoding="utf-8") + rung, encoding="utf-8")
    assert city("broadcast", "send", "本文", "--by", "1", "--kind", "emergency", "--yes").code == 0
    assert rows(city, broadcast_rungs.c.broadcast_id, broadcast_rungs.c.way) == [(1, "liaison")]
    assert city("broadcast", "send", "本文", "--by", "1", "--yes").code == 0
    assert len(rows(city, broadcast_rungs.c.broadcast_id)) == 1


def test_saying_no_sends_nothing(city: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    said = city("broadcast", "send", "〇〇時に集合", "--by", "1", "--to", "税務課", "--without", "職員3")
    assert "宛先：1人" in said.out
    assert "書きかけ" in said.out
    assert "取りやめました" in said.out
    assert states(city) == ["cancelled"]
    assert rows(city, deliveries.c.id) == []


def test_the_rights_and_approvals_of_the_chat_hold_here_too(city: Terminal) -> None:
    said = city("broadcast", "send", "本文", "--by", "2", "--yes")
    assert said.code == 2
    assert "送れる範囲（税務課）の外" in said.err
    said = city("broadcast", "send", "本文", "--by", "2", "--to", "税務課", "--kind", "emergency", "--yes")
    assert "承認されるまで送りません" in said.out
    assert "「送信する」" not in said.out  # there is no such button here
    assert states(city) == ["draft"]
    assert city("broadcast", "send", "本文", "--by", "4", "--yes").code == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["本文", "--by", "99"], "職員番号 99"),
        (["本文", "--by", "1", "--kind", "joke"], "--kind"),
        (["本文", "--by", "1", "--to", "水道課"], "水道課"),
        (["{場所}に集合", "--by", "1"], "{場所}"),
        (["本文", "--by", "1", "--attach", "none.pdf"], "「none.pdf」を開けません"),
        (["本文", "--by", "1", *["--attach", "one.txt"] * 11], "10件まで"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    city: Terminal, tmp_path: Path, words: list[str], found: str
) -> None:
    (tmp_path / "one.txt").write_text("x")
    said = city("broadcast", "send", *words, "--yes")
    assert said.code == 2
    assert found in said.err
    assert states(city) == []


def test_quiet_hours_and_a_house_without_platforms_are_told(city: Terminal, tmp_path: Path) -> None:
    settings = tmp_path / "kairanban.toml"
    always = '[broadcasts]\nquiet_from = "00:00:01"\nquiet_until = "00:00:00"\n'
    settings.write_text(settings.read_text(encoding="utf-8") + always, encoding="utf-8")
    assert "夜間のため" in city("broadcast", "send", "本文", "--by", "1", "--yes").out
    settings.unlink()
    said = city("broadcast", "send", "本文", "--by", "1", "--yes")
    assert said.code == 2
    assert "接続先がない" in said.err


def test_a_notice_is_scheduled_with_its_files(city: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "当番表.csv"
    file.write_bytes(b"a,b\n")
    words: list[str | Path] = ["当番表です。", "--by", "1", "--attach", file, "--when", "毎月1日 09:00 翌開庁日"]
    said = city("broadcast", "send", *words, "--yes")
    assert said.code == 0, said.err
    assert "・当番表.csv（1KB）" in said.out
    assert "番号 1 を予約しました。次は" in said.out
    ((state, rule),) = rows(city, broadcast_schedules.c.state, broadcast_schedules.c.rule)
    assert (state, Rule.model_validate_json(rule).moved) == ("active", True)
    assert states(city) == ["draft"]
    assert rows(city, deliveries.c.id) == []
    for when in ("いつか", "毎月1日 09:00 本文", "2023-01-02 09:00"):
        assert city("broadcast", "send", "本文", "--by", "1", "--when", when, "--yes").code == 2
    assert states(city) == ["draft"]


def test_a_correction_brings_files_or_takes_those_of_the_notice_away(
    city: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("一覧.csv", "直した一覧.csv"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert city("broadcast", "send", "資料です。", "--by", "1", "--attach", tmp_path / "一覧.csv", "--yes").code == 0
    words: list[str | Path] = ["1", "直しました。", "--by", "1", "--attach", tmp_path / "直した一覧.csv"]
    with monkeypatch.context() as no:
        no.setattr(typer, "confirm", lambda *_, **__: False)
        assert "そのままにしました" in city("broadcast", "correct", *words).out
    said = city("broadcast", "correct", *words, "--yes")
    assert said.code == 0, said.err
    assert "・直した一覧.csv（1KB）" in said.out
    assert "番号 1 の訂正を送りました。宛先は 4人" in said.out
    assert [current(row) for row in notices(city)] == [files_of(row) for row in corrections(city)[1:]]
    said = city("broadcast", "correct", "1", "誤りでした。", "--by", "1", "--without-original-files", "--yes")
    assert "添付ファイル 1件は、この後のリマインドに添えません" in said.out
    assert [current(row) for row in notices(city)] == [()]
    for wrong in (["9", "本文", "--by", "1"], ["1", "本文", "--by", "4"], ["1", "本文", "--by", "99"]):
        assert city("broadcast", "correct", *wrong, "--yes").code == 2


def notices(city: Terminal) -> Sequence[Row[Any]]:
    return city.database(lambda db: every(db, broadcasts))


def corrections(city: Terminal) -> Sequence[Row[Any]]:
    return city.database(lambda db: every(db, broadcast_corrections))


async def every(db: AsyncConnection, table: Table) -> Sequence[Row[Any]]:
    return (await db.execute(select(table).order_by(table.c.id))).all()


def test_the_same_text_to_the_same_people_needs_again_even_with_yes(city: Terminal) -> None:
    send = ("broadcast", "send", "避難してください。", "--by", "1", "--kind", "emergency", "--yes")
    assert city(*send).code == 0
    refused = city(*send)
    assert refused.code != 0
    assert "番号 1" in refused.out
    assert "--again" in refused.err
    assert states(city) == ["sent", "cancelled"]
    assert city(*send, "--again").code == 0
    assert states(city) == ["sent", "cancelled", "sent"]
    assert city("broadcast", "send", "避難してください。", "--by", "1", "--to", "土木課", "--yes").code == 0, (
        "another kind"
    )


@pytest.mark.parametrize("text", ["緊急 避難してください。", "至急：避難", "税務課 窓口を閉めます。", "ｷﾝｷｭｳ 避難"])
def test_what_looks_like_a_kind_or_an_audience_is_asked_about_before_a_draft_is_made(city: Terminal, text: str) -> None:
    refused = city("broadcast", "send", text, "--by", "1", "--yes")
    assert refused.code != 0
    assert "--kind" in refused.err
    assert states(city) == []
    assert city("broadcast", "send", text, "--by", "1", "--yes", "--kind", "notice", "--to", "土木課").code == 0
    assert states(city) == ["sent"]
