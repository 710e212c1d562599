"""Importing a roster: what the difference shows is what is done, once, whole, and can be taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot import groups as named_groups
from bot.clock import ManualClock
from bot.directory import Entry, member_at, member_by_code, save
from bot.errors import Refused
from bot.roster import (
    BrokenRoster,
    Plan,
    apply,
    describe,
    describe_problems,
    last_import,
    plan,
    read,
    roster_imports,
    staff,
    to_csv,
    to_xlsx,
    undo,
)
from bot.roster.grouping import parse_groups, show_groups
from bot.roster.model import SEPARATORS, folded
from bot.roster.state import load
from bot.storage import Database
from bot.tables import addresses, departments, group_members, groups, member_roles, members
from bot.texts import Texts
from tests.roster.conftest import Importer

HEADINGS = "職員番号,氏名,所属,役職"
FIRST = f"""{HEADINGS}
0001,山田,総務部/総務課/庶務係,係長
0002,鈴木,総務部/総務課/庶務係,主任
0003,佐藤,総務部/財政課,課長
0004,髙橋,市民部/市民課,主事
0005,田中,市民部/市民課,主事
0006,伊藤,市民部/市民課,主事
"""


async def plan_of(database: Database, text: str | bytes) -> Plan:
    data = text.encode() if isinstance(text, str) else text
    async with database.snapshot() as db:
        return await plan(db, read(data, "名簿.csv"))


async def apply_plan(database: Database, clock: ManualClock, intended: Plan, **options: Any) -> int:
    async with database.transaction() as db:
        return await apply(db, clock, intended, by="0001", **options)


async def undo_last(database: Database, clock: ManualClock, import_id: int | None = None) -> int:
    async with database.transaction() as db:
        return (await undo(db, clock, by="0001", import_id=import_id)).id


async def people(database: Database) -> Any:
    async with database.snapshot() as db:
        return [dict(person.items()) | {"code": person.code} for person in await staff(db)]


async def tree(db: AsyncConnection) -> dict[str, str | None]:
    parent = departments.alias()
    query = select(departments.c.code, parent.c.code).outerjoin(parent, departments.c.parent_id == parent.c.id)
    return {row[0]: row[1] for row in await db.execute(query)}


# ---------------------------------------------------------------- difference


async def test_a_first_import_makes_the_tree_and_everybody_in_it(database: Database, bring_in: Importer) -> None:
    intended = await bring_in(FIRST)
    assert (len(intended.joins), intended.unchanged, intended.staff) == (6, 0, 0)
    async with database.snapshot() as db:
        assert await tree(db) == {
            "総務部": None,
            "総務部/総務課": "総務部",
            "総務部/総務課/庶務係": "総務部/総務課",
            "総務部/財政課": "総務部",
            "市民部": None,
            "市民部/市民課": "市民部",
        }
        member = await member_by_code(db, "0004")
    assert member is not None
    assert (member.name, member.department, member.post) == ("髙橋", "市民課", "主事")
    assert (await plan_of(database, FIRST)).empty


async def test_joins_leaves_moves_changes_returns_and_departments_are_told_apart(
    database: Database, bring_in: Importer
) -> None:
    await bring_in(FIRST)
    await bring_in(FIRST.replace("0006,伊藤,市民部/市民課,主事\n", ""))
    text = f"""{HEADINGS}
