"""Adapters that break one rule of LINE WORKS each: the fake lets none of them pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.activity import Activity
from bot.adapter import Rejected, Retry
from bot.adapters import lineworks, lineworks_auth
from bot.adapters import lineworks_wire as wire
from bot.clock import ManualClock
from bot.errors import KairanbanError
from bot.messages import Button
from bot.outbox import Outbox
from bot.testing.fakes.lineworks_rules import FakeRoom
from tests.bot.lineworks.support import START, delivery, opened, running, send
from tests.bot.lineworks.test_pipeline import queue_for_all
from tests.databases import empty_database


async def test_one_that_goes_faster_than_the_limit_meets_429(tmp_path: Path) -> None:
    clock, activity = ManualClock(START), Activity()
    async with empty_database("sqlite", tmp_path) as database, running(clock) as (works, _):
        await queue_for_all(database, 300)
        async with opened(works, requests_per_minute=300) as hasty:
            outbox = Outbox(database, {"lineworks": hasty}, clock, activity)
            await outbox.start()
            await activity.idle()
            while (
                works.count(429) == 0 and (due := clock.next_due()) is not None and due < START + timedelta(minutes=2)
            ):
                clock.advance_to(due)
                await activity.idle()
            await outbox.stop()
        assert works.count(429) > 0


async def test_one_that_sends_buttons_as_postbacks_in_a_template_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(text: str, buttons: Sequence[Button] = ()) -> dict[str, Any]:
        actions = [{"type": "postback", "label": each.label, "data": each.data} for each in buttons]
        return {"type": "button_template", "contentText": text, "actions": actions}

    monkeypatch.setattr(wire, "content", wrong)
    async with running() as (works, bot):
        outcome = await send(bot, delivery(buttons=[Button(label="はい", data="a")]))
        assert isinstance(outcome, Rejected)
        assert "400 INVALID_PARAMETER" in outcome.reason
        assert works.messages == []


@pytest.mark.parametrize(
    ("limit", "value"), [("TEXT_LENGTH", 3_000), ("BUTTON_TEXT_LENGTH", 2_000), ("LABEL_LENGTH", 40)]
)
async def test_one_that_believes_in_longer_texts_is_declined(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(wire, limit, value)
    buttons = {
        "BUTTON_TEXT_LENGTH": [Button(label="はい", data="a")],
        "LABEL_LENGTH": [Button(label="長" * 30, data="a")],
    }
    text = "長" * (10 if limit == "LABEL_LENGTH" else value)
    async with running() as (_, bot):
        outcome = await send(bot, delivery(text, buttons=buttons.get(limit, [])))
        assert isinstance(outcome, Rejected)
        assert "400 INVALID_PARAMETER" in outcome.reason


async def test_one_whose_jwt_lives_too_long_gets_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineworks_auth, "ASSERTION_LIFE", timedelta(hours=2))
    async with running() as (_, bot):
        outcome = await send(bot, delivery())
        assert isinstance(outcome, Retry)
        assert "invalid_grant" in outcome.reason


async def test_one_that_keeps_a_token_for_ever_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(START)
    async with running(clock, token_life=timedelta(hours=1)) as (works, bot):
        await send(bot, delivery())
        [old] = works.tokens
        monkeypatch.setattr(bot, "_tokens", _Forever(old))
        clock.advance(timedelta(hours=2))
        outcome = await send(bot, delivery())
        assert isinstance(outcome, Retry)
        assert "401 UNAUTHORIZED" in outcome.reason


class _Forever:
    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self, session: object, *, refused: str = "") -> str:
        return self._token


async def test_one_that_does_not_encode_a_cursor_gets_no_second_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineworks, "_segment", lambda value: value)
    async with running() as (works, bot):
        works.rooms["c1"] = FakeRoom("部屋", [f"u{number}" for number in range(150)])
        with pytest.raises(KairanbanError, match="400 INVALID_PARAMETER"):
            await bot.room_members("c1")


async def test_one_that_asks_for_larger_pages_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAGE", 500)
    async with running() as (works, bot):
        works.rooms["c1"] = FakeRoom("部屋", ["u1"])
        with pytest.raises(KairanbanError, match="400 INVALID_PARAMETER"):
            await bot.room_members("c1")


async def test_one_that_sends_notices_into_large_rooms_rings_nobodys_telephone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "QUIET_ROOM", 10_000)
    async with running() as (works, bot):
        works.rooms["c1"] = FakeRoom("部屋", [f"u{number}" for number in range(500)])
        await send(bot, delivery(to="c1", room=True, reference="broadcast:1"))
        assert [message.notified for message in works.messages] == [False]
