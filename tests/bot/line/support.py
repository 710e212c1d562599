"""What the tests of LINE share."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.adapter import Delivery
from bot.adapters.line import Line
from bot.clock import TOKYO, ManualClock
from bot.messages import Address, Button, Message, Priority
from bot.testing.fakes import FakeLine

START = datetime(2023, 7, 3, 9, 0, tzinfo=TOKYO)
BUTTONS = (Button(label="確認しました", data="broadcast:read:1"),)


def adapter_for(line: FakeLine, clock: ManualClock, **options: Any) -> Line:
    """The adapter of this account; not open yet."""
    return Line(
        line.channel_access_token,
        line.channel_secret,
        base_url=line.url,
        clock=clock,
        timeout=timedelta(milliseconds=300),
        **options,
    )


def delivery(
    to: str,
    text: str = "こんにちは",
    *,
    number: int = 1,
    kind: Any = "person",
    buttons: tuple[Button, ...] = (),
    priority: Priority = Priority.NOTICE,
    **rest: Any,
) -> Delivery:
    """One delivery; `rest` are further fields of it."""
    return Delivery(
        id=number,
        key=rest.pop("key", f"key-{number}"),
        address=Address(adapter="line", kind=kind, id=to),
        message=Message(text=text, buttons=buttons),
        priority=priority,
        **rest,
    )


def reply_token(line: FakeLine, person: str) -> str:
    """A token for an answer to somebody, as the adapter hands it on."""
    event = line.event("message", person, answerable=True)
    return f"{event['timestamp']}:{event['replyToken']}"
