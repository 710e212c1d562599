"""The algebra of audiences: what the database finds is what sets would say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot import directory
from bot.directory import Entry
from bot.storage import Database
from bot.tables import departments, group_members, groups, member_roles, members
from broadcasts.audience import (
    AUDIENCE,
    EVERYONE,
    Audience,
    Both,
    Departments,
    Either,
    Everyone,
    Groups,
    Members,
    PostAndAbove,
    Posts,
    Roles,
    Without,
    select_members,
    standing_audience,
    standing_key,
)
from broadcasts.fanout import fingerprint
from broadcasts.naming import AmbiguousName, UnknownName, named
from tests.databases import empty_database

unhurried = settings(deadline=None, max_examples=40)
"""A database on a busy machine may take its time over one example."""

TREE = {1: None, 2: 1, 3: 1, 4: 2, 5: None}
PEOPLE = {number: number % 5 + 1 for number in range(1, 16)}
ROLES = {"liaison": {2, 7, 9}, "fire brigade": {3, 9}}
LEFT = {15}
POSTS = {1: "部長", 2: "課長", 3: "課長", 4: "主任", 7: "主任", 15: "課長"}
RANKS = {1: 7, 2: 5, 3: 6, 4: 3, 6: 6, 7: 0, 15: 1}
GROUPS = {1: {2, 5, 9}, 2: {9, 15}}

leaves: st.SearchStrategy[Audience] = st.one_of(
    st.just(EVERYONE),
    st.builds(Departments, ids=st.lists(st.sampled_from(sorted(TREE)), min_size=1, max_size=3).map(tuple)),
    st.builds(Members, ids=st.lists(st.integers(1, 18), min_size=1, max_size=5).map(tuple)),
    st.builds(Posts, names=st.lists(st.sampled_from(["部長", "課長", "主任"]), min_size=1).map(tuple)),
    st.builds(PostAndAbove, post=st.sampled_from(["部長", "課長", "主任", "町長"])),
    st.builds(Groups, ids=st.lists(st.sampled_from(sorted(GROUPS)), min_size=1).map(tuple)),
    st.builds(Roles, names=st.lists(st.sampled_from(sorted(ROLES)), min_size=1).map(tuple)),
)
audiences: st.SearchStrategy[Audience] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Either, parts=st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Both, parts=st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Without, base=inner, excluded=inner),
    ),
    max_leaves=8,
)


def below(department: int) -> set[int]:
    return {department}.union(*(below(child) for child, parent in TREE.items() if parent == department))


def meant(audience: Audience) -> set[int]:
    """The same algebra over Python's sets."""
    match audience:
        case Everyone():
            return set(PEOPLE)
        case Departments(ids=ids):
            under = set[int]().union(*map(below, ids))
            return {person for person, department in PEOPLE.items() if department in under}
        case Members(ids=ids):
            return set(ids)
        case Roles(names=names):
            return set[int]().union(*(ROLES[name] for name in names))
        case Posts(names=names):
            return {person for person, post in POSTS.items() if post in names}
        case PostAndAbove(post=post):
            holders = {person for person, held in POSTS.items() if held == post}
            floor = min((RANKS[person] for person in holders - LEFT if RANKS[person]), default=99)
            return holders | {person for person, rank in RANKS.items() if rank >= floor}
        case Groups(ids=ids):
            return set[int]().union(*(GROUPS[number] for number in ids))
        case Either(parts=parts):
            return set[int]().union(*map(meant, parts))
        case Both(parts=parts):
            return set.intersection(*map(meant, parts))
        case Without(base=base, excluded=excluded):
            return meant(base) - meant(excluded)


