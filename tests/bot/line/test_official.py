"""LINE's own kits and ours understand each other: its Python SDK, its Node middleware, and its published test data."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from linebot.v3 import WebhookParser
from linebot.v3.exceptions import InvalidSignatureError
from linebot.v3.messaging import MulticastRequest, PushMessageRequest, ReplyMessageRequest
from linebot.v3.webhooks import FollowEvent, MessageEvent, PostbackEvent, UnfollowEvent

from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.events import Unknown, Unused
from bot.messages import Button
from bot.testing.fakes import FakeLine
from tests.bot.line.support import BUTTONS, delivery, reply_token
from tests.bot.line.test_signatures import VECTORS
from tests.bot.line.town import Town, town

SCRIPT = Path(__file__).parents[2] / "node" / "middleware.cjs"
MODULES = Path(sys.prefix) / "node"


def published_events() -> list[dict[str, Any]]:
    """The 28 events with which LINE tests its own SDK, from its published source distribution."""
    found = sorted(Path(sys.prefix, "fixtures").glob("line_bot_sdk-*.tar.gz"))
    if not found:
        pytest.skip("LINE's published test data is not here: `make .venv/fixtures.stamp` brings it.")
    with tarfile.open(found[-1]) as archive:
        [member] = [name for name in archive.getnames() if name.endswith("tests/v3/text/webhook.json")]
        file = archive.extractfile(member)
        assert file is not None
        events: list[dict[str, Any]] = orjson.loads(file.read())["events"]
    return events


# --------------------------------------------------------------- Python SDK


async def test_the_official_parser_accepts_what_our_fake_signs(line: FakeLine) -> None:
    alice = line.person("alice")
    message = {"id": "1", "type": "text", "text": "こんにちは", "quoteToken": "q"}
    body = line.callback(
        line.event("message", alice, answerable=True, message=message),
        line.event("postback", alice, answerable=True, postback={"data": "x:1"}),
        line.event("follow", alice, answerable=True, follow={"isUnblocked": False}),
        line.event("unfollow", alice),
    )
    parser = WebhookParser(line.channel_secret)
    signature = line.sign(body)["X-Line-Signature"]
    events = parser.parse(body.decode(), signature)
    assert [type(event) for event in events] == [MessageEvent, PostbackEvent, FollowEvent, UnfollowEvent]
    with pytest.raises(InvalidSignatureError):
        WebhookParser("another").parse(body.decode(), signature)


async def test_the_official_models_take_every_body_that_we_send(line: FakeLine, adapter: Line) -> None:
    alice, bob = line.person("alice"), line.person("bob")
    many = tuple(Button(label=f"選択肢{number}", data=f"x:{number}") for number in range(13))
    await adapter.send([delivery(alice, "お知らせ", buttons=BUTTONS)])
    await adapter.send([delivery(alice, "長い" * 4_000, number=2, buttons=many)])
    await adapter.send([delivery(alice, number=3, reply_token=reply_token(line, alice), buttons=BUTTONS)])
    await adapter.send([delivery(each, number=4 + n, shared_call="k") for n, each in enumerate((alice, bob))])
    models = {
        "message/push": PushMessageRequest,
        "message/multicast": MulticastRequest,
        "message/reply": ReplyMessageRequest,
    }
    sent = [call for call in line.calls if call.path in models]
    assert [call.path for call in sent] == ["message/push", "message/push", "message/reply", "message/multicast"]
    for call in sent:
        understood = models[call.path].from_dict(call.body)
        assert understood is not None
        # What the official client would have sent in its place, without the fields that it fills with nothing.
        assert _without_nothing(understood.to_dict()) == {"notificationDisabled": False} | call.body


def _without_nothing(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _without_nothing(value) for name, value in document.items() if value is not None}
    if isinstance(document, list):
        return [_without_nothing(each) for each in document]
    return document


# ------------------------------------------------------------ published events


def test_none_of_the_published_events_is_lost_although_they_share_one_id(clock: ManualClock) -> None:
    events = published_events()
    assert len(events) == 28
    assert len({event["webhookEventId"] for event in events}) == 1
    adapter = Line("token", "secret", clock=clock)
    body = orjson.dumps({"destination": "U" + "b" * 32, "events": events})
    found = adapter.parse(body)
    assert len(found) == 30  # two of them are of two people each
    assert len({event.key for event in found}) == 30
    assert [event.key for event in adapter.parse(body)] == [event.key for event in found]
    unused = [event for event in found if isinstance(event, Unused)]
    kinds = {orjson.loads(event.payload)["type"] for event in unused}
    assert {"messageEdited", "beacon", "accountLink", "videoPlayComplete"} == kinds - {"message"}
    assert [event.reason for event in unused if "userId" in event.reason] == [
        "LINE does not say who is behind this message: its userId is missing."
    ]
    unknown = [event for event in found if isinstance(event, Unknown)]
    assert {orjson.loads(event.payload)["type"] for event in unknown} == {"undefined"}


async def test_the_published_events_come_through_the_whole_house(tmp_path: Path) -> None:
    events = published_events()
    async with town(tmp_path, ["花子"]) as here:
        assert await here.line.post(*events) == 200
        await here.idle()
        [kept] = await here.house.bot.inbox.failed(100)
        assert kept.error == "There is no event of the type 'undefined'."
        assert _count(here, 'outcome="ignored",type="unused"') == 6
        assert here.house.bot.inbox.backlog == 0


def _count(here: Town, labels: str) -> float:
    lines = here.house.bot.metrics.text().decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("kairanban_events_total") and labels in line
    )


# ------------------------------------------------------------ Node middleware


@pytest.fixture
async def middleware() -> AsyncIterator[Any]:
    """Starts the official middleware with a secret; gives the address to post to."""
    node = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    if node is None or not (MODULES / "node_modules" / "@line" / "bot-sdk").is_dir():
        pytest.skip("LINE's middleware for Node.js is not here: `make .venv/node.stamp` brings it.")
    running: list[asyncio.subprocess.Process] = []

    async def start(secret: str) -> str:
        process = await asyncio.create_subprocess_exec(
            node, str(SCRIPT), str(MODULES), secret, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        running.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(await process.stdout.readline())}/"

    yield start
    for process in running:
        await process.communicate(b"")  # the end of its input ends it
        assert process.returncode == 0


async def test_the_official_middleware_accepts_what_our_fake_signs(line: FakeLine, middleware: Any) -> None:
    address = await middleware(line.channel_secret)
    alice = line.person("alice")
    body = line.callback(line.event("follow", alice), line.event("unfollow", alice))
    async with aiohttp.ClientSession() as session:
        async with session.post(address, data=body, headers=line.sign(body)) as answer:
            assert (answer.status, await answer.json()) == (200, ["follow", "unfollow"])
        async with session.post(address, data=body + b" ", headers=line.sign(body)) as answer:
            assert answer.status == 401
        async with session.post(address, data=body) as answer:
            assert answer.status == 401


async def test_the_official_middleware_agrees_on_the_vectors(middleware: Any) -> None:
    async with aiohttp.ClientSession() as session:
        for secret, body, signature in VECTORS:
            headers = {"X-Line-Signature": signature}
            adapter = Line("token", secret)
            assert adapter.verify(headers, body)
            address = await middleware(secret)
            async with session.post(address, data=body, headers=headers) as answer:
                # Signed well. Two of the three bodies are no JSON, which the middleware calls the sender's mistake.
                assert answer.status == (200 if body.startswith(b"{") else 400)
