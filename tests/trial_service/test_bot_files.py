"""Files from a bot: put there once, named in many messages, gone with the last of them; the real adapter on top."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.adapter import CarriesFiles, Delivery, FetchesFiles, Outcome, Rejected, Retry, Sent
from bot.adapters.logochat import LogoChat
from bot.attachments import Shelf
from bot.errors import Refused
from bot.messages import Address, Attachment, Message
from tests.bot.test_attachments import spoil
from tests.trial_service.conftest import City, Client
from trial.service import Limits, Rate

LARGEST = 300_000
TABLE = b"shelter,people\n" * 9_000


@pytest.fixture
def limits() -> Limits:
    return Limits(login=Rate(1, 100), bytes_per_send=LARGEST)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
async def bot(city: City) -> Client:
    return await city.bot()


@pytest.fixture
async def adapter(city: City, bot: Client, shelf: Shelf) -> AsyncIterator[LogoChat]:
    adapter = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    assert isinstance(adapter, CarriesFiles)
    assert adapter.capabilities.attachments == 0
    adapter.carry(shelf)
    assert adapter.capabilities.attachments == 10
    await adapter.open()
    yield adapter
    await adapter.close()


async def kept(shelf: Shelf, tmp_path: Path, name: str = "避難所 一覧.csv", content: bytes = TABLE) -> Attachment:
    (tmp_path / name).write_bytes(content)
    return await shelf.keep(tmp_path / name)


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "files").iterdir())


async def send(adapter: LogoChat, to: str, *files: Attachment, key: str = "k", uncertain: bool = False) -> Outcome:
    address = Address("logochat", "room" if to.startswith("r") else "person", to)
    message = Message(text="資料です。", attachments=files)
    (outcome,) = await adapter.send([Delivery(1, key, address, message, uncertain=uncertain)])
    return outcome


async def newest(client: Client, room: str) -> dict[str, object]:
    found: dict[str, object] = (await client.get(f"/v1/rooms/{room}/messages"))["messages"][-1]
    return found


async def test_one_content_reaches_many_rooms_and_lies_there_once(
    city: City, bot: Client, adapter: LogoChat, shelf: Shelf, tmp_path: Path
) -> None:
    people = await city.join("alice", "bob", "carol")
    rooms = [(await bot.post("/bot/v1/rooms", {"title": "課", "members": [each.id]}))["room_id"] for each in people]
    file = await kept(shelf, tmp_path)
    outcomes = await asyncio.gather(*(send(adapter, room, file, key=room) for room in rooms))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert on_disk(tmp_path) == ["f1"]
    for client, room in zip(people, rooms, strict=True):
        (shown,) = (await client.get(f"/v1/rooms/{room}/messages"))["messages"]
        assert shown["text"] == "資料です。"
        ((name, size),) = [(each["name"], each["size"]) for each in shown["files"]]
        assert (name, size) == ("避難所 一覧.csv", len(TABLE))
        assert (await client.get(f"/v1/files/{shown['files'][0]['file_id']}")).body == TABLE


async def test_the_same_key_with_files_is_one_message_also_after_a_restart(
    city: City, bot: Client, adapter: LogoChat, shelf: Shelf, tmp_path: Path
) -> None:
    (alice,) = await city.join("alice")
    file = await kept(shelf, tmp_path)
    first = await send(adapter, alice.id, file)
    again = await send(adapter, alice.id, file)
    restarted = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    restarted.carry(shelf)
    await restarted.open()
    later = await send(restarted, alice.id, file)
    await restarted.close()
    assert first == again == later
    assert isinstance(first, Sent)
    room = (await alice.post("/v1/pairs", {"user_id": bot.id}))["room_id"]
    assert len((await alice.get(f"/v1/rooms/{room}/messages"))["messages"]) == 1
    assert on_disk(tmp_path) == ["f1"]


async def test_a_message_taken_back_takes_its_file_along_and_the_next_brings_it_again(
    city: City, bot: Client, adapter: LogoChat, shelf: Shelf, tmp_path: Path
) -> None:
    (alice,) = await city.join("alice")
    file = await kept(shelf, tmp_path)
    sent = await send(adapter, alice.id, file)
    assert isinstance(sent, Sent)
    address = Address(adapter="logochat", kind="person", id=alice.id)
    delete = Delivery(2, "d", address, Message(text="x"), action="delete", message_id=sent.message_id)
    assert await adapter.send([delete]) == [Sent()]
    assert on_disk(tmp_path) == []
    assert (await alice.get("/v1/files/f1")).status == 404
    # The adapter thinks that the service still has it: it is told, forgets, and is right the next time.
    assert isinstance(await send(adapter, alice.id, file, key="k2"), Retry)
    assert isinstance(await send(adapter, alice.id, file, key="k2"), Sent)


async def test_what_is_wrong_with_a_file_is_said_and_leaves_nothing(
    city: City, bot: Client, adapter: LogoChat, shelf: Shelf, tmp_path: Path
) -> None:
    (alice,) = await city.join("alice")
    good = hashlib.sha256(b"x").hexdigest()
    for path, status in (
        (f"/bot/v1/files/{good}?name=a", 422),  # another content
        ("/bot/v1/files/nothing?name=a", 422),
        (f"/bot/v1/files/{good}", 422),
    ):
        assert (await bot.call("PUT", path, b"y")).status == status
    assert (await alice.call("PUT", f"/bot/v1/files/{good}?name=a", b"x")).status == 401
    large = b"x" * (LARGEST + 1)
    assert (await bot.call("PUT", f"/bot/v1/files/{hashlib.sha256(large).hexdigest()}?name=a", large)).status == 413
    assert on_disk(tmp_path) == []
    missing = {"user_id": alice.id, "text": "x", "files": [{"sha256": good, "name": "a"}]}
    refused = await bot.post("/bot/v1/messages", missing)
    assert refused.status == 409
    assert "PUT" in refused["detail"]
    assert (await bot.call("PUT", f"/bot/v1/files/{good}?name=a", b"x")).status == 204
    assert (await bot.call("PUT", f"/bot/v1/files/{good}?name=a", b"x")).status == 204
    assert (await bot.post("/bot/v1/messages", missing)).status == 201
    two = [await kept(shelf, tmp_path, f"{n}.bin", bytes([n]) * 200_000) for n in (1, 2)]
    outcome = await send(adapter, alice.id, *two)
    assert isinstance(outcome, Rejected)
    assert "413" in outcome.reason


@pytest.mark.parametrize("state", ["missing", "half", "folder"])
async def test_where_this_machine_has_not_the_file_the_words_go_alone_and_the_log_says_what_to_mend(
    city: City, adapter: LogoChat, shelf: Shelf, tmp_path: Path, state: str
) -> None:
    [alice] = await city.join("alice")
    file = await kept(shelf, tmp_path)
    spoil(shelf.path(file), state)
    with capture_logs() as logs:
        outcome = await send(adapter, alice.id, file)
    assert isinstance(outcome, Sent)
    shown = await newest(alice, (await alice.get("/v1/rooms"))["rooms"][-1]["room_id"])
    assert (shown["text"], shown["files"]) == ("資料です。", [])
    (reason,) = [entry["reason"] for entry in logs if entry["event"] == "logochat.without_files"]
    assert "避難所 一覧.csv" in reason
    assert "folder attachments" in reason
    shelf.path(file).rmdir() if state == "folder" else shelf.path(file).unlink(missing_ok=True)
    await kept(shelf, tmp_path)
    assert isinstance(await send(adapter, alice.id, file, key="k2"), Sent)
    assert (await newest(alice, str(shown["room_id"])))["files"] != []


async def test_what_may_have_arrived_with_its_file_is_not_sent_again_without(
    city: City, adapter: LogoChat, shelf: Shelf, tmp_path: Path
) -> None:
    [alice] = await city.join("alice")
    file = await kept(shelf, tmp_path)
    assert isinstance(await send(adapter, alice.id, file), Sent)
    shelf.path(file).unlink()
    restarted = LogoChat(city.service.url, adapter._token, city.receiver.secret, clock=city.clock)
    restarted.carry(shelf)
    await restarted.open()
    assert isinstance(await send(restarted, alice.id, file, uncertain=True), Sent)
    assert isinstance(await send(restarted, alice.id, file), Rejected)
    await restarted.close()
    room = (await alice.get("/v1/rooms"))["rooms"][-1]["room_id"]
    assert len((await alice.get(f"/v1/rooms/{room}/messages"))["messages"]) == 1


async def test_an_adapter_without_a_shelf_gives_up_with_a_sentence(
    city: City, bot: Client, shelf: Shelf, tmp_path: Path
) -> None:
    file = await kept(shelf, tmp_path)
    bare = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    await bare.open()
    outcome = await send(bare, "u1", file)
    assert isinstance(outcome, Rejected)
    assert "no place from which it could send files" in outcome.reason
    await bare.close()


async def test_what_people_send_to_the_bot_is_brought_to_the_shelf(
    city: City, bot: Client, adapter: LogoChat, shelf: Shelf, tmp_path: Path
) -> None:
    alice, bob = await city.join("alice", "bob")
    assert isinstance(adapter, FetchesFiles)
    room = (await alice.post("/v1/pairs", {"user_id": bot.id}))["room_id"]
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", TABLE, filename="一覧.csv")
    form.add_field("file", b"x", filename="メモ.txt")
    sent = await alice.call("POST", f"/v1/rooms/{room}/files", None, data=form)
    await city.quiet()
    (told,) = city.receiver.told("message")
    assert (told["files"], told["message_id"]) == (2, sent["message_id"])
    table, note = await adapter.fetch_files(told["message_id"])
    assert (table.name, table.size, note.name) == ("一覧.csv", len(TABLE), "メモ.txt")
    assert shelf.path(table).read_bytes() == TABLE
    private = await alice.room(bob.id)
    hidden = await alice.call("POST", f"/v1/rooms/{private}/files", None, data=_one_file())
    assert (await bot.get(f"/bot/v1/messages/{hidden['message_id']}/files")).status == 404
    assert (await bot.get(f"/bot/v1/messages/{hidden['message_id']}/files/f3")).status == 404
    bare = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    assert await bare.fetch_files(told["message_id"]) == []
    empty = aiohttp.FormData(quote_fields=False)
    empty.add_field("file", b"", filename="空.txt")
    nothing = await alice.call("POST", f"/v1/rooms/{room}/files", None, data=empty)
    with pytest.raises(Refused, match=r"attachment\.empty"):
        await adapter.fetch_files(nothing["message_id"])
    assert len([path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]) == 2


def _one_file() -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", b"secret", filename="a.txt")
    return form
