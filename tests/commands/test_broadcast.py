"""`kairanban broadcast`, `inbox` and `outbox`: looked at and taken out from a terminal."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import Entry, save
from bot.errors import ConfigurationError
from bot.inbox import SqliteInbox
from bot.tables import deliveries, members, messages
from broadcasts.drafting_tables import broadcast_approvals
from broadcasts.tables import broadcast_recipients, broadcasts
from tests.commands.conftest import Terminal

NOON = datetime(2023, 10, 2, 3, tzinfo=UTC)
STAFF = [Entry("001", "=1+1", "総務課"), Entry("002", "𠮷田 花子", "総務課"), Entry("003", "鈴木 一郎", "税務課")]


@pytest.fixture
def city(kairanban: Terminal) -> Terminal:
    async def fill(db: AsyncConnection) -> None:
        await save(db, STAFF)
        people = (await db.execute(select(members.c.id, members.c.department_id).order_by(members.c.code))).all()
        common = {
            "kind": "drill",
            "text": "訓練です。",
            "audience": "{}",
            "author_id": people[0].id,
            "created_at": NOON,
        }
        await db.execute(insert(broadcasts).values(id=1, token="t1", state="sent", sent_at=NOON, **common))
        await db.execute(insert(broadcasts).values(id=2, token="t2", **common))
        rows = [
            {
                "broadcast_id": 1,
                "member_id": each.id,
                "department_id": each.department_id,
                "adapter": "chat" if number else None,
                "read_at": NOON if number == 2 else None,
            }
            for number, each in enumerate(people)
        ]
        await db.execute(insert(broadcast_recipients), rows)

    kairanban.database(fill)
    return kairanban


def test_notices_are_listed_and_followed(city: Terminal) -> None:
    listed = city("broadcast", "list").out
    assert "下書き" in listed
    assert "2023-10-02 12:00" in listed
    said = city("broadcast", "status", "1")
    assert said.code == 0
    assert "既読 1／3人（33%）" in said.out
    assert "届け先がない人 1人" in said.out
    assert said.out.index("総務課") < said.out.index("税務課")
    missing = city("broadcast", "status", "9")
    assert (missing.code, "番号 9 の一斉連絡はありません" in missing.err) == (2, True)


def test_a_notice_that_has_not_gone_out_is_listed_with_the_reason(city: Terminal) -> None:
    unsent = city("broadcast", "status", "2")
    assert (unsent.code, "番号 2 は、まだ送っていません" in unsent.err) == (2, True)

    async def ask(db: AsyncConnection) -> None:
        values = {"broadcast_id": 2, "purpose": "approval", "requested_by": 1, "requested_at": NOON}
        await db.execute(insert(broadcast_approvals).values(**values, expires_at=NOON))

    city.database(ask)
    assert "承認待ち" in city("broadcast", "list").out
    assert "番号 2 は承認を待っています" in city("broadcast", "status", "2").err


def test_a_watch_looks_every_second_until_it_is_ended(city: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    async def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("config.commands.broadcast.asyncio.sleep", sleep)
    said = city("broadcast", "status", "1", "--watch")
    assert (said.code, looks) == (0, [1, 1, 1])
    assert "既読 1／3人" in said.out


def test_an_export_is_harmless_readable_in_excel_and_audited(city: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert "3 件" in city("broadcast", "export", "1", "--out", out).out
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8-sig"))))
    assert rows[0][:3] == ["所属", "職員番号", "氏名"]
    assert rows[1][2] == "'=1+1"
    assert rows[3][5] == "2023-10-02 12:00:00"
    city("broadcast", "export", "1", "--out", out, "--encoding", "cp932", "--overwrite")
    assert "〓田 花子" in out.read_bytes().decode("cp932")
    sheet = tmp_path / "out.xlsx"
    city("broadcast", "export", "1", "--out", sheet)
    opened = openpyxl.load_workbook(sheet).active
    assert opened is not None
    assert [cell.value for cell in opened[2]][:3] == ["総務課", "001", "'=1+1"]
    listed = city("audit", "list", "--subject", "broadcast:1").out
    assert listed.count("broadcast.exported") == 3
    assert city("broadcast", "export", "2", "--out", tmp_path / "none.csv").code == 2
    assert not (tmp_path / "none.csv").exists()


def test_dead_messages_are_listed_and_sent_again(city: Terminal) -> None:
    assert "あきらめたものはありません" in city("outbox", "dead").out

    async def die(db: AsyncConnection) -> None:
        await db.execute(insert(messages).values(id=1, body="{}", created_at=NOON))
        row = {"key": "k", "message_id": 1, "adapter": "chat", "kind": "person", "address": "u9", "priority": 20}
        await db.execute(
            insert(deliveries).values(id=7, state="dead", due_at=NOON, created_at=NOON, finished_at=NOON, **row)
        )

    city.database(die)
    assert "u9" in city("outbox", "dead").out
    assert "1 件をもう一度" in city("outbox", "replay", "7", "8").out
    again = city("outbox", "replay", "7")
    assert (again.code, "outbox dead" in again.err) == (2, True)


def test_dead_messages_are_sent_again_all_together_or_those_of_a_platform_a_time_or_a_reason(city: Terminal) -> None:
    async def die(db: AsyncConnection) -> None:
        await db.execute(insert(messages).values(id=1, body="{}", created_at=NOON))
        for number, adapter in enumerate(["chat", "chat", "other"], start=1):
            row = {"key": f"k{number}", "message_id": 1, "adapter": adapter, "kind": "person", "address": f"u{number}"}
            times = {"due_at": NOON, "created_at": NOON, "finished_at": NOON, "topic": f"broadcast:{number}"}
            await db.execute(insert(deliveries).values(id=number, state="dead", priority=20, **row, **times))

    city.database(die)
    assert city("outbox", "replay", "--all", "1").code == 2
    assert city("outbox", "replay").code == 2
    assert "あきらめたものはありません" in city("outbox", "replay", "--all", "--since", "2099-01-01").out
    assert "あきらめたものはありません" in city("outbox", "replay", "--all", "--reason", "満").out
    assert "1 件をもう一度" in city("outbox", "replay", "--all", "--platform", "other", "--yes").out
    assert "1 件をもう一度" in city("outbox", "replay", "--all", "--kind", "broadcast:2", "--yes").out
    assert "1 件をもう一度" in city("outbox", "replay", "--all", "--yes").out


def test_the_inbox_says_when_another_process_has_it_and_nobody_answers(
    city: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert city("inbox", "failed").code == 2  # there is none yet
    (city.folder / "inbox.sqlite3").touch()
    assert "あきらめたものはありません" in city("inbox", "failed").out
    missing = city("inbox", "replay", "5")
    assert (missing.code, "番号 5" in missing.err) == (2, True)

    async def locked(self: SqliteInbox) -> None:
        raise ConfigurationError("The inbox is in use by another process.")

    monkeypatch.setattr(SqliteInbox, "open", locked)
    said = city("inbox", "failed")
    assert (said.code, "control.sock でも答えません" in said.err) == (2, True)
