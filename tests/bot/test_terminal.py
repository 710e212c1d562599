"""The terminal: lines become messages, numbers press buttons, replies are printed."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import pytest

from bot.adapter import Delivery, Listens, Rejected, Sent
from bot.adapters.terminal import Terminal
from bot.clock import ManualClock
from bot.errors import MalformedPayload
from bot.events import ButtonPressed, Event, MessageReceived
from bot.messages import Address, Button, Message

START = datetime(2023, 7, 3, tzinfo=UTC)
QUESTION = Message(
    text="読みましたか",
    buttons=(Button(label="はい", data="poll:1:yes"), Button(label="いいえ", data="poll:1:no")),
)


def terminal(typed: str = "", screen: io.StringIO | None = None) -> Terminal:
    return Terminal(
        source=io.BytesIO(typed.encode()), screen=screen or io.StringIO(), clock=ManualClock(START), user="taro"
    )


def delivery(
    message: Message, *, to: str = "taro", kind: Literal["person", "room"] = "person", **values: object
) -> Delivery:
    address = Address("terminal", kind, to)
    return Delivery(id=1, key="k1", address=address, message=message, **values)  # type: ignore[arg-type]  # tests


async def heard(adapter: Terminal) -> list[Event]:
    events: list[Event] = []

    async def take(new: Sequence[Event]) -> None:
        events.extend(new)

    await adapter.listen(take)
    return events


async def test_lines_become_messages_and_the_end_of_input_ends_the_talk() -> None:
    adapter = terminal("/一斉 訓練\n\n   \nこんにちは")
    assert isinstance(adapter, Listens)
    first, second = await heard(adapter)
    assert isinstance(first, MessageReceived)
    assert isinstance(second, MessageReceived)
    assert (first.text, second.text) == ("/一斉 訓練", "こんにちは")
    assert (first.sender, first.conversation, first.direct, first.occurred_at) == ("taro", "taro", True, START)
    assert first.key != second.key


async def test_keys_differ_from_those_of_the_last_run() -> None:
    [first] = await heard(terminal("hello\n"))
    [second] = await heard(terminal("hello\n"))
    assert first.key != second.key


async def test_buttons_are_numbered_and_a_number_presses_one() -> None:
    screen = io.StringIO()
    adapter = terminal("２\n3\n1\n", screen)
    [outcome] = await adapter.send([delivery(QUESTION)])
    assert isinstance(outcome, Sent)
    assert "読みましたか\n\n1. はい\n2. いいえ\n" in screen.getvalue()
    no, text, yes = await heard(adapter)
    assert isinstance(no, ButtonPressed)
    assert isinstance(yes, ButtonPressed)
    assert isinstance(text, MessageReceived)
    assert (no.data, text.text, yes.data) == ("poll:1:no", "3", "poll:1:yes")
    assert no.message_id == outcome.message_id


async def test_a_number_without_buttons_is_text() -> None:
    [event] = await heard(terminal("1\n"))
    assert isinstance(event, MessageReceived)


async def test_buttons_of_a_message_that_was_taken_back_cannot_be_pressed() -> None:
    screen = io.StringIO()
    adapter = terminal("1\n", screen)
    [sent] = await adapter.send([delivery(QUESTION)])
    assert isinstance(sent, Sent)
    assert await adapter.send([delivery(QUESTION, action="delete", message_id=sent.message_id)]) == [Sent()]
    assert "取り消されました" in screen.getvalue()
    [event] = await heard(adapter)
    assert isinstance(event, MessageReceived)


async def test_messages_to_others_name_them() -> None:
    screen = io.StringIO()
    await terminal("", screen).send([delivery(Message(text="全員へ"), to="room-1", kind="room")])
    assert screen.getvalue() == "[room-1] 全員へ\n"


async def test_a_closed_screen_rejects() -> None:
    screen = io.StringIO()
    screen.close()
    [outcome] = await terminal("", screen).send([delivery(Message(text="x"))])
    assert isinstance(outcome, Rejected)


async def test_a_keyboard_that_breaks_ends_the_talk() -> None:
    source = io.BytesIO()
    source.close()
    assert await heard(Terminal(source=source, screen=io.StringIO())) == []


async def test_the_real_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, "やあ\n".encode())
    os.close(writing)
    with os.fdopen(reading) as source:
        monkeypatch.setattr("sys.stdin", source)
        [event] = await heard(Terminal(screen=io.StringIO()))
    assert isinstance(event, MessageReceived)
    assert event.text == "やあ"


async def test_nobody_speaks_for_the_keyboard_over_the_web() -> None:
    adapter = terminal()
    assert not adapter.verify({}, b"{}")
    with pytest.raises(MalformedPayload):
        adapter.parse(b"{}")
    await adapter.open()
    await adapter.close()
