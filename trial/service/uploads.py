"""Sending and fetching files over HTTP, without ever holding one in memory.

At most 10 files and 200 MB in one send (`reference/trial.md`, function 4); a `Content-Length` that says more is
refused before the first byte is read.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import BodyPartReader, web

from trial.service import files, messages, rooms
from trial.service.calls import Call, Core, once, respond
from trial.service.files import Partial
from trial.service.ids import number
from trial.service.messages import Draft
from trial.service.models import SentFiles
from trial.service.problems import BadRequest, TooLarge, Unprocessable
from trial.service.store import transaction

CHUNK = 65_536
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENVELOPE = 65_536
"""What boundaries and headers of ten parts may add to the files' own bytes."""


async def receive(core: Core, request: web.Request, who: str) -> web.StreamResponse:
    """`POST /v1/rooms/{room}/files`: one message with every file of a multipart body."""
    rooms.enter(core.change(), request.match_info["room"], who)
    if request.content_type != "multipart/form-data":
        raise BadRequest("Send multipart/form-data in which each part with a filename is a file.")
    if (request.content_length or 0) > core.limits.bytes_per_send + _ENVELOPE:
        raise _too_large(core)
    partials: list[Partial] = []
    try:
        await _take_in(core, request, partials)
        if not partials:
            raise Unprocessable("There is no file in the request; a part with a filename is one.")
        content = b"".join(partial.digest + partial.name.encode() for partial in partials)
        change = core.change()
        call = Call(core, change, who, request.match_info)

        def act() -> tuple[int, bytes]:
            room = rooms.enter(change, request.match_info["room"], who)  # again: the upload took its time
            kept = core.folder.keep(change, partials)
            sent = messages.send(change, who, room, Draft(files=kept))
            return 201, SentFiles(**sent.model_dump(), files=kept).model_dump_json().encode()

        with transaction(core.db):
            answer = once(call, request, content, act)
        core.publish(change)
        return respond(*answer)
    finally:
        core.folder.drop(partials)


async def put(core: Core, request: web.Request, who: str) -> web.StreamResponse:
    """`PUT /bot/v1/files/{sha256}?name=`: one file for messages to come, named by its content."""
    sha256, name = request.match_info["sha256"], request.query.get("name", "")
    if not _SHA256.fullmatch(sha256) or not 0 < len(name) <= 200:
        raise Unprocessable("Name the file by the SHA-256 of its content in hexadecimal, and give ?name=.")
    if (request.content_length or 0) > core.limits.bytes_per_send:
        raise _too_large(core)
    partial = core.folder.receive(name, request.content_type)
    try:
        with partial:
            async for chunk in request.content.iter_chunked(CHUNK):
                partial.write(chunk)
                if partial.size > core.limits.bytes_per_send:
                    raise _too_large(core)
        if partial.digest.hex() != sha256:
            raise Unprocessable("The content has another SHA-256 than the address says; send it again.")
        with transaction(core.db):
            change = core.change()
            if files.put_there(change, who, sha256, name) is None:
                (kept,) = core.folder.keep(change, [partial])
                values = (who, sha256, name, number("f", kept.file_id))
                change.db.execute("INSERT INTO bot_files (bot, sha256, name, file) VALUES (?, ?, ?, ?)", values)
        return web.Response(status=204)
    finally:
        core.folder.drop([partial])


async def hand_out(core: Core, request: web.Request, who: str) -> web.StreamResponse:
    """`GET /v1/files/{file}`: the file as an attachment, so that no browser runs it."""
    file = files.find(core.change(), who, request.match_info["file"])
    headers = {
        "Content-Type": file.content_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return web.FileResponse(core.folder.path_of(number("f", file.file_id)), headers=headers)


async def _take_in(core: Core, request: web.Request, partials: list[Partial]) -> None:
    total = 0
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.filename is None:
                raise Unprocessable("Each part needs a filename; nothing but files is taken here.")
            if len(partials) == core.limits.files_per_send:
                raise TooLarge(f"At most {core.limits.files_per_send} files in one send; send the rest in another.")
            partial = core.folder.receive(part.filename, part.headers.get("Content-Type", ""))
            partials.append(partial)
            with partial:
                while chunk := await part.read_chunk(CHUNK):
                    total += len(chunk)
                    if total > core.limits.bytes_per_send:
                        raise _too_large(core)
                    partial.write(chunk)
    except ValueError as error:  # how aiohttp speaks of a boundary or a header that is wrong
        raise BadRequest(f"The multipart body cannot be read: {str(error)[:100]}") from None


def _too_large(core: Core) -> TooLarge:
    return TooLarge(f"At most {core.limits.bytes_per_send // 1_000_000} MB in one send; send fewer files at a time.")