0001,山田,総務部/総務課/庶務係,課長補佐
0002,鈴木,デジタル推進室,主任
0003,佐藤,総務部/総務課/庶務係,課長
0004,髙橋,市民部/市民課,主事
0006,伊藤,市民部/市民課,主査
0007,渡辺,市民部/市民課,主事
"""
    shown = await plan_of(database, text)
    assert [person.code for person in shown.joins] == ["0007"]
    assert [known.person.code for known in shown.leaves] == ["0005"]
    assert [change.person.code for change in shown.moves] == ["0002", "0003"]
    assert [change.person.code for change in shown.returns] == ["0006"]
    (change,) = shown.changes
    assert [(field.field, field.before, field.after) for field in change.fields] == [
        ("post", "係長", "課長補佐"),
        ("rank", 40, 45),  # there is no column of ranks, so it follows the title
    ]
    assert shown.departments_made == (("デジタル推進室",),)
    assert shown.departments_emptied == (("総務部", "財政課"),)
    assert shown.unchanged == 1
    await bring_in(text)
    assert (await plan_of(database, text)).empty


async def test_the_difference_is_told_in_words(database: Database, bring_in: Importer) -> None:
    await bring_in(FIRST)
    text = f"{HEADINGS},内線\n0001,山田,総務部/財政課,,9\n" + "".join(f"1{n:03},新人{n},市民部,,\n" for n in range(5))
    shown = await plan_of(database, text)
    japanese = "\n".join(describe(shown, Texts("bot.roster"), most=3))
    assert "使わない列: 内線" in japanese
    assert "0001 山田: 所属「総務部/総務課/庶務係」→「総務部/財政課」 役職「係長」→「なし」" in japanese
    assert "加わる人: 5 人" in japanese
    assert "ほか 2 件" in japanese
    assert "6 人のうち 5 人が名簿からいなくなります" in japanese
    assert "Leave: 5" in "\n".join(describe(shown, Texts("bot.roster", language="en")))
    rights = await plan_of(
        database, "職員番号,氏名,所属,権限,ログインID\n0001,山田,総務部/総務課/庶務係,管理者; 本部,a\n"
    )
    assert "0001 山田: 権限「なし」→「administrator; headquarters」 ログインID「なし」→「a」" in "\n".join(
        describe(rights, Texts("bot.roster"))
    )
    same = describe(await plan_of(database, FIRST), Texts("bot.roster"))
    assert same == ["「名簿.csv」を読みました（CSV、UTF-8）。", "名簿と同じです。変わるところはありません（6人）。"]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_problem_has_words(language: Any) -> None:
    text = "職員番号,氏名,所属,級\n" + "!,,,x\n" * 60
    with pytest.raises(BrokenRoster) as caught:
        read(text.encode(), "名簿.csv")
    lines = describe_problems(caught.value, Texts("bot.roster", language=language))
    assert len(lines) == 102
    if language == "ja":
        assert lines[:2] == [
            "名簿に直すところが 240 件あります。まだ何も取り込んでいません。",
            "行2・列「職員番号」: 「!」は職員番号として使えません。英数字で入力してください。",
        ]


# --------------------------------------------------------------------- apply


async def test_what_the_file_does_not_speak_of_stays(database: Database, bring_in: Importer) -> None:
    async with database.transaction() as db:
        entry = Entry("0001", "山田", "総務課", kana="ヤマダ", email="y@example.jp", roles=["headquarters"])
        await save(db, [entry, Entry("0002", "鈴木", "総務課", addresses={"logochat": "u2"})])
    await bring_in(f"{HEADINGS}\n0001,山田,総務部/総務課,係長\n0002,鈴木,総務課,主任\n")
    async with database.snapshot() as db:
        member = await member_by_code(db, "0001")
        row = (await db.execute(select(members).where(members.c.code == "0001"))).one()
        found = await member_at(db, "logochat", "u2")
    assert member is not None
    assert member.roles == {"headquarters"}
    assert (row.kana, row.email) == ("ヤマダ", "y@example.jp")
    assert found is not None
    assert found.post == "主任"


async def test_roles_and_addresses_that_the_file_names_replace_what_was_there(
    database: Database, bring_in: Importer
) -> None:
    heading = "職員番号,氏名,所属,役割,ログインID"
    await bring_in(f"{heading}\n1,山田,総務部/総務課,本部; sender@総務部,a\n2,鈴木,総務部/総務課,,b\n")
    await bring_in(f"{heading}\n1,山田,総務部/総務課,sender@総務部/総務課,b\n2,鈴木,総務部/総務課,管理者,a\n")
    async with database.snapshot() as db:
        one, other = await member_at(db, "logochat", "b"), await member_at(db, "logochat", "a")
        assert one is not None
        assert other is not None
        assert (one.code, *one.roles, other.code, *other.roles) == ("1", "2", "administrator")
        ((role, limit),) = one.limited
        assert role == "sender"
        assert limit == await db.scalar(select(departments.c.id).where(departments.c.name == "総務課"))
    await bring_in(f"{heading}\n1,山田,総務部/総務課,,\n2,鈴木,総務部/総務課,管理者,a\n")
    async with database.snapshot() as db:
        assert await member_at(db, "logochat", "b") is None
        assert await db.scalar(select(func.count()).select_from(member_roles)) == 1


async def test_a_role_in_a_department_that_is_nowhere_is_a_problem(database: Database) -> None:
    with pytest.raises(BrokenRoster) as caught:
        await plan_of(database, "職員番号,氏名,所属,権限\n1,山田,総務部,sender@市民部\n")
    assert [(p.row, p.column, p.key) for p in caught.value.problems] == [(2, "権限", "roster.unknown_limit")]


async def test_who_leaves_loses_rights_and_who_takes_over_the_address_has_it(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    heading = "職員番号,氏名,所属,役割,ログインID"
    await bring_in(f"{heading}\n1,山田,総務部,管理者,a\n2,鈴木,総務部,,b\n")
    await bring_in(f"{heading}\n2,鈴木,総務部,,b\n3,佐藤,総務部,,a\n")
    async with database.snapshot() as db:
        found = await member_at(db, "logochat", "a")
        assert found is not None
        assert found.code == "3"
    await bring_in("職員番号,氏名,所属\n1,山田,総務部\n2,鈴木,総務部\n3,佐藤,総務部\n")
    async with database.snapshot() as db:
        back = await member_by_code(db, "1")
        assert back is not None
        assert back.roles == frozenset()
    for _ in range(3):
        await undo_last(database, clock)
    assert await people(database) == []


async def test_staff_numbers_that_lost_their_zeros_are_recognised(database: Database, bring_in: Importer) -> None:
    await bring_in(FIRST)
    with pytest.raises(BrokenRoster) as caught:
        await plan_of(database, FIRST.replace("\n000", "\n"))
    assert len(caught.value.problems) == 6
    assert caught.value.problems[0].values == {"value": "1", "expected": "0001"}


async def test_a_file_that_would_remove_more_than_a_fifth_needs_an_explicit_word(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in(FIRST)
    before = await people(database)
    for text in (f"{HEADINGS}\n", FIRST.split("0005", maxsplit=1)[0]):
        shown = await plan_of(database, text)
        assert shown.many_leave
        with pytest.raises(Refused, match="many_leave"):
            await apply_plan(database, clock, shown)
        assert await people(database) == before
    await apply_plan(database, clock, shown, many_may_leave=True)
    assert len(await people(database)) == 4


async def test_a_fifth_and_no_more_may_leave_without_a_word(database: Database, bring_in: Importer) -> None:
    await bring_in(f"{HEADINGS}\n" + "".join(f"{n},人{n},総務部,\n" for n in range(1, 6)))
    assert not (
        await plan_of(database, f"{HEADINGS}\n" + "".join(f"{n},人{n},総務部,\n" for n in range(1, 5)))
    ).many_leave


async def test_a_directory_that_changed_since_the_difference_was_shown_is_refused(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in(FIRST)
    shown = await plan_of(database, FIRST.replace("係長", "課長"))
    async with database.transaction() as db:
        await db.execute(update(members).where(members.c.code == "0006").values(post="主査"))
    with pytest.raises(Refused, match="changed_meanwhile"):
        await apply_plan(database, clock, shown)
    await apply_plan(database, clock, await plan_of(database, FIRST.replace("係長", "課長")))


async def test_two_who_confirm_at_once_import_once(database: Database, clock: ManualClock) -> None:
    shown = await plan_of(database, FIRST)
    results = await asyncio.gather(*(apply_plan(database, clock, shown) for _ in range(4)), return_exceptions=True)
    assert sorted(str(getattr(result, "key", result)) for result in results) == ["1", *["roster.changed_meanwhile"] * 3]
    async with database.snapshot() as db:
        assert await db.scalar(select(func.count()).select_from(roster_imports)) == 1
        assert await db.scalar(select(func.count()).select_from(members)) == 6


async def test_two_who_undo_at_once_undo_once(database: Database, bring_in: Importer, clock: ManualClock) -> None:
    await bring_in(FIRST)
    results = await asyncio.gather(*(undo_last(database, clock) for _ in range(3)), return_exceptions=True)
    assert sorted(str(getattr(result, "key", result)) for result in results) == ["1", *["roster.nothing_to_undo"] * 2]


async def test_a_platform_that_lost_somebody_is_no_change_of_the_directory(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in("職員番号,氏名,所属,ログインID\n1,山田,総務部,a\n")
    shown = await plan_of(database, "職員番号,氏名,所属,役職\n1,山田,総務部,部長\n")
    async with database.transaction() as db:
        await db.execute(update(addresses).values(reachable=False))
    await apply_plan(database, clock, shown)
    async with database.snapshot() as db:
        assert not await db.scalar(select(addresses.c.reachable))


async def test_an_import_of_the_same_is_refused(database: Database, bring_in: Importer, clock: ManualClock) -> None:
    await bring_in(FIRST)
    with pytest.raises(Refused, match="nothing_to_do"):
        await apply_plan(database, clock, await plan_of(database, FIRST))


async def test_imports_and_their_undoing_are_in_the_audit(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in(FIRST)
    await undo_last(database, clock)
    async with database.snapshot() as db:
        rows = (await db.execute(select(audit.audit_log).order_by(audit.audit_log.c.seq))).all()
        assert [(row.actor, row.action, row.subject) for row in rows] == [
            ("0001", "roster.imported", "roster:1"),
            ("0001", "roster.undone", "roster:1"),
        ]
        assert '"joins":6' in rows[0].details
        assert (await audit.verify(db)).ok


async def test_a_new_department_gets_a_code_of_its_own_when_an_older_one_keeps_it(
    database: Database, bring_in: Importer
) -> None:
    async with database.transaction() as db:
        await db.execute(
            insert(departments), [{"code": "総務部", "name": "旧総務部"}, {"code": "総務部#2", "name": "旧"}]
        )
    await bring_in(FIRST)
    async with database.snapshot() as db:
        assert await db.scalar(select(departments.c.code).where(departments.c.name == "総務部")) == "総務部#3"
    assert (await plan_of(database, FIRST)).empty


async def test_a_department_that_is_its_own_ancestor_stops_nothing(database: Database, bring_in: Importer) -> None:
    await bring_in(FIRST)
    async with database.transaction() as db:
        await db.execute(update(departments).where(departments.c.code == "市民部").values(parent_id=departments.c.id))
        await db.execute(delete(member_roles))
    assert (await plan_of(database, FIRST)).empty


async def test_a_role_limited_to_a_department_that_is_gone_never_comes_back_as_one_that_holds_everywhere(
    database: Database, bring_in: Importer
) -> None:
    await bring_in(FIRST)
    async with database.transaction() as db:
        first = await db.scalar(select(func.min(members.c.id)))
        await db.execute(insert(member_roles).values(member_id=first, role="sender", department_id=99))
    async with database.snapshot() as db:
        exported = to_csv(await staff(db))
    with pytest.raises(BrokenRoster, match="unknown_limit"):
        await plan_of(database, exported)


# ---------------------------------------------------------------------- undo


async def test_undoing_brings_everybody_back_to_what_they_were(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    heading = "職員番号,氏名,所属,役割,ログインID"
    await bring_in(f"{heading}\n1,山田,総務部,管理者,a\n2,鈴木,総務部,,b\n3,佐藤,市民部,sender@市民部,\n")
    before = await people(database)
    await bring_in(f"{heading}\n1,山田 花子,市民部,,b\n2,鈴木,総務部,管理者,a\n4,新人,新設課,本部,c\n")
    assert await people(database) != before
    assert await undo_last(database, clock) == 2
    assert await people(database) == before
    async with database.snapshot() as db:
        assert await member_by_code(db, "4") is None
        assert await member_at(db, "logochat", "c") is None
        last = await last_import(db)
        assert last is not None
        assert (last.id, last.joins, last.file_name, last.at) == (1, 3, "名簿.csv", clock.now())
    await undo_last(database, clock)
    assert await people(database) == []
    with pytest.raises(Refused, match="nothing_to_undo"):
        await undo_last(database, clock)


async def test_an_import_on_which_a_later_one_stands_is_not_undone(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in(FIRST)
    await bring_in(FIRST.replace("係長", "課長"))
    before = await people(database)
    with pytest.raises(Refused, match="later_import"):
        await undo_last(database, clock, import_id=1)
    assert await people(database) == before
    assert await undo_last(database, clock, import_id=2) == 2
    assert await undo_last(database, clock, import_id=1) == 1


@pytest.mark.parametrize("change", ["row", "role", "address", "gone"])
async def test_an_import_whose_people_were_changed_since_is_not_undone(
    database: Database, bring_in: Importer, clock: ManualClock, change: str
) -> None:
    await bring_in(FIRST)
    async with database.transaction() as db:
        member_id = await db.scalar(select(members.c.id).where(members.c.code == "0002"))
        match change:
            case "row":
                await db.execute(update(members).where(members.c.id == member_id).values(post="課長"))
            case "role":
                await db.execute(insert(member_roles).values(member_id=member_id, role="headquarters"))
            case "address":
                await db.execute(insert(addresses).values(member_id=member_id, adapter="logochat", address="x"))
            case _:
                await db.execute(delete(members).where(members.c.id == member_id))
    with pytest.raises(Refused, match="changed_since") as caught:
        await undo_last(database, clock)
    assert caught.value.values == {"id": 1, "count": 1, "names": "鈴木"}


async def test_an_address_that_was_given_away_since_is_not_taken_back(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in("職員番号,氏名,所属,ログインID\n1,山田,総務部,a\n2,鈴木,総務部,\n")
    await bring_in("職員番号,氏名,所属,ログインID\n1,山田,総務部,\n2,鈴木,総務部,\n")
    async with database.transaction() as db:
        second = await db.scalar(select(members.c.id).where(members.c.code == "2"))
        await db.execute(insert(addresses).values(member_id=second, adapter="logochat", address="a"))
    with pytest.raises(Refused, match="changed_since") as caught:
        await undo_last(database, clock)
    assert caught.value.values["names"] == "鈴木"


# ----------------------------------------------------------------- the April


def april(year: int, count: int) -> str:
    """Each year every department has a new name and everybody another one of thirty."""
    lines = ["職員番号,氏名,フリガナ,部,課,係,役職,級,メールアドレス"]
    for number in range(count):
        place = (number * 7 + year) % 30
        department = f"{year}年{place % 5}部,{place % 10}課,{place}係"
        lines.append(f"{number:05},職員{number},ショクイン,{department},主事,{number % 9},s{number}@example.jp")
    return "\n".join(lines)


async def test_the_april_reorganisation_of_1200_is_one_import_and_can_be_undone(
    database: Database, bring_in: Importer, clock: ManualClock
) -> None:
    await bring_in(april(2023, 1200))
    before = await people(database)
    intended = await bring_in(april(2024, 1200))
    assert len(intended.moves) == 1200
    assert not intended.many_leave
    assert len(intended.departments_made) == len(intended.departments_emptied) == 5 + 10 + 30
    after = await people(database)
    assert {person["department"][0] for person in after} == {f"2024年{n}部" for n in range(5)}
    await undo_last(database, clock)
    assert await people(database) == before


async def test_ten_thousand_are_imported_by_a_handful_of_statements(database: Database, bring_in: Importer) -> None:
    statements: list[str] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def count(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    await bring_in(april(2024, 10_000))
    assert len(statements) < 60
    assert len(await people(database)) == 10_000


# ---------------------------------------------------------------- round trip

letters = st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn", "Zl", "Zp"], exclude_characters="\ufffd")
texts = st.text(letters, max_size=12).map(str.strip)
names = texts.filter(bool)
levels = names.map(lambda name: SEPARATORS.sub("", SEPARATORS.sub("", name)).strip("\ufeff\u200b\u2060 \t\r\n\u3000"))
persons = st.fixed_dictionaries(
    {
        "name": names,
        "kana": texts,
        "department": st.lists(levels.filter(bool), min_size=1, max_size=3).map("/".join),
        "post": texts | st.sampled_from(["=1+1", "'=x", "-", "@係長", "＋"]),
        "rank": st.integers(0, 999),
        "email": st.sampled_from([None, "a@example.jp"]),
        "roles": st.lists(st.sampled_from(["headquarters", "approver"]), unique=True),
        "address": texts,
    }
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=st.lists(persons, max_size=6), as_csv=st.booleans())
async def test_an_export_imports_back_without_a_difference(
    database: Database, rows: list[dict[str, Any]], *, as_csv: bool
) -> None:
    async with database.engine.connect() as db:
        await db.execution_options(kairanban_writes=True)
        await save(
            db,
            [
                Entry(
                    code=f"{number:04}",
                    addresses={"logochat": f"{number}{row['address']}"} if row["address"] else {},
                    **{key: value for key, value in row.items() if key != "address"},
                )
                for number, row in enumerate(rows)
            ],
        )
        exported = await staff(db)
        roster = read(to_csv(exported) if as_csv else to_xlsx(exported), "名簿")
        difference = await plan(db, roster)
        assert difference.empty, difference
        assert difference.unchanged == len(rows)
        await db.rollback()


async def test_an_export_opens_in_excel_with_bom_and_harmless_cells(database: Database, bring_in: Importer) -> None:
    await bring_in(f'{HEADINGS},フリガナ\n0001,"=HYPERLINK(""x"")",総務部,-,@a\n')
    async with database.snapshot() as db:
        data = to_csv(await staff(db))
        assert (await load(db)).members["0001"].person.name == '=HYPERLINK("x")'
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.decode("utf-8-sig").split("\r\n")[1].startswith('"0001","\'=HYPERLINK(""x"")","\'@a","総務部","\'-"')


# -------------------------------------------------------------------- groups


GROUPED = """職員番号,氏名,所属,グループ
1,青木,総務課,災害連絡用・消防団
2,井上,税務課,"消防団、
水防団"
3,上田,税務課,
"""


async def groups_of(database: Database) -> dict[str, set[str]]:
    query = (
        select(members.c.code, groups.c.name)
        .join(group_members, group_members.c.member_id == members.c.id)
        .join(groups, groups.c.id == group_members.c.group_id)
    )
    found: dict[str, set[str]] = {}
    async with database.snapshot() as db:
        for row in await db.execute(query):
            found.setdefault(row.code, set()).add(row.name)
    return found


FIRST_GROUPS = {"1": {"災害連絡用", "消防団"}, "2": {"消防団", "水防団"}}


async def test_a_column_of_groups_is_imported_shown_and_undone(
    database: Database, clock: ManualClock, bring_in: Importer
) -> None:
    await bring_in(GROUPED)
    assert await groups_of(database) == FIRST_GROUPS
    changed = GROUPED.replace("災害連絡用・消防団", "災害連絡用；避難所班").replace('"消防団、\n水防団"', "")
    intended = await plan_of(database, changed)
    said = "\n".join(describe(intended, Texts("bot.roster")))
    assert "グループ「消防団; 災害連絡用」→「災害連絡用; 避難所班」" in said
    assert "グループ「水防団; 消防団」→「なし」" in said
    number = await apply_plan(database, clock, intended)
    assert await groups_of(database) == {"1": {"災害連絡用", "避難所班"}}
    await undo_last(database, clock, number)
    assert await groups_of(database) == FIRST_GROUPS


async def test_groups_stay_as_they_are_where_a_file_does_not_speak_of_them(
    database: Database, bring_in: Importer
) -> None:
    await bring_in(GROUPED)
    await bring_in("職員番号,氏名,所属\n1,青木,税務課\n2,井上,税務課\n3,上田,税務課\n")
    assert await groups_of(database) == FIRST_GROUPS


async def test_whoever_leaves_is_in_no_group_and_is_in_theirs_again_when_it_is_undone(
    database: Database, clock: ManualClock, bring_in: Importer
) -> None:
    await bring_in(GROUPED)
    await bring_in("職員番号,氏名,所属\n2,井上,税務課\n")
    assert await groups_of(database) == {"2": {"消防団", "水防団"}}
    await undo_last(database, clock)
    assert await groups_of(database) == FIRST_GROUPS


async def test_a_change_of_groups_between_preview_and_import_is_noticed(
    database: Database, clock: ManualClock, bring_in: Importer
) -> None:
    await bring_in(GROUPED)
    intended = await plan_of(database, GROUPED.replace("上田", "植田"))
    async with database.transaction() as db:
        await named_groups.remove(db, "消防団", [(await load(db)).members["1"].id])
    with pytest.raises(Refused, match=r"roster\.changed_meanwhile"):
        await apply_plan(database, clock, intended)


def test_a_group_with_too_long_a_name_is_named_by_row_and_column() -> None:
    with pytest.raises(BrokenRoster) as caught:
        read(f"職員番号,氏名,所属,グループ\n1,青木,総務課,消防団・{'あ' * 41}\n".encode(), "x.csv")
    (line,) = describe_problems(caught.value, Texts("bot.roster"))[1:]
    assert "行2・列「グループ」" in line


NAMES = st.text("消防団・、;, 女aA「", min_size=1, max_size=6).filter(lambda name: bool(name.strip()))


@given(st.frozensets(NAMES, max_size=4))
def test_groups_are_read_as_they_are_shown(names: frozenset[str]) -> None:
    known = {folded(name) for name in names}
    assert parse_groups(show_groups(known)) == known
