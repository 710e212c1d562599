"""Addresses that the real service has no message for, as the real adapter hears of them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from bot.adapter import Delivery, Outcome, Rejected, Sent
from bot.adapters.logochat import LogoChat
from bot.messages import Address, Message
from tests.trial_service.conftest import City, Client

_KEYS = itertools.count(1)


@pytest.fixture
async def bot(city: City) -> Client:
    return await city.bot()


@pytest.fixture
async def adapter(city: City, bot: Client) -> AsyncIterator[LogoChat]:
    adapter = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    await adapter.open()
    yield adapter
    await adapter.close()


async def send(adapter: LogoChat, to: str, text: str = "お知らせ") -> Outcome:
    address = Address("logochat", "room" if to.startswith("r") else "person", to)
    [outcome] = await adapter.send([Delivery(1, f"k{next(_KEYS)}", address, Message(text=text))])
    return outcome


def gone(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejected) and outcome.gone


@pytest.mark.parametrize("nobody", ["u999", "u01", "yamada", "職員"])
async def test_nobody_of_this_id_is_the_address_s_fault(city: City, adapter: LogoChat, nobody: str) -> None:
    [alice] = await city.join("alice")
    assert isinstance(await send(adapter, alice.id), Sent)
    assert gone(await send(adapter, nobody))


async def test_a_room_that_is_not_there_or_not_the_bot_s_any_more_is_gone(
    city: City, adapter: LogoChat, bot: Client
) -> None:
    [alice] = await city.join("alice")
    room = await alice.room(bot.id)
    assert isinstance(await send(adapter, room), Sent)
    assert (await alice.delete(f"/v1/rooms/{room}/members", {"members": [bot.id]})).status == 204
    assert gone(await send(adapter, room))
    assert gone(await send(adapter, "r999"))


async def test_a_text_that_the_service_will_not_have_says_nothing_of_the_address(city: City, adapter: LogoChat) -> None:
    [alice] = await city.join("alice")
    outcome = await send(adapter, alice.id, "長" * 5_001)
    assert isinstance(outcome, Rejected)
    assert not outcome.gone