@dataclass
class City:
    runner: asyncio.Runner
    database: Database

    def find(self, audience: Audience) -> set[int]:
        async def look() -> set[int]:
            async with self.database.snapshot() as db:
                found: list[int] = [row.id for row in await db.execute(select_members(audience))]
            assert len(found) == len(set(found))
            return set(found)

        return self.runner.run(look())

    def name(self, audience: Audience) -> str:
        async def look() -> str:
            async with self.database.snapshot() as db:
                return await fingerprint(db, audience, None, ())

        return self.runner.run(look())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def city(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with asyncio.Runner() as runner:
        manager: Any = empty_database(request.param, Path(tmp_path_factory.mktemp("city")))
        database: Database = runner.run(manager.__aenter__())
        runner.run(_settle(database))
        yield City(runner, database)
        runner.run(manager.__aexit__(None, None, None))


async def _settle(database: Database) -> None:
    async with database.transaction() as db:
        for number in TREE:
            await directory.save(db, [Entry(code=f"first-{number}", name="x", department=f"課{number}")])
        await db.execute(members.delete())
        for child, parent in TREE.items():
            await db.execute(update(departments).where(departments.c.id == child).values(parent_id=parent))
        for number, department in PEOPLE.items():
            await db.execute(
                members.insert().values(
                    id=number,
                    code=f"{number}",
                    name="同姓" if number in {4, 5} else f"氏名{number}",
                    department_id=department,
                    active=number not in LEFT,
                    post=POSTS.get(number, ""),
                    rank=RANKS.get(number, 0),
                )
            )
            for role, holders in ROLES.items():
                if number in holders:
                    await db.execute(member_roles.insert().values(member_id=number, role=role))
        for group, people in GROUPS.items():
            await db.execute(groups.insert().values(id=group, name=("災害連絡用", "主任")[group - 1]))
            for person in people:
                await db.execute(group_members.insert().values(group_id=group, member_id=person))


@unhurried
@given(audience=audiences)
def test_the_database_finds_what_the_sets_say(city: City, audience: Audience) -> None:
    assert city.find(audience) == (meant(audience) & set(PEOPLE)) - LEFT


@unhurried
@given(audience=audiences)
def test_an_audience_survives_being_stored(audience: Audience) -> None:
    assert AUDIENCE.validate_json(AUDIENCE.dump_json(audience)) == audience


@unhurried
@given(one=audiences, other=audiences)
def test_a_fingerprint_names_the_people_and_not_the_way_of_saying_it(
    city: City, one: Audience, other: Audience
) -> None:
    assert (city.name(one) == city.name(other)) == (city.find(one) == city.find(other))


@unhurried
@given(one=leaves, other=leaves)
def test_operators_say_what_they_look_like(city: City, one: Audience, other: Audience) -> None:
    assert city.find(one | other) == city.find(one) | city.find(other)
    assert city.find(one & other) == city.find(one) & city.find(other)
    assert city.find(one - other) == city.find(one) - city.find(other)


def test_only_all_staff_and_single_departments_have_rooms() -> None:
    for audience in (EVERYONE, Departments(ids=(7,))):
        key = standing_key(audience)
        assert key is not None
        assert standing_audience(key) == audience
    assert standing_key(Departments(ids=(7, 8))) is None
    assert standing_key(EVERYONE - Members(ids=(1,))) is None


@pytest.mark.parametrize("written", ["長谷川典子", "職員：長谷川典子"])
@pytest.mark.parametrize("space", [" ", "\u3000"])
def test_a_person_is_named_without_the_space_that_rosters_have_in_names(city: City, written: str, space: str) -> None:
    async def look() -> Audience:
        async with city.database.transaction() as db:
            await db.execute(update(members).where(members.c.id == 9).values(name=f"長谷川{space}典子"))
            found = await named(db, [written])
            await db.execute(update(members).where(members.c.id == 9).values(name="氏名9"))
            return found

    assert city.runner.run(look()) == Members(ids=(9,))


def test_people_name_departments_and_members(city: City) -> None:
    async def by_name(*included: str, excluded: tuple[str, ...] = ()) -> Audience:
        async with city.database.snapshot() as db:
            return await named(db, included, excluded)

    assert city.runner.run(by_name()) == EVERYONE
    assert city.runner.run(by_name("課2", "課3")) == Departments(ids=(2, 3))
    assert city.runner.run(by_name("課2", "7")) == Either(parts=(Departments(ids=(2,)), Members(ids=(7,))))
    assert city.runner.run(by_name("氏名9")) == Members(ids=(9,))
    assert city.find(city.runner.run(by_name(excluded=("課1",)))) == {
        number for number in set(PEOPLE) - LEFT if PEOPLE[number] == 5
    }


@pytest.mark.parametrize(("name", "near"), [("課11", "課1"), ("XYZ", None), ("課長以下", "課長以上")])
def test_a_name_for_nobody_is_an_error_that_knows_the_nearest(city: City, name: str, near: str | None) -> None:
    async def look() -> Audience:
        async with city.database.snapshot() as db:
            return await named(db, [name])

    with pytest.raises(UnknownName) as error:
        city.runner.run(look())
    assert error.value.name == name
    assert (near in error.value.near) if near else error.value.key == "refused.unknown_name"
    assert "氏名15" not in error.value.near


@pytest.mark.parametrize(
    ("name", "audience"),
    [
        ("全職員", EVERYONE),
        ("課長以上", PostAndAbove(post="課長")),
        ("課長＋", PostAndAbove(post="課長")),
        ("課長", Posts(names=("課長",))),
        ("災害連絡用", Groups(ids=(1,))),
        ("グループ：主任", Groups(ids=(2,))),
        ("役職:主任", Posts(names=("主任",))),
        ("課1/課2/課4", Departments(ids=(4,))),
        ("災害対策本部", Roles(names=("headquarters",))),
        ("課1&課長以上", Both(parts=(Departments(ids=(1,)), PostAndAbove(post="課長")))),
    ],
)
def test_people_name_posts_ranks_groups_roles_and_what_they_share(city: City, name: str, audience: Audience) -> None:
    async def look() -> Audience:
        async with city.database.snapshot() as db:
            return await named(db, [name])

    assert city.runner.run(look()) == audience


def test_a_word_for_a_group_and_a_post_is_not_guessed(city: City) -> None:
    async def look() -> Audience:
        async with city.database.snapshot() as db:
            return await named(db, [], ["主任"])

    with pytest.raises(AmbiguousName) as error:
        city.runner.run(look())
    assert set(error.value.choices) == {"グループ:主任", "役職:主任"}


def test_a_name_for_several_is_an_error_with_words_that_name_one(city: City) -> None:
    async def look(name: str) -> Audience:
        async with city.database.snapshot() as db:
            return await named(db, [name])

    with pytest.raises(AmbiguousName) as error:
        city.runner.run(look("同姓"))
    assert [city.runner.run(look(choice)) for choice in error.value.choices] == [Members(ids=(4,)), Members(ids=(5,))]


def test_a_circle_in_the_tree_ends(city: City) -> None:
    async def tie(parent: int | None) -> None:
        async with city.database.transaction() as db:
            await db.execute(update(departments).where(departments.c.id == 1).values(parent_id=parent))

    city.runner.run(tie(4))
    try:
        assert city.find(Departments(ids=(4,))) == {n for n, d in PEOPLE.items() if d != 5} - LEFT
    finally:
        city.runner.run(tie(None))


def test_the_statement_asks_for_ids_alone() -> None:
    assert [column.name for column in select_members(EVERYONE).selected_columns] == ["id"]
