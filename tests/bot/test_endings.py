"""The end of a handler's work, written with others': one commit for many, and nobody's mistake another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from bot import Address, Message
from bot.activity import Activity
from bot.clock import ManualClock
from bot.endings import AlreadyHandled, Ending, Endings
from bot.errors import ConfigurationError
from bot.messages import Priority
from bot.outbox import Outbox, Outgoing
from bot.storage import Database
from bot.tables import addresses, deliveries, departments, handled_events, members, messages
from bot.testing import FakePlatform
from tests.bot.test_dispatch import said
from tests.databases import Kind, empty_database

CLOCK = ManualClock(datetime(2023, 9, 1, 3, 0, tzinfo=UTC))


def endings(database: Database, time_limit: float = 20) -> Endings:
    outbox = Outbox(database, {"fake": FakePlatform(CLOCK)}, CLOCK, Activity())
    return Endings(database, outbox, CLOCK, time_limit)


def reply(to: str, text: str, key: str, adapter: str = "fake", due_at: datetime | None = None) -> Outgoing:
    return Outgoing(Address(adapter=adapter, kind="person", id=to), Message(text=text), key, due_at=due_at)


async def queued(database: Database) -> list[tuple[str, str, str]]:
    """Whom it goes to, under which key, and what, in the order of sending."""
    async with database.snapshot() as db:
        rows = await db.execute(
            select(deliveries.c.address, deliveries.c.key, messages.c.body)
            .join(messages, messages.c.id == deliveries.c.message_id)
            .order_by(deliveries.c.priority, deliveries.c.due_at, deliveries.c.id)
        )
        return [(row.address, row.key, Message.model_validate_json(row.body).text) for row in rows]


async def noted(database: Database) -> set[str]:
    async with database.snapshot() as db:
        return set(await db.scalars(select(handled_events.c.key)))


async def written(endings: Endings, all_: Sequence[Ending]) -> list[BaseException | None]:
    return await asyncio.gather(*(endings.write(each) for each in all_), return_exceptions=True)


async def test_many_that_end_at_once_are_all_written_and_the_replies_keep_their_order(database: Database) -> None:
    later = CLOCK.now() + timedelta(hours=1)
    many = [
        Ending(said(f"p{n}", "?", key=f"e{n}"), [reply(f"p{n}", "はい", f"a{n}"), reply(f"p{n}", f"{n}", f"b{n}")])
        for n in range(40)
    ]
    many[0].outgoing.append(reply("p0", "あとで", "later", due_at=later))
    assert await written(endings(database), many) == [None] * 40
    assert await noted(database) == {f"e{n}" for n in range(40)}
    expected = [(f"p{n}", key, text) for n in range(40) for key, text in ((f"a{n}", "はい"), (f"b{n}", f"{n}"))]
    assert await queued(database) == [*expected, ("p0", "later", "あとで")]


async def test_what_a_delivery_carries_is_the_same_alone_and_with_others(database: Database) -> None:
    def one(number: int) -> Ending:
        item = Outgoing(
            Address(adapter="fake", kind="room", id="r1"),
            Message(text="参集", reference="broadcast:1"),
            f"k{number}",
            Priority.EMERGENCY,
            "broadcast:1",
            CLOCK.now() + timedelta(minutes=5),
            "token",
        )
        return Ending(said("alice", "?", key=f"e{number}"), [item])

    at_work = endings(database)
    await at_work.write(one(1))
    await written(at_work, [one(2), one(3)])
    columns = [column for column in deliveries.c if column.name not in {"id", "key", "message_id"}]
    async with database.snapshot() as db:
        rows = {tuple(row) for row in await db.execute(select(*columns))}
        bodies = set(await db.scalars(select(messages.c.body)))
    assert len(rows) == len(bodies) == 1


async def test_while_one_commit_is_under_way_the_others_gather_for_the_next(database: Database) -> None:
    at_work = endings(database)
    statements: list[str] = []
    real = Outbox.enqueue_all

    async def counting(self: Outbox, db: object, items: Sequence[Outgoing]) -> None:
        statements.append(",".join(item.key for item in items))
        await real(self, db, items)  # type: ignore[arg-type] # passed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "enqueue_all", counting)
        many = [Ending(said(f"p{n}", "?"), [reply(f"p{n}", "はい", f"a{n}")]) for n in range(30)]
        await written(at_work, many)
    assert len(statements) == 1


async def test_a_repetition_is_told_so_and_has_no_second_effect(database: Database) -> None:
    at_work = endings(database)
    called: list[str] = []
    first, again, twin, other = [
        Ending(said("alice", "?", key=key), [reply("alice", "はい", name)], [partial(called.append, name)])
        for name, key in (("first", "e1"), ("again", "e1"), ("twin", "e1"), ("other", "e2"))
    ]
    await at_work.write(first)
    outcomes = await written(at_work, [again, other, twin])
    assert [type(each) for each in outcomes] == [AlreadyHandled, type(None), AlreadyHandled]
    assert [key for _, key, _ in await queued(database)] == ["first", "other"]
    assert called == ["first", "other"]


async def test_one_that_cannot_be_written_fails_by_itself(database: Database) -> None:
    at_work = endings(database)
    called: list[str] = []
    await at_work.write(Ending(said("alice", "?"), [reply("alice", "はい", "taken")]))
    fine, twice, nowhere = [
        Ending(said("bob", "?", key=name), [item], [partial(called.append, name)])
        for name, item in (
            ("fine", reply("bob", "はい", "b1")),
            ("twice", reply("bob", "はい", "taken")),
            ("nowhere", reply("bob", "はい", "b2", adapter="fax")),
        )
    ]
    outcomes = await written(at_work, [twice, fine, nowhere])
    assert [type(each) for each in outcomes] == [IntegrityError, type(None), ConfigurationError]
    assert await noted(database) >= {"fine"}
    assert not await noted(database) & {"twice", "nowhere"}
    assert [key for _, key, _ in await queued(database)] == ["taken", "b1"]
    assert called == ["fine"]


async def test_a_callback_that_raises_is_its_own_handlers_failure_and_nobody_elses(database: Database) -> None:
    def fail() -> None:
        raise ValueError("no")

    called: list[str] = []
    bad, good = Ending(said("alice", "?", key="e1"), callbacks=[fail]), Ending(said("bob", "?", key="e2"))
    good.callbacks.append(partial(called.append, "good"))
    outcomes = await written(endings(database), [bad, good])
    assert [type(each) for each in outcomes] == [ValueError, type(None)]
    assert called == ["good"]
    assert await noted(database) == {"e1", "e2"}  # after the commit is after the commit


async def test_whoever_no_longer_waits_before_the_writing_is_not_written(database: Database) -> None:
    at_work = endings(database)
    gone = asyncio.create_task(at_work.write(Ending(said("alice", "?", key="gone"))))
    stays = asyncio.create_task(at_work.write(Ending(said("bob", "?", key="stays"))))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, stays, return_exceptions=True)
    assert await noted(database) == {"stays"}


async def test_a_database_that_hangs_does_not_hold_the_next_ones_for_ever(database: Database) -> None:
    at_work = endings(database, time_limit=0.05)
    async with database.transaction():  # on SQLite, everybody else waits for this one
        if database.is_sqlite:
            [outcome] = await written(at_work, [Ending(said("alice", "?", key="e1"))])
            assert isinstance(outcome, TimeoutError)
    await at_work.write(Ending(said("alice", "?", key="e1")))
    assert await noted(database) == {"e1"}


async def test_whoever_speaks_is_there_again(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(insert(departments).values(id=1, code="d", name="防災課"))
        for number, name in enumerate(("alice", "bob"), start=1):
            await db.execute(insert(members).values(id=number, code=name, name=name, department_id=1))
            await db.execute(insert(addresses).values(member_id=number, adapter="fake", address=name, reachable=False))
    await written(endings(database), [Ending(said("alice", "?"), alive="alice"), Ending(said("bob", "?"))])
    async with database.snapshot() as db:
        rows = await db.execute(select(addresses.c.address, addresses.c.reachable))
        assert {row.address: row.reachable for row in rows} == {"alice": True, "bob": False}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@given(
    script=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["fine", "taken", "nowhere", "raises", "cancelled"])), max_size=25
    ),
    turns=st.integers(0, 8),
)
async def test_every_event_has_all_of_its_effects_or_none(
    kind: Kind, script: list[tuple[int, str]], turns: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever comes together, in whatever order, some of it twice, some broken, some given up."""
    async with empty_database(kind, tmp_path_factory.mktemp("endings")) as database:
        at_work = endings(database)
        await at_work.write(Ending(said("x", "?", key="before"), [reply("x", "はい", "taken")]))
        called: list[str] = []

        def fail() -> None:
            raise ValueError("no")

        async def end(place: int, number: int, fate: str) -> None:
            adapter = "fax" if fate == "nowhere" else "fake"
            item = reply("x", f"{number}", "taken" if fate == "taken" else f"reply {number} {place}", adapter)
            ending = Ending(said("x", "?", key=f"{number}"), [item], [partial(called.append, f"{number}")])
            if fate == "raises":
                ending.callbacks.append(fail)
            await at_work.write(ending)

        tasks = [asyncio.create_task(end(place, *each)) for place, each in enumerate(script)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task, (_, fate) in zip(tasks, script, strict=True):
            if fate == "cancelled":
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await at_work.write(Ending(said("x", "?", key="after")))  # what was given up may be half-way
        keys = await noted(database) - {"before", "after"}
        replies = [text for _, key, text in await queued(database) if key != "taken"]
        assert sorted(replies) == sorted(keys)
        assert sorted(called) == sorted(keys)
        for (number, fate), outcome in zip(script, outcomes, strict=True):
            if outcome is None:
                assert fate == "fine"
                assert f"{number}" in keys
            elif isinstance(outcome, AlreadyHandled):
                assert f"{number}" in keys
