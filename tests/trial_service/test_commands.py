"""What people do over the WebSocket on which they listen: reading, pressing, writing."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
import pytest

from trial.service import Limits, Rate

from .conftest import City
from .test_conversation import connect, frames


async def tell(socket: aiohttp.ClientWebSocketResponse, **command: Any) -> None:
    await socket.send_str(orjson.dumps(command).decode())


async def test_a_message_written_over_the_socket_reaches_the_room_and_can_be_read_over_it(city: City) -> None:
    alice, bob = await city.join("a", "b")
    room = await alice.room(bob.id)
    hers, his = await connect(city, alice), await connect(city, bob)
    await tell(hers, do="write", room_id=room, text="おはようございます")
    (mine,), (arrived,) = await frames(hers, 1), await frames(his, 1)
    assert mine == arrived
    message: Any = arrived["message"]
    assert (message["text"], message["sender"]) == ("おはようございます", alice.id)
    await tell(his, do="read", room_id=room, message_id=message["message_id"])
    (read,) = await frames(hers, 1)
    assert (read["type"], read["user_id"]) == ("read", bob.id)
    assert (await alice.get(f"/v1/messages/{message['message_id']}/reads"))["readers"] == [bob.id]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"no json", 400),
        (b'{"do":"fly"}', 422),
        (b'{"do":"write","room_id":"r1"}', 422),
        (b'{"do":"write","room_id":"r999","text":"x"}', 404),
        (b'{"do":"read","room_id":"r1","message_id":"m999"}', 404),
        (b'{"do":"press","message_id":"m999","data":"x"}', 404),
    ],
)
async def test_a_refused_command_comes_back_as_a_problem_and_changes_nothing(
    city: City, command: bytes, status: int
) -> None:
    (alice,) = await city.join("a")
    room = await alice.room()
    socket = await connect(city, alice)
    await socket.send_bytes(command)
    (problem,) = await frames(socket, 1)
    assert (problem["type"], problem["status"]) == ("problem", status)
    assert problem["detail"]
    assert (await alice.get(f"/v1/rooms/{room}/messages"))["messages"] == []
    await tell(socket, do="write", room_id=room, text="まだ話せます")
    assert (await frames(socket, 1))[0]["type"] == "message"


@pytest.mark.parametrize("limits", [Limits(person=Rate(1, 4))])
async def test_commands_count_towards_the_calls_that_a_person_may_make(city: City) -> None:
    (alice,) = await city.join("a")
    room = await alice.room()  # the first call
    socket = await connect(city, alice)
    for number in range(4):
        await tell(socket, do="write", room_id=room, text=str(number))
    kinds = [frame["type"] for frame in await frames(socket, 4)]
    assert kinds == ["message", "message", "message", "problem"]
