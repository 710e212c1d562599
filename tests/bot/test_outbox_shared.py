"""The outbox over a database that several processes share: PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from bot.adapter import Rejected, Retry, Sent
from bot.messages import Message
from bot.outbox.store import Store, rescue
from bot.storage import Database
from bot.tables import attempts, deliveries, messages
from tests.bot.test_outbox import START, Office, Post
from tests.databases import empty_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with empty_database("postgresql", tmp_path) as database:
        yield database


async def fill(database: Database, count: int, state: str = "queued") -> None:
    async with database.transaction() as db:
        await db.execute(insert(messages).values(id=1, body=Message(text="訓練").model_dump_json(), created_at=START))
        await db.execute(
            insert(deliveries),
            [
                {
                    "key": f"k{number}",
                    "message_id": 1,
                    "adapter": "post",
                    "kind": "person",
                    "address": f"u{number}",
                    "priority": 20,
                    "state": state,
                    "claimed_until": START + timedelta(seconds=60) if state == "sending" else None,
                    "due_at": START,
                    "created_at": START,
                }
                for number in range(count)
            ],
        )


async def test_two_processes_send_everything_once(database: Database) -> None:
    await fill(database, 500)
    one, two = Office(database, Post()), Office(database, Post())
    await one.outbox.start()
    await two.outbox.start()
    await one.activity.idle()
    await two.activity.idle()
    keys = [delivery.key for office in (one, two) for delivery in office.adapter.sent]
    assert sorted(keys) == sorted(f"k{number}" for number in range(500))
    await one.outbox.stop()
    await two.outbox.stop()
    async with database.snapshot() as db:
        assert set(await db.scalars(select(deliveries.c.state))) == {"sent"}
        assert sorted(await db.scalars(select(attempts.c.delivery_id))) == sorted(
            await db.scalars(select(deliveries.c.id))
        )


async def test_a_shared_call_belongs_to_one_process_also_while_the_other_is_still_claiming_it(
    database: Database,
) -> None:
    await fill(database, 6)
    until = START + timedelta(seconds=60)
    store, other = Store("post", is_sqlite=False), Store("post", is_sqlite=False)
    async with database.transaction() as db:
        named = await store.claim(db, 6, START, until, share=3)
        await store.release(db, named)
    async with database.transaction() as db:
        first = await store.claim(db, 1, START, until, share=3)
        async with database.transaction() as at_the_same_time:
            second = await other.claim(at_the_same_time, 2, START, until, share=3)
    assert [each.delivery.key for each in first] == ["k0", "k1", "k2"]
    assert [each.delivery.key for each in second] == ["k3", "k4", "k5"]


async def test_retries_and_refusals_are_written_down(database: Database) -> None:
    office = Office(database, Post())
    office.adapter.answers = lambda each: (
        Rejected("no") if each.address.id == "u0" else Retry("later") if each.attempt == 1 else Sent("m")
    )
    await fill(database, 2)
    await office.outbox.start()
    await office.activity.idle()
    await office.advance(timedelta(seconds=11))
    assert sorted((await office.states()).values()) == ["dead", "sent"]
    [dead] = await office.outbox.dead()
    assert dead.reason == "no"
    await office.outbox.stop()


async def test_what_another_process_enqueues_is_found_by_looking(database: Database) -> None:
    office = Office(database, Post())
    await office.outbox.start()
    await office.activity.idle()
    await fill(database, 1)
    await office.advance(timedelta(seconds=2))
    assert len(office.adapter.sent) == 1
    await office.outbox.stop()


async def test_claims_of_a_process_that_died_are_freed_after_their_time(database: Database) -> None:
    await fill(database, 3, state="sending")
    office = Office(database, Post())
    await office.outbox.start()
    await office.activity.idle()
    assert office.adapter.sent == []
    await office.advance(timedelta(seconds=59))
    assert office.adapter.sent == []
    await office.advance(timedelta(seconds=35))
    assert sorted(delivery.key for delivery in office.adapter.sent) == ["k0", "k1", "k2"]
    await office.outbox.stop()


async def test_a_renewed_claim_is_not_freed(database: Database) -> None:
    await fill(database, 2, state="sending")
    store = Store("post", is_sqlite=False)
    async with database.transaction() as db:
        first, _ = sorted(await db.scalars(select(deliveries.c.id)))
        await store.renew(db, [first], START + timedelta(seconds=120))
        assert await rescue(db, START + timedelta(seconds=61)) == 1
        freed = await db.scalars(select(deliveries.c.id).where(deliveries.c.state == "queued"))
        assert first not in set(freed)
