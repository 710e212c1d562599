"""`kairanban roster addresses` and `roster retry`: whom nothing reaches any more, and another try."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import directory
from bot.audit.tables import audit_log
from bot.directory import Entry
from bot.tables import addresses
from bot.unreachable import mark_unreachable
from tests.commands.conftest import Terminal

MORNING = datetime(2023, 7, 3, 0, 30, tzinfo=UTC)
REFUSED = "LINE answered 400: Failed to send messages"


@pytest.fixture
def house(kairanban: Terminal) -> Terminal:
    """Three people; LINE refuses 002, who has another chat, and 003 has left the only talk that there was."""

    async def fill(db: AsyncConnection) -> None:
        both = {"line": "U1", "matrix": "@a:x"}
        await directory.save(
            db,
            [
                Entry("001", "青木", "総務課", addresses=both),
                Entry("002", "井上", "総務課", addresses={"line": "U2", "matrix": "@b:x"}),
                Entry("003", "上田", "福祉課", addresses={"line": "U3"}),
            ],
        )
        await mark_unreachable(db, "line", "U2", MORNING, REFUSED)
        await mark_unreachable(db, "line", "U3", MORNING)

    kairanban.database(fill)
    return kairanban


def put_aside(house: Terminal) -> list[str]:
    async def look(db: AsyncConnection) -> list[str]:
        found = await db.scalars(select(addresses.c.address).where(~addresses.c.reachable))
        return sorted(found.all())

    return house.database(look)


def audited(house: Terminal) -> list[tuple[str, dict[str, object]]]:
    async def look(db: AsyncConnection) -> list[tuple[str, dict[str, object]]]:
        query = select(audit_log).where(audit_log.c.action == "address.tried_again").order_by(audit_log.c.seq)
        return [(row.subject, json.loads(row.details)) for row in await db.execute(query)]

    return house.database(look)


def test_who_is_not_reached_is_listed_with_since_when_and_why(house: Terminal) -> None:
    said = house("roster", "addresses", "--gone")
    assert said.code == 0
    [inoue] = [line for line in said.out.splitlines() if "井上" in line]
    assert "2023-07-03 09:30" in inoue
    assert "U2" in inoue
    assert "matrix" in inoue
    [ueda] = [line for line in said.out.splitlines() if "上田" in line]
    assert "ブロック" in said.out
    assert "なし" in ueda
    assert "青木" not in said.out
    assert "2 件" in said.out
    assert "1 人" in said.out


def test_without_a_wish_everybody_s_addresses_are_listed(house: Terminal) -> None:
    said = house("roster", "addresses")
    assert [said.out.count(name) for name in ("青木", "井上", "上田")] == [2, 2, 1]
    assert said.out.count("使っています") == 3


def test_a_program_gets_them_as_json(house: Terminal) -> None:
    [inoue, ueda] = json.loads(house("roster", "addresses", "--gone", "--json").out)
    assert inoue == {
        "code": "002",
        "name": "井上",
        "department": "総務課",
        "adapter": "line",
        "address": "U2",
        "reachable": False,
        "since": "2023-07-03T00:30:00+00:00",
        "reason": REFUSED,
        "others": ["matrix"],
    }
    assert (ueda["reason"], ueda["others"]) == ("left", [])
    assert len(json.loads(house("roster", "addresses", "--json").out)) == 5


def test_a_dry_run_shows_what_would_be_tried_and_changes_nothing(house: Terminal) -> None:
    said = house("roster", "retry", "002", "--dry-run")
    assert said.code == 0
    assert "井上" in said.out
    assert "1 件を、次の連絡から" in said.out
    assert put_aside(house) == ["U2", "U3"]
    assert audited(house) == []


def test_it_asks_first_and_no_means_no(house: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda question, abort: (_ for _ in ()).throw(SystemExit(1)))
    assert house("roster", "retry", "002").code == 1
    assert put_aside(house) == ["U2", "U3"]
    monkeypatch.setattr("typer.confirm", lambda question, abort: True)
    assert house("roster", "retry", "００２").code == 0
    assert put_aside(house) == ["U3"]


def test_what_is_tried_again_stands_in_the_audit_with_what_spoke_against_it(house: Terminal) -> None:
    assert "2 件の宛先を" in house("roster", "retry", "--all", "--yes").out
    assert put_aside(house) == []
    assert audited(house) == [
        ("member:002", {"adapter": "line", "since": "2023-07-03T00:30:00+00:00", "reason": REFUSED}),
        ("member:003", {"adapter": "line", "since": "2023-07-03T00:30:00+00:00", "reason": "left"}),
    ]
    assert "届かなくなった宛先はありません" in house("roster", "addresses", "--gone").out
    assert json.loads(house("roster", "addresses", "--json").out)[2]["since"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "どちらか一方"),
        (("002", "--all"), "どちらか一方"),
        (("002", "999"), "職員番号 999 の人は、名簿にいないか"),
        (("002", "001"), "職員番号 001 の人に、届かなくなった宛先はありません"),
        (("002", "--on", "matrix"), "職員番号 002 の人に、届かなくなった宛先はありません"),
        (("--all", "--on", "matrix"), "届かなくなった宛先はありません"),
    ],
)
def test_what_cannot_be_tried_again_is_said_and_nothing_is_changed(
    house: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    said = house("roster", "retry", *words, "--yes")
    assert said.code == 2
    assert sentence in said.err.replace("\n", "")
    assert put_aside(house) == ["U2", "U3"]


def test_an_empty_directory_says_what_to_do(kairanban: Terminal) -> None:
    async def nothing(db: AsyncConnection) -> None:
        pass

    kairanban.database(nothing)
    assert "kairanban roster import" in kairanban("roster", "addresses").out
