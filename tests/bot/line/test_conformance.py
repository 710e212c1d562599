"""LINE's adapter passes the suite that every adapter passes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.clock import ManualClock
from bot.testing.conformance import AdapterCase, AdapterConformance, SignedBody
from bot.testing.fakes import FakeLine
from tests.bot.line.support import START, adapter_for


def signed(line: FakeLine, *events: dict[str, object], unknown: int = 0) -> SignedBody:
    body = line.callback(*events)
    return SignedBody({"X-Line-Signature": line.sign(body)["X-Line-Signature"]}, body, len(events), unknown)


class TestLine(AdapterConformance):
    @pytest.fixture
    async def case(self) -> AsyncIterator[AdapterCase]:
        clock = ManualClock(START)
        async with FakeLine(clock) as line:
            alice = line.person("alice")
            text = {"id": "1", "type": "text", "text": "こんにちは"}
            yield AdapterCase(
                adapter=adapter_for(line, clock),
                platform=line,
                person=alice,
                secrets=[line.channel_access_token, line.channel_secret],
                signed=[
                    signed(line),
                    signed(
                        line,
                        line.event("message", alice, answerable=True, message=text),
                        line.event("follow", alice, follow={"isUnblocked": False}),
                        line.event("postback", alice, answerable=True, postback={"data": "x:1"}),
                    ),
                    signed(line, line.event("waved", alice, hand="left"), line.event("unfollow", alice), unknown=1),
                ],
                failures=["busy", "broken", "cut", "silent", "refusing", "gibberish"],
            )
