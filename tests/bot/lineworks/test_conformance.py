"""LINE WORKS passes the suite that every adapter passes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.clock import ManualClock
from bot.testing.conformance import AdapterCase, AdapterConformance, SignedBody
from bot.testing.fakes import FakeLineWorks
from tests.bot.lineworks.support import IMPATIENT, START, bot_at


class TestLineWorks(AdapterConformance):
    @pytest.fixture
    async def case(self) -> AsyncIterator[AdapterCase]:
        async with FakeLineWorks(ManualClock(START)) as works:
            text = {"type": "text", "text": "こんにちは"}
            pressed = {"type": "text", "text": "はい", "postback": "conformance:yes"}
            signed = [
                (works.event("message", "u1", content=text), 1, 0),
                (works.event("message", "u1", "c1", content=text), 1, 0),
                (works.event("message", "u1", content=pressed), 1, 0),
                (works.event("postback", "u1", "c1", data="action=buy"), 1, 0),
                (works.event("joined", room="c1", members=["u1", "u2"]), 2, 0),
                (works.event("waved", "u1", hand="left"), 1, 1),
                (works.event("message", "u1", content={"type": "hologram"}), 1, 1),
            ]
            account = works.account
            yield AdapterCase(
                adapter=bot_at(works, timeout=IMPATIENT),
                platform=works,
                person="u1",
                secrets=[works.bot_secret, account.client_secret, account.private_key],
                signed=[SignedBody(*works.signed(each), events, unknown) for each, events, unknown in signed],
                failures=["busy", "broken", "cut", "silent", "refusing"],
            )
