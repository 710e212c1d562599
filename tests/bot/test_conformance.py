"""Every adapter of the house passes the suite that others run over theirs."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from bot.adapters.logochat import LogoChat
from bot.adapters.logochat_wire import SIGNATURE_HEADER, signature
from bot.adapters.terminal import Terminal
from bot.clock import ManualClock
from bot.events import MessageRead, MessageReceived
from bot.testing.conformance import AdapterCase, AdapterConformance, Behaviour, SignedBody
from bot.testing.platform import FakePlatform
from tests.bot.fake_logochat import SECRET, TOKEN, running_service

START = datetime(2023, 7, 3, tzinfo=UTC)


def callback(*events: dict[str, object], unknown: int = 0) -> SignedBody:
    body = orjson.dumps({"bot_id": "b1", "events": events})
    return SignedBody({SIGNATURE_HEADER: signature(SECRET, body)}, body, len(events), unknown)


def wire_event(number: int, type: str, **values: object) -> dict[str, object]:
    common = {"event_id": f"e{number}", "occurred_at": "2023-07-03T09:00:00+09:00", "room_id": "r1", "user_id": "u1"}
    return {**common, "type": type, **values}


class TestLogoChat(AdapterConformance):
    @pytest.fixture
    async def case(self) -> AsyncIterator[AdapterCase]:
        async with running_service() as service:
            yield AdapterCase(
                adapter=LogoChat(
                    service.url, TOKEN, SECRET, clock=ManualClock(START), timeout=timedelta(milliseconds=300)
                ),
                platform=service,
                person="u1",
                secrets=[TOKEN, SECRET],
                signed=[
                    callback(),
                    callback(wire_event(1, "read", message_id="m1"), wire_event(2, "joined")),
                    callback(
                        wire_event(1, "message", message_id="m1", text="こんにちは", direct=True),
                        wire_event(2, "waved", hand="left"),
                        wire_event(3, "left"),
                        unknown=1,
                    ),
                ],
                failures=["busy", "broken", "cut", "silent", "refusing", "gibberish"],
                members=["u1", "u2", "u3"],
            )


class Screen:
    """The terminal seen by the person in front of it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def behave(self, behaviour: Behaviour) -> None:
        assert behaviour == "refusing"
        self.stream.close()

    def texts(self) -> Sequence[str]:
        return self.stream.getvalue().splitlines()


class TestTerminal(AdapterConformance):
    @pytest.fixture
    def case(self) -> AdapterCase:
        screen = Screen()
        return AdapterCase(
            adapter=Terminal(source=io.BytesIO(), screen=screen.stream, clock=ManualClock(START)),
            platform=screen,
            person="you",
            failures=["refusing"],
        )


class Memory:
    """The fake platform, played."""

    def __init__(self, platform: FakePlatform) -> None:
        self.platform = platform

    def behave(self, behaviour: Behaviour) -> None:
        raise AssertionError("It is told with `respond` instead.")

    def texts(self) -> Sequence[str]:
        return [message.text for message in self.platform.sent if not message.deleted]


class TestFakePlatform(AdapterConformance):
    @pytest.fixture
    def case(self) -> AdapterCase:
        platform = FakePlatform(ManualClock(START))
        body = platform.encode(
            MessageReceived(
                adapter="fake", key="1", conversation="r1", occurred_at=START, sender="u1", message_id="m1", text="hi"
            ),
            MessageRead(adapter="fake", key="2", conversation="r1", occurred_at=START, reader="u1", message_id="m1"),
        )
        return AdapterCase(
            adapter=platform,
            platform=Memory(platform),
            person="u1",
            signed=[SignedBody(platform.sign(body), body, 2)],
            members=["u1", "u2", "u3"],
        )
