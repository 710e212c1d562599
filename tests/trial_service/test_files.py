"""Files go to disk in pieces, belong to their rooms, and leave nothing behind when they are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.clock import ManualClock
from tests.trial_service.conftest import ADMIN, City, Client, Reply
from trial.service import REHEARSAL, ChatService, Limits, Rate

LARGEST = 300_000


@pytest.fixture
def limits() -> Limits:
    return Limits(login=Rate(1, 100), bytes_per_send=LARGEST)


async def upload(client: Client, room: str, files: dict[str, bytes], key: str | None = None) -> Reply:
    form = aiohttp.FormData()
    for name, content in files.items():
        form.add_field("file", content, filename=name, content_type="image/jpeg")
    return await client.call("POST", f"/v1/rooms/{room}/files", None, key=key, data=form)


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "files").iterdir())


async def test_files_are_sent_listed_and_fetched_by_those_who_can_see_their_message(city: City, tmp_path: Path) -> None:
    alice, bob, carol = await city.join("alice", "bob", "carol")
    room = await alice.room(bob.id)
    photo = bytes(range(256)) * 700
    sent = await upload(alice, room, {"../現場 写真.jpg": photo, "b.txt": b""})
    assert sent.status == 201
    assert [file["size"] for file in sent["files"]] == [len(photo), 0]
    assert on_disk(tmp_path) == ["f1", "f2"]
    (message,) = (await bob.get(f"/v1/rooms/{room}/messages"))["messages"]
    assert message["files"] == sent["files"]
    listed = await bob.get(f"/v1/rooms/{room}/files")
    assert [(file["file_id"], file["message_id"]) for file in listed["files"]] == [
        ("f1", sent["message_id"]),
        ("f2", sent["message_id"]),
    ]
    fetched = await bob.get("/v1/files/f1")
    assert (fetched.status, fetched.body) == (200, photo)
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"
    assert fetched.headers["Content-Disposition"].startswith("attachment")
    assert "/" not in sent["files"][0]["name"]
    assert (await carol.get("/v1/files/f1")).status == 404
    assert (await upload(carol, room, {"a": b"a"})).status == 403
    forwarded_to = await bob.room(carol.id)
    forward = await bob.post(f"/v1/messages/{sent['message_id']}/forward", {"room_id": forwarded_to})
    assert forward.status == 201
    assert (await carol.get("/v1/files/f1")).body == photo


async def test_a_file_leaves_the_disk_with_the_last_message_that_shows_it(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    room, other = await alice.room(), await alice.room()
    sent = await upload(alice, room, {"a": b"a"})
    copy = await alice.post(f"/v1/messages/{sent['message_id']}/forward", {"room_id": other})
    assert (await alice.delete(f"/v1/messages/{sent['message_id']}")).status == 204
    assert on_disk(tmp_path) == ["f1"]
    assert (await alice.get("/v1/files/f1")).status == 200
    assert (await alice.delete(f"/v1/messages/{copy['message_id']}")).status == 204
    assert on_disk(tmp_path) == []
    assert (await alice.get("/v1/files/f1")).status == 404


async def test_ten_files_pass_and_the_eleventh_is_refused_with_all_of_them(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    refused = await upload(alice, room, {str(n): b"x" for n in range(11)})
    assert refused.status == 413
    assert "10 files" in refused["detail"]
    assert on_disk(tmp_path) == []
    assert (await upload(alice, room, {str(n): b"x" for n in range(10)})).status == 201


async def test_a_byte_too_many_is_refused_and_removed(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    assert (await upload(alice, room, {"a": b"x" * (LARGEST - 1), "b": b"xx"})).status == 413
    assert (await upload(alice, room, {"a": b"x" * LARGEST * 3})).status == 413, "known from its Content-Length"
    assert on_disk(tmp_path) == []
    assert (await alice.get(f"/v1/rooms/{room}/messages"))["messages"] == []
    assert (await upload(alice, room, {"a": b"x" * (LARGEST - 1), "b": b"x"})).status == 201


async def test_an_upload_that_breaks_off_leaves_nothing_behind(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()

    async def torn() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"a" * 100_000
        raise ConnectionResetError

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await alice.call("POST", f"/v1/rooms/{room}/files", None, data=torn(), headers=headers)
    await city.service.stop()
    assert on_disk(tmp_path) == []


FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="f"'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x--"),
        (FORM, b"nonsense"),
        (FORM, b"--x--\r\n"),
        (FORM, PART + b"\r\n\r\nno file\r\n--x--\r\n"),
        (FORM, PART + b'; filename="f"\r\n\r\ncut'),
        (FORM, b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n"),
    ],
)
async def test_a_body_that_is_no_upload_is_a_problem_that_says_so(
    city: City, tmp_path: Path, content_type: str, body: bytes
) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    path = f"/v1/rooms/{room}/files"
    reply = await alice.call("POST", path, None, data=body, headers={"Content-Type": content_type})
    assert reply.status in {400, 422}, reply
    assert reply["detail"]
    assert on_disk(tmp_path) == []
    assert (await alice.get(f"/v1/rooms/{room}/messages"))["messages"] == []


async def test_an_upload_with_the_same_key_and_content_is_sent_once(city: City, tmp_path: Path) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    first = await upload(alice, room, {"a": b"a"}, key="k")
    assert (await upload(alice, room, {"a": b"a"}, key="k")).body == first.body
    assert (await upload(alice, room, {"a": b"b"}, key="k")).status == 422
    assert on_disk(tmp_path) == ["f1"]
    assert len((await alice.get(f"/v1/rooms/{room}/messages"))["messages"]) == 1


async def test_what_a_killed_process_left_half_done_is_removed_at_the_next_start(
    city: City, tmp_path: Path, clock: ManualClock
) -> None:
    (alice,) = await city.join("alice")
    await upload(alice, await alice.room(), {"a": b"a"})
    await city.service.stop()
    for name in ("partial-1", "f77", "readme.txt"):
        (tmp_path / "files" / name).write_bytes(b"x")
    again = ChatService(
        database=tmp_path / "service.sqlite3",
        files=tmp_path / "files",
        clock=clock,
        admin_token=ADMIN,
        password_cost=REHEARSAL,
    )
    await again.start()
    await again.stop()
    assert on_disk(tmp_path) == ["f1", "readme.txt"]


async def test_notes_are_written_rewritten_and_taken_away_by_any_member_and_by_no_other(city: City) -> None:
    alice, bob, carol = await city.join("alice", "bob", "carol")
    room = await alice.room(bob.id)
    note = await alice.post(f"/v1/rooms/{room}/notes", {"title": "議事録", "kind": "minutes", "text": "一、…"})
    assert (note.status, note["version"]) == (201, 1)
    path = f"/v1/notes/{note['note_id']}"
    city.clock.advance(timedelta(minutes=1))
    assert (await bob.put(path, {"title": "議事録", "text": "二、…", "version": 1}))["version"] == 2
    stale = await alice.put(path, {"title": "議事録", "text": "三、…", "version": 1})
    assert (stale.status, "version 2" in stale["detail"]) == (409, True)
    assert (await carol.put(path, {"title": "盗"})).status == 404
    assert (await carol.get(f"/v1/rooms/{room}/notes")).status == 403
    (listed,) = (await alice.get(f"/v1/rooms/{room}/notes"))["notes"]
    assert (listed["text"], listed["kind"], listed["author"]) == ("二、…", "memo", alice.id)
    assert (await carol.delete(path)).status == 404
    assert (await bob.delete(path)).status == 204
    assert (await bob.delete(path)).status == 404
    assert (await alice.get(f"/v1/rooms/{room}/notes"))["notes"] == []
