"""The promises of the contract: one effect a key, faults on request, and a document that tells the truth."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it brings no types
from openapi_spec_validator import validate
from structlog.testing import capture_logs

from bot.adapters.logochat_wire import Callback
from tests.trial_service.conftest import ADMIN, City, Client
from tests.trial_service.test_conversation import connect, frames
from trial.service.ids import number
from trial.service.problems import NotFound


async def count(client: Client, room: str) -> int:
    return len((await client.get(f"/v1/rooms/{room}/messages"))["messages"])


async def test_the_same_key_gives_the_first_answer_for_24_hours_and_another_body_is_refused(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    body = {"user_id": alice.id, "text": "避難指示", "reference": "broadcast:1"}
    first = await bot.post("/bot/v1/messages", body, key="delivery-1")
    city.clock.advance(timedelta(hours=23, minutes=59))
    again = await bot.post("/bot/v1/messages", body, key="delivery-1")
    assert (again.status, again.body) == (201, first.body)
    assert (await bot.post("/bot/v1/messages", {**body, "text": "別"}, key="delivery-1")).status == 422
    assert await count(alice, first["room_id"]) == 1
    city.clock.advance(timedelta(minutes=1))
    assert (await bot.post("/bot/v1/messages", body, key="delivery-1"))["message_id"] != first["message_id"]
    assert (await city.admin.get("/v1/admin/statistics"))["references"]["broadcast:1"]["duplicates"] == 1


async def test_a_key_belongs_to_its_caller_and_a_refusal_does_not_use_it_up(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    path = f"/v1/rooms/{room}/messages"
    assert (await alice.post(path, {"text": ""}, key="k")).status == 422
    assert (await alice.post(path, {"text": "a", "mentions": ["u99"]}, key="k")).status == 422
    for client in (alice, bob, alice):
        assert (await client.post(path, {"text": "a"}, key="k")).status == 201
    assert await count(alice, room) == 2
    for key in ("k" * 256, "é"):
        assert (await alice.post(path, {"text": "a"}, key=key)).status == 400
    assert (await alice.post(f"/v1/rooms/{room}/leave", key="away")).status == 204
    assert (await alice.post(f"/v1/rooms/{room}/leave", key="away")).status == 204


async def test_the_document_says_what_a_key_and_the_name_of_a_file_may_look_like(city: City) -> None:
    document = (await Client(city.session, city.service.url, "").get("/openapi.json")).body
    parameters = [
        parameter
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation["parameters"]
    ]
    keys = [each["schema"] for each in parameters if each["name"] == "Idempotency-Key"]
    files = [each["schema"] for each in parameters if each["name"] == "sha256"]
    assert keys
    assert files
    for schema in keys:
        assert Draft202012Validator(schema).is_valid("broadcast:1 ~")
        for wrong in ("", "é", "a\tb", "k" * 256):
            assert not Draft202012Validator(schema).is_valid(wrong)
    assert Draft202012Validator(files[0]).is_valid("0" * 64)
    assert not Draft202012Validator(files[0]).is_valid("0")


async def test_old_keys_do_not_pile_up(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    for day in range(3):
        for n in range(5):
            await alice.post(f"/v1/rooms/{room}/messages", {"text": "a"}, key=f"{day} {n}")
        city.clock.advance(timedelta(hours=25))
    await alice.post(f"/v1/rooms/{room}/messages", {"text": "a"}, key="last")
    with closing(sqlite3.connect(tmp_path / "service.sqlite3")) as db:
        assert db.execute("SELECT COUNT(*) FROM answers").fetchone() == (1,)


async def test_faults_come_on_request_to_bots_alone_and_the_same_seed_brings_the_same_ones(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()

    async def outcomes() -> list[int]:
        faults = {"rate_limited": 0.3, "error": 0.3, "seed": 7}
        assert (await city.admin.put("/v1/admin/faults", faults)).status == 204
        return [(await bot.get("/bot/v1/users")).status for _ in range(30)]

    first = await outcomes()
    assert set(first) == {200, 429, 500}
    assert await outcomes() == first
    assert (await alice.get("/v1/me")).status == 200
    assert (await city.admin.put("/v1/admin/faults", {"error": 0.6, "cut": 0.6})).status == 422
    assert (await city.admin.put("/v1/admin/faults", {})).status == 204
    assert {(await bot.get("/bot/v1/users")).status for _ in range(10)} == {200}


async def test_a_call_that_is_carried_out_and_then_cut_off_can_be_repeated_with_its_key(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    await city.admin.put("/v1/admin/faults", {"cut": 1.0})
    body = {"user_id": alice.id, "text": "一度だけ", "reference": "broadcast:1"}
    with pytest.raises(aiohttp.ClientError):
        await bot.post("/bot/v1/messages", body, key="d1")
    await city.admin.put("/v1/admin/faults", {})
    again = await bot.post("/bot/v1/messages", body, key="d1")
    assert again.status == 201
    assert await count(alice, again["room_id"]) == 1


async def test_a_call_that_is_never_answered_changes_nothing_and_ends_with_the_service(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    await city.admin.put("/v1/admin/faults", {"hang": 1.0})
    hanging = asyncio.create_task(bot.post("/bot/v1/messages", {"user_id": alice.id, "text": "届かない"}))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(hanging), 0.05)
    assert [room["kind"] for room in (await alice.get("/v1/rooms"))["rooms"]] == ["announcements"]
    await city.service.stop()
    with pytest.raises((aiohttp.ClientError, AssertionError)):
        assert (await hanging).status == 201


async def test_the_document_is_valid_openapi_3_1_and_says_whose_contract_it_is(city: City) -> None:
    document = (await city.admin.get("/openapi.json")).body
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert "publishes no API" in document["info"]["description"]
    assert len(document["paths"]) > 25


async def test_what_is_answered_pushed_and_called_back_fits_the_document(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    bot = await city.bot()
    schemas = (await city.admin.get("/openapi.json"))["components"]["schemas"]

    def fits(name: str, value: object) -> None:
        Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}).validate(
            value
        )

    async with await connect(city, alice) as socket:
        room = await alice.room(bob.id, bot.id)
        message = await bob.say(room, "これは？", mentions=[bot.id])
        await alice.say(room, "はい", quote=message)
        await bob.post(f"/v1/rooms/{room}/messages", {"location": {"latitude": 35.0, "longitude": 139.0}})
        await alice.read(room, message)
        await bob.read(room, "m2")
        note = await alice.post(f"/v1/rooms/{room}/notes", {"title": "予定", "kind": "schedule"})
        await alice.delete(f"/v1/notes/{note['note_id']}")
        await bob.delete(f"/v1/messages/{message}")
        await bob.post(f"/v1/rooms/{room}/leave")
        pushed = await frames(socket, 9)
    assert [frame["type"] for frame in pushed] == [
        "joined", "message", "message", "message", "read", "note", "note", "deleted", "left",
    ]  # fmt: skip
    models = {"message": "MessageFrame", "read": "ReadFrame", "note": "NoteFrame", "deleted": "DeletedFrame"}
    for frame in pushed:
        fits(models.get(str(frame["type"]), "MemberFrame"), frame)
    for name, path in {
        "Me": "/v1/me",
        "Users": "/v1/users",
        "Rooms": "/v1/rooms",
        "Room": f"/v1/rooms/{room}",
        "Messages": f"/v1/rooms/{room}/messages",
        "Notes": f"/v1/rooms/{room}/notes",
        "RoomFiles": f"/v1/rooms/{room}/files",
        "Reads": "/v1/messages/m2/reads",
        "Problem": "/v1/rooms/r99",
    }.items():
        fits(name, (await alice.get(path)).body)
    fits("Statistics", (await city.admin.get("/v1/admin/statistics")).body)
    await city.quiet()
    assert city.receiver.requests
    for request in city.receiver.requests:
        fits("Callback", request)
        Callback.model_validate(request)


@pytest.mark.parametrize("identifier", ["m", "m0", "m01", "m-1", "r1", "m１", "m1 ", "m1\n", "m" + "9" * 19])
def test_an_id_that_is_none_is_not_found(identifier: str) -> None:
    with pytest.raises(NotFound):
        number("m", identifier)


async def test_an_error_of_the_service_s_own_is_a_500_that_leaves_nothing_half_done_and_logs_no_secret(
    city: City, tmp_path: Path
) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    with closing(sqlite3.connect(tmp_path / "service.sqlite3", isolation_level=None)) as db:
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON rooms BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        with capture_logs() as logs:
            reply = await alice.post(f"/v1/rooms/{room}/messages", {"text": "残らない"}, key="k")
        db.execute("DROP TRIGGER full")
    assert (reply.status, reply.headers["Content-Type"]) == (500, "application/problem+json")
    assert "disk full" not in reply["detail"]
    assert "disk full" in logs[0]["trace"]
    assert alice.token not in str(logs)
    assert ADMIN not in str(logs)
    assert await count(alice, room) == 0
    assert (await alice.post(f"/v1/rooms/{room}/messages", {"text": "残る"}, key="k")).status == 201
