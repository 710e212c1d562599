"""Whatever a roster names can be addressed in the chat as it is shown, and as people's keyboards write it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot import groups
from bot.clock import SystemClock
from bot.directory import Entry, save
from bot.folding import fold
from bot.roster import apply, plan, read_file
from bot.storage import Database
from bot.tables import departments, members
from broadcasts.audience import select_members
from broadcasts.naming import AmbiguousName, name_lengths, named, words_in
from handlers.wishes import names_joined, parse

TWINS = Path(__file__).parents[1] / "roster" / "cases" / "roster_twins.csv"
NAMES = [
    "福\ufa1b田課",
    "ｶﾞﾙｼｱ ﾏﾘｱ",
    "Ｊｏｈｎ　Ｓｍｉｔｈ",
    "佐藤（旧姓　鈴木） 花子",
    "㈱水道サービス",
    "№3ポンプ場",
    "葛\U000e0100城 太郎",
    "統括部か\u3099",
    "R&D 室",
    "市民課 （本庁）",
    "A‐1班",
    "10～12班",
    "総務部\u200b",
    "DX 推進 センター",
    "髙橋・﨑山",
    "@home班",
]


async def sent_to(database: Database, arguments: str) -> tuple[set[str], str]:
    """Whom `/一斉` with these words means, by staff number, and the text that is left."""
    async with database.snapshot() as db:
        wish = parse(names_joined(arguments, await name_lengths(db, arguments)))
        found = select_members(await named(db, wish.included, wish.excluded))
        return set(await db.scalars(select(members.c.code).where(members.c.id.in_(found)))), wish.text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["name", "department", "post", "group"])
async def test_everything_with_a_name_is_addressed_as_the_roster_shows_it(
    database: Database, name: str, kind: str
) -> None:
    async with database.transaction() as db:
        entry = {"code": "7", "name": "青木", "department": "総務課", "post": ""}
        if kind != "group":
            entry[kind] = name
        await save(db, [Entry(**entry), Entry(code="8", name="井上", department="税務課")])  # type: ignore[arg-type] # texts
        if kind == "group":
            member_id = (await db.scalars(select(members.c.id).where(members.c.code == "7"))).one()
            await groups.add(db, name, [member_id])
    typed = [name, unicodedata.normalize("NFKC", name), f"\u200b{name}"]
    for word in typed:
        text = "7 時に\n\n集合 @税務課"
        assert await sent_to(database, f"訓練 @{word}　-@税務課 {text}") == ({"7"}, text)


letters = st.sampled_from("総務部課ガか\u3099ｶﾞＡaB１（）()・-ー　 &/㈱№\ufa1b")
texts = st.text(letters, min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(texts.filter(lambda name: fold(name) not in {"/", "&"}), min_size=1, max_size=4, unique_by=fold))
async def test_every_name_that_a_roster_can_hold_can_be_addressed(database: Database, found: list[str]) -> None:
    async with database.engine.connect() as db:
        await db.execution_options(kairanban_writes=True)
        await save(db, [Entry(code=f"x{n}", name=name, department="総合窓口") for n, name in enumerate(found)])
        length = await name_lengths(db)
        for number, name in enumerate(found):
            wish = parse(names_joined(f"@{name} です", length))
            assert wish.text == "です"
            meant = set(await db.scalars(select_members(await named(db, wish.included))))
            query = select(members.c.id).where(members.c.code == f"x{number}")
            assert meant == set(await db.scalars(query))
        await db.rollback()


async def test_of_twins_in_the_directory_each_is_addressed_in_its_own_spelling(database: Database) -> None:
    async with database.transaction() as db:
        people = [("1", "ＤＸ課"), ("2", "DX課"), ("3", "総務課")]
        await save(db, [Entry(code=code, name=f"職員{code}", department=name) for code, name in people])
    assert (await sent_to(database, "@ＤＸ課 a"))[0] == {"1"}
    assert (await sent_to(database, "@DX課 a"))[0] == {"2"}
    async with database.snapshot() as db:
        with pytest.raises(AmbiguousName):
            await named(db, ["dx課"])


async def test_everybody_of_a_roster_of_twins_is_reached_by_the_department_as_shown(database: Database) -> None:
    async with database.transaction() as db:
        await apply(db, SystemClock(), await plan(db, read_file(TWINS)), by="1")
        shown = list(await db.scalars(select(departments.c.name).where(departments.c.parent_id.is_(None))))
    assert len(shown) == 4
    assert (await sent_to(database, "@総務部 a"))[0] == {"100002", "100003"}
    assert (await sent_to(database, "@dx推進部 a"))[0] == {"100004", "100005"}
    assert (await sent_to(database, "@統括部が a"))[0] == {"100006", "100007"}


async def test_a_name_with_blanks_is_one_word_of_a_list_of_names(database: Database) -> None:
    async with database.transaction() as db:
        await save(db, [Entry(code="1", name="青木　一郎", department="DX 推進室")])
    async with database.snapshot() as db:
        assert await words_in(db, "追加 消防団 @青木 一郎 DX　推進室 税務課") == [
            *("追加", "消防団", "@青木 一郎", "DX　推進室", "税務課")
        ]


async def test_a_name_in_the_text_stays_as_it_was_typed(database: Database) -> None:
    async with database.transaction() as db:
        await save(db, [Entry(code="1", name="青木 一郎", department="総務課")])
    text = "連絡は @青木 一郎 まで"
    assert await sent_to(database, f"@青木　一郎 {text}") == ({"1"}, text)
    assert await sent_to(database, "@総務課\n\n@青木 一郎 へ") == ({"1"}, "@青木 一郎 へ")
