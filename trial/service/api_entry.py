"""Signing in and out, and the WebSocket."""

from __future__ import annotations

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, ValidationError

from trial.service import accounts, commands, hub, models
from trial.service.calls import Core, Route, respond
from trial.service.problems import BadRequest, Unauthorized
from trial.service.store import transaction

FIRST_FRAME_SECONDS = 10
FRAME_BYTES = 65_536
"""More than the longest message that may be written."""


class FirstFrame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    token: str


async def _login(core: Core, request: web.Request, _: str) -> web.StreamResponse:
    given: models.Login
    _raw, given = await core.read(request, models.Login)
    core.buckets.take(f"login {given.login}", core.limits.login, core.clock.now())
    row = core.change().row("SELECT id, name, password FROM people WHERE login = ?", given.login)
    if not await core.passwords.check(given.password, row and row[2]):
        raise Unauthorized("Login or password is wrong.")
    with transaction(core.db):
        token = accounts.open_session(core.change(), row[0])
    answer = models.Session(token=token, user_id=f"u{row[0]}", name=row[1])
    return respond(200, answer.model_dump_json().encode())


async def _logout(core: Core, request: web.Request, who: str) -> web.StreamResponse:
    token = request.headers["Authorization"].partition(" ")[2]
    with transaction(core.db):
        accounts.close_session(core.change(), token)
    core.hub.disconnect(who, hub.UNAUTHORIZED)
    return web.Response(status=204)


async def _websocket(core: Core, request: web.Request, _: str) -> web.StreamResponse:
    """The token comes in the first frame, because addresses end up in logs and headers cannot be set by browsers."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=FRAME_BYTES, heartbeat=60, timeout=hub.CLOSE_SECONDS)
    if not socket.can_prepare(request).ok:
        raise BadRequest("Open this address as a WebSocket.")
    await socket.prepare(request)
    try:
        first = await socket.receive(timeout=FIRST_FRAME_SECONDS)
    except TimeoutError:
        first = None
    who = None
    if first is not None and first.type == WSMsgType.TEXT:
        try:
            who = accounts.person_with(core.change(), FirstFrame.model_validate_json(first.data).token)
        except ValidationError:
            who = None
    if who is None:
        await socket.close(code=hub.UNAUTHORIZED, message=b'The first frame is {"token": "<session token>"}.')
        return socket
    person = who

    def take(data: str | bytes) -> bytes | None:
        problem = commands.carry_out(core, person, data)
        return None if problem is None else problem.model_dump_json().encode()

    await core.hub.serve(who, socket, models.Ready(user_id=who).model_dump_json().encode(), take)
    return socket


ROUTES = (
    Route("POST", "/v1/login", "Sign in", _login, "anyone", body=models.Login, answer=models.Session, special=True),
    Route("POST", "/v1/logout", "Sign out", _logout, status=204, special=True),
    Route(
        "GET",
        "/v1/ws",
        "What happens, as frames over a WebSocket, and the quick acts: read, press, write",
        _websocket,
        "anyone",
        status=101,
        special=True,
    ),
)
