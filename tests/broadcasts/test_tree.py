"""A notice by department tree: every level with everybody below it, looked into from the chat."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from bot.directory import HEADQUARTERS, Entry
from bot.storage import Database
from bot.tables import departments
from broadcasts.tree import Branch, branches, counts, found, subtree
from tests.broadcasts.support import city_hall, entry
from tests.broadcasts.test_chat import chat

PLACES = {"河川係": "土木課", "道路係": "土木課", "土木課": "建設部", "総務課": "総務部"}
PEOPLE = [
    entry("hq", "総務課", roles=[HEADQUARTERS]),
    entry("b1", "建設部"),
    entry("k1", "河川係"),
    entry("k2", "河川係"),
    entry("d1", "道路係"),
    entry("d2", "道路係", reachable=False),
    entry("x", "土木課"),
    entry("s", "総務部"),
]


async def plant(database: Database) -> None:
    async with database.transaction() as db:
        ids = {row.name: row.id for row in await db.execute(select(departments.c.name, departments.c.id))}
        for name, above in PLACES.items():
            if name in ids and above in ids:
                await db.execute(update(departments).where(departments.c.id == ids[name]).values(parent_id=ids[above]))


async def test_every_level_counts_everybody_below_it(database: Database) -> None:
    async with city_hall(database, PEOPLE) as hall:
        await plant(database)
        number = await hall.send()
        await hall.quiet()
        await hall.read("k1", reference=f"broadcast:{number}")
        await hall.read("b1", reference=f"broadcast:{number}")
        async with database.snapshot() as db:
            tree = await branches(db, await counts(db, number))
        seen = {"/".join(each.path): (each.depth, each.read, each.recipients, each.own) for each in tree}
        assert seen == {
            "建設部": (0, 2, 6, 1),
            "建設部/土木課": (1, 1, 5, 1),
            "建設部/土木課/河川係": (2, 1, 2, 2),
            "建設部/土木課/道路係": (2, 0, 2, 2),
            "総務部": (0, 0, 2, 1),
            "総務部/総務課": (1, 0, 1, 1),
        }
        assert [each.path[0] for each in tree if each.depth == 0] == ["建設部", "総務部"]
        assert tree[0].unread == 4
        status = await hall.broadcasts.status(number)
        assert (status.recipients, status.read) == (8, 2)
        within = [each.id for each in subtree(tree, found(tree, "土木課")[0])]
        assert sorted(each.name for each in await hall.broadcasts.unread(number, within)) == [
            "職員d1",
            "職員d2",
            "職員k2",
            "職員x",
        ]


def branch(*path: str) -> Branch:
    return Branch(1, path[-1], path, len(path) - 1, 1, 0, 1)


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        ("総務係", [("市民部", "総務係"), ("建設部", "総務係")]),
        ("市民部/総務係", [("市民部", "総務係")]),
        ("市民部／総務係", [("市民部", "総務係")]),
        ("市民部", [("市民部",)]),
        ("税務課", []),
        ("/", []),
    ],
)
def test_a_department_is_found_by_its_name_or_its_path(wanted: str, paths: list[tuple[str, ...]]) -> None:
    tree = [branch("市民部"), branch("市民部", "総務係"), branch("建設部"), branch("建設部", "総務係")]
    assert [each.path for each in found(tree, wanted)] == paths


def worker(code: str, department: str, *roles: str) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"fake": code})


async def test_the_headquarters_looks_into_a_department() -> None:
    people = [
        worker("hq", "総務課", HEADQUARTERS),
        worker("k1", "河川係"),
        worker("d1", "道路係"),
        worker("x", "土木課"),
    ]
    async with chat(people) as harness:
        await plant(harness.database)
        preview = await harness.say("hq", "/一斉 緊急 堤防が切れました。")
        await harness.press("hq", preview, preview.buttons[0].label)
        notice = next(message for message in harness.sent if message.reference == "broadcast:1")
        await harness.read("k1", notice)
        whole = (await harness.say("hq", "/既読 1")).text
        assert "・土木課 1／3人（33%）\n　・河川係 1／1人（100%）\n　・道路係 0／1人（0%）" in whole
        inside = (await harness.say("hq", "/既読 1 土木課")).text
        assert inside.startswith("番号 1・土木課：既読 1／3人（33%）、未読 2人")
        assert "\n・道路係 0／1人（0%）" in inside
        assert "総務課" not in inside
        names = (await harness.say("hq", "/既読 1 @土木課 未読")).text
        assert "職員d1" in names
        assert "職員x" in names
        assert "職員k1" not in names
        assert "見つかりません" in (await harness.say("hq", "/既読 1 税務課")).text
        assert "/既読 番号" in (await harness.say("hq", "/既読 1 土木課 総務課")).text
