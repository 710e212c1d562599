"""What stands between us and LINE, and what LINE says about a token and a forgotten key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from bot.adapter import Rejected, Retry, Sent
from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.testing.fakes import FakeLine
from bot.testing.fakes.line_rules import Problem
from tests.bot.line.support import START, delivery, reply_token

CASES = Path(__file__).parent.parent / "cases"
REFUSED = orjson.loads((CASES / "line_reply_token_refused.json").read_bytes())


def detail(message: str, place: str) -> dict[str, Any]:
    return {"message": "The request body has 1 error(s)", "details": [{"message": message, "property": place}]}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (REFUSED["status"], REFUSED["body"]),
        (400, {"message": "Invalid reply token"}),
        (400, {"message": "Invalid replyToken"}),
        (400, {"message": "The reply token has expired"}),
        (400, detail("May not be empty", "replyToken")),
        (400, detail("Invalid reply token", "request")),
        (404, {"message": "The replyToken was not found"}),
        (410, {"message": "reply-token is no longer valid"}),
    ],
)
async def test_in_whatever_words_a_reply_token_is_refused_the_answer_goes_by_push(
    line: FakeLine, adapter: Line, status: int, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = line.person("alice")

    def refuse(kind: str, request: object) -> dict[str, Any]:
        problem = Problem(status, "")
        problem.body = body
        raise problem

    monkeypatch.setattr(line, "_reply", refuse)
    [outcome] = await adapter.send([delivery(alice, reply_token=reply_token(line, alice))])
    assert isinstance(outcome, Sent)
    assert [seen.by for seen in line.seen(alice)] == ["push"]


async def test_a_refusal_of_something_else_is_not_taken_for_one_of_the_token(line: FakeLine, adapter: Line) -> None:
    alice = line.person("alice")
    line.behave("refusing", times=1)
    [outcome] = await adapter.send([delivery(alice, reply_token=reply_token(line, alice))])
    assert isinstance(outcome, Rejected)
    assert line.seen(alice) == []


@pytest.mark.parametrize(("hours", "marked"), [(1, False), (22, False), (23.5, True), (25, True), (24 * 30, True)])
async def test_a_second_try_after_line_has_forgotten_the_key_says_that_it_may_be_one(
    line: FakeLine, adapter: Line, clock: ManualClock, hours: float, marked: bool
) -> None:
    alice = line.person("alice")
    line.behave("acted", times=1)
    [outcome] = await adapter.send([delivery(alice, "避難所を開きました")])
    assert isinstance(outcome, Retry)
    clock.advance(timedelta(hours=hours))
    [outcome] = await adapter.send([delivery(alice, "避難所を開きました", uncertain=True, tried_at=START)])
    assert isinstance(outcome, Sent)
    copies = [seen.text for seen in line.seen(alice)]
    assert len(copies) == 1 + (hours > 24)
    if hours > 24:
        assert copies[1] == "【再送】通信の不具合のため、同じ内容が二度届くことがあります。\n避難所を開きました"
    assert ("【再送】" in orjson.dumps(line.calls[-1].body).decode()) is marked


async def test_what_was_surely_not_sent_says_nothing_of_the_kind_however_late_it_comes(
    line: FakeLine, adapter: Line, clock: ManualClock
) -> None:
    alice = line.person("alice")
    clock.advance(timedelta(days=3))
    await adapter.send([delivery(alice, "お知らせ", attempt=5)])
    assert [seen.text for seen in line.seen(alice)] == ["お知らせ"]
