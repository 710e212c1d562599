"""`kairanban serve --demo` from outside: a real process, its ports, and what comes back. Nothing here looks inside."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from benchmarks.demo import Demo
from benchmarks.staff import Client, Staff
from benchmarks.verdict import judge, unfinished
from bot import Context, Router
from bot.adapters.logochat_wire import BOT_PREFIX, SIGNATURE_HEADER, signature
from bot.clock import SystemClock
from bot.events import MessageReceived
from bot.inbox import SqliteInbox
from bot.testing import Harness
from tests.bot.test_dispatch import said
from trial.population import populate

STAFF, SEED = 6, 1
MEGABYTE = 2**20

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    async with Demo(tmp_path_factory.mktemp("demo"), STAFF, SEED) as running:
        await running.start()
        await running.ready()
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staff(demo: Demo) -> AsyncIterator[Staff]:
    async with Client(demo.service_url) as client:
        everybody = Staff(client, Random(SEED))
        await everybody.sign_in(populate(STAFF, SEED), share_of_readers=1)
        yield everybody


def bot_account(demo: Demo) -> dict[str, str]:
    account: dict[str, str] = json.loads((demo.folder / "bot.json").read_bytes())
    return account


async def knock(demo: Demo, body: bytes, *, secret: str | None = None) -> int:
    """What the webhook answers to a body that is signed with the bot's secret, or with another one."""
    headers = {SIGNATURE_HEADER: signature(secret or bot_account(demo)["secret"], body)}
    async with (
        aiohttp.ClientSession(demo.bot_url) as session,
        session.post("/webhooks/logochat", data=io.BytesIO(body), headers=headers) as answer,
    ):
        return answer.status


def callback(event_id: str, user_id: str, text: str) -> bytes:
    event = {
        "type": "message",
        "event_id": event_id,
        "occurred_at": "2023-10-01T02:10:00+09:00",
        "room_id": "r1",
        "direct": True,
        "user_id": user_id,
        "message_id": "m1",
        "text": text,
    }
    return orjson.dumps({"bot_id": "b1", "events": [event]})


async def settled(demo: Demo) -> dict[str, float]:
    """The bot's counts once it has nothing left to do."""

    async def rests() -> bool:
        return not unfinished(await demo.metrics())

    await until(rests)
    return await demo.metrics()


async def until(fulfilled: Callable[[], Awaitable[bool]]) -> None:
    while not await fulfilled():  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.02)


async def answers_to(staff: Staff, person: int) -> list[Any]:
    """What the bot has written to somebody in pair talk."""
    employee = staff.people[person]
    room = await staff.talk(employee)
    page = await staff.client.call("GET", f"/v1/rooms/{room}/messages?limit=200", employee.token)
    return [each["text"] for each in page["messages"] if each["sender"] == "b1"]


async def test_a_wrong_signature_is_answered_401_and_is_no_event(demo: Demo) -> None:
    before = await settled(demo)
    assert await knock(demo, callback("forged", "u1", "/一斉 避難"), secret="not-the-secret") == 401
    after = await settled(demo)
    assert changed(before, after) == {'kairanban_webhook_requests_total{adapter="logochat",answer="unsigned"}': 1}


async def test_the_same_event_twice_is_handled_once(demo: Demo, staff: Staff) -> None:
    asker = 3
    body = callback("twice", staff.people[asker].user_id, "/ヘルプ")
    before = await answers_to(staff, asker)
    assert [await knock(demo, body) for _ in range(2)] == [200, 200]
    # Two at once share a commit of the log, and still only one of them counts.
    body = callback("at once", staff.people[asker].user_id, "/ヘルプ")
    assert await asyncio.gather(*(knock(demo, body) for _ in range(8))) == [200] * 8
    await settled(demo)
    assert len(await answers_to(staff, asker)) == len(before) + 2


async def test_a_megabyte_over_the_limit_is_answered_413(demo: Demo) -> None:
    before = await settled(demo)
    assert await knock(demo, b" " * (2 * MEGABYTE)) == 413
    assert changed(before, await settled(demo)) == {
        'kairanban_webhook_requests_total{adapter="logochat",answer="too_large"}': 1
    }


