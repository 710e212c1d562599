"""Pigeon keeps Kairanban's contract: the fixture `kairanban_adapter` brings the whole suite in here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from bot.clock import ManualClock
from bot.errors import ConfigurationError
from bot.events import MessageReceived
from bot.testing.conformance import AdapterCase, SignedBody
from fake_pigeon import SECRET, TOKEN, running_pigeon

from kairanban_pigeon import Pigeon


def event(number: int, kind: str, **values: object) -> dict[str, object]:
    return {"id": f"e{number}", "type": kind, "user": "u1", "at": "2023-07-03T09:00:00+09:00", **values}


@pytest.fixture
async def kairanban_adapter(kairanban_clock: ManualClock) -> AsyncIterator[AdapterCase]:
    async with running_pigeon() as platform:
        body = orjson.dumps(
            {
                "events": [
                    event(1, "message", message="m1", text="こんにちは"),
                    event(2, "button", message="m1", data="poll:yes", room="r1"),
                    event(3, "read", message="m1"),
                    event(4, "joined", room="r1"),
                    event(5, "waved"),
                    event(6, "read"),
                    7,
                ]
            }
        )
        yield AdapterCase(
            adapter=Pigeon(kairanban_clock, platform.url, TOKEN, SECRET, timeout=0.5),
            platform=platform,
            person="u1",
            secrets=[TOKEN, SECRET],
            signed=[SignedBody(platform.sign(body), body, events=7, unknown=3)],
            failures=["busy", "broken", "cut", "silent", "refusing", "gibberish"],
        )


def test_a_message_in_pair_talk_is_answered_to_the_person(kairanban_adapter: AdapterCase) -> None:
    first = kairanban_adapter.adapter.parse(kairanban_adapter.signed[0].body)[0]
    assert isinstance(first, MessageReceived)
    assert (first.conversation, first.direct, first.text) == ("u1", True, "こんにちは")


def test_an_address_that_is_none_is_refused_at_the_start(kairanban_clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        Pigeon(kairanban_clock, "pigeon.example.jp", TOKEN, SECRET)