async def test_a_signed_body_that_is_no_json_is_answered_200_and_kept(demo: Demo, tmp_path: Path) -> None:
    before = await settled(demo)
    body = "これはJSONではありません".encode()
    assert await knock(demo, body) == 200
    after = await settled(demo)
    assert after["kairanban_inbox_failed"] == before["kairanban_inbox_failed"] + 1
    # Where it is kept: in the file, its journal and its keys, as they stand on the disk.
    for name in ("inbox.sqlite3", "inbox.sqlite3-wal"):
        shutil.copy(demo.folder / name, tmp_path)
    shutil.copytree(demo.folder / "inbox-keys", tmp_path / "inbox-keys")
    log = SqliteInbox(tmp_path / "inbox.sqlite3", SystemClock())
    await log.open()
    kept = [failed.payload for failed in await log.failed()]
    await log.close()
    assert [json.loads(payload)["payload"] for payload in kept] == [body.decode()]


async def test_a_database_that_is_held_up_delays_no_answer_of_the_webhook(demo: Demo, staff: Staff) -> None:
    asker = 4
    before = await answers_to(staff, asker)
    holding = sqlite3.connect(demo.folder / "kairanban.sqlite3", isolation_level=None)
    holding.execute("BEGIN IMMEDIATE")
    try:
        began = perf_counter()
        for number in range(20):
            assert await knock(demo, callback(f"held-{number}", staff.people[asker].user_id, "/ヘルプ")) == 200
        assert perf_counter() - began < 4  # nothing waits for the lock, which is held until here
        assert await answers_to(staff, asker) == before
    finally:
        holding.execute("ROLLBACK")
        holding.close()
    await settled(demo)
    assert len(await answers_to(staff, asker)) == len(before) + 20


async def test_a_handler_that_takes_five_seconds_delays_no_answer_of_the_webhook() -> None:
    router = Router()
    started, five_seconds_later = asyncio.Event(), asyncio.Event()

    @router.command("slow")
    async def slow(ctx: Context[MessageReceived]) -> None:
        ctx.clock.call_at(ctx.clock.now() + timedelta(seconds=5), five_seconds_later.set)
        started.set()
        await five_seconds_later.wait()
        await ctx.reply("done")

    async with Harness(router) as harness, harness.serving() as address, aiohttp.ClientSession(address) as client:

        async def post(person: str, text: str, key: str) -> int:
            body = harness.platform.encode(said(person, text, key=key))
            signed = harness.platform.sign(body)
            async with client.post("/webhooks/fake", data=io.BytesIO(body), headers=signed) as answer:
                return answer.status

        assert await post("alice", "/slow", "first") == 200
        await started.wait()
        # Her next messages as well as those of others: the clock stands still, so not one of them waited for it.
        statuses = [await post(person, "/slow", f"{person}-{n}") for n in range(25) for person in ("alice", "bob")]
        assert statuses == [200] * 50
        assert harness.sent == []
        harness.clock.advance_to(harness.clock.now() + timedelta(seconds=5))
        await harness.idle()
        assert [message.text for message in harness.sent] == ["done"] * 51


async def test_the_count_of_the_fault_test_sees_what_is_there_twice_missing_or_never_read(
    demo: Demo, staff: Staff
) -> None:
    officer = staff.officers[0]
    notice = await staff.send_notice(officer)

    async def everywhere() -> bool:
        return (await demo.delivered()).get(f"broadcast:{notice.number}") == len(notice.recipients)

    await until(everywhere)
    reader = staff.people[-1]
    await staff.look(reader)
    await staff.ask(officer, "/既読", "既読 ")
    await settled(demo)
    others = {"kairanban_inbox_failed"}  # left behind by the tests above, on purpose

    def found(violations: list[str]) -> list[str]:
        return [each for each in violations if not any(name in each for name in others) and "outcome=" not in each]

    honest = await judge(staff, demo)
    assert found(honest.violations) == []
    assert (honest.copies, honest.reads) == (len(notice.recipients), int(reader.user_id in notice.recipients))

    token = bot_account(demo)["token"]
    unlucky, *_ = sorted(notice.recipients)
    copy = {"user_id": unlucky, "text": f"【緊急】 {notice.tag}", "reference": f"broadcast:{notice.number}"}
    await staff.client.call("POST", f"{BOT_PREFIX}/messages", token, copy)
    assert found((await judge(staff, demo)).violations) == [
        f"Notice {notice.number}: {unlucky} has it 2 times instead of 1."
    ]


def changed(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Which counts have grown, and by how much; the moments of creation and times aside."""
    return {
        name: after[name] - before.get(name, 0)
        for name in after
        if after[name] != before.get(name, 0) and "_seconds" not in name and "_created" not in name
    }
