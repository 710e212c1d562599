"""The staff's application: one person's HTTP calls and WebSocket to the chat service, and the administrator's calls.

Every call is a real request, and what is done all day goes over the real WebSocket. `Wires` is what the staff share,
as the people of one office share its network: a pool of connections, and counters of requests and frames.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import aiohttp
import orjson

Message = Mapping[str, Any]
"""A message object as the service gives it; its fields stand in the service's OpenAPI document."""

_CONNECTIONS = 24


class ServiceProblem(Exception):
    """The service refused a call; `str(problem)` is its status and what it said."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(f"{status} {detail}")


class Application(Protocol):
    """One person's application, whichever platform the trial is rehearsed on."""

    user_id: str

    @property
    def signed_in(self) -> bool: ...

    async def sign_in(self) -> list[Mapping[str, Any]]: ...

    async def close(self) -> None: ...

    async def colleagues(self) -> dict[str, str]: ...

    async def create_room(self, title: str, members: Sequence[str]) -> str: ...

    async def pair(self, user_id: str) -> str: ...

    async def write(self, room: str, **message: object) -> None: ...

    async def send_file(self, room: str, name: str, content: bytes) -> None: ...

    async def read(self, room: str, message_id: str) -> None: ...

    async def press(self, message_id: str, data: str) -> None: ...


class Network(Protocol):
    """What the staff share, and what the trial's organiser does on the platform; an async context manager."""

    requests: int
    commands: int
    frames: int
    problems: Counter[str]

    async def __aenter__(self) -> Network: ...

    async def __aexit__(self, *_: object) -> None: ...

    def application(self, login: str, password: str, on_frame: Callable[[Mapping[str, Any]], None]) -> Application: ...

    async def admit(self, users: Sequence[Mapping[str, Any]]) -> dict[str, str]: ...

    async def statistics(self) -> Mapping[str, Any]: ...


class Wires:
    """The connections of everybody to one service; use as an async context manager."""

    def __init__(self, service_url: str, admin_token: str = "") -> None:
        self.url = service_url.rstrip("/")
        self._admin_token = admin_token
        self._http: aiohttp.ClientSession | None = None
        self._sockets: aiohttp.ClientSession | None = None
        self.requests = 0
        self.commands = 0
        self.frames = 0
        self.problems: Counter[str] = Counter()

    async def __aenter__(self) -> Wires:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS), timeout=aiohttp.ClientTimeout(total=60)
        )
        # WebSockets hold their connection for months: they must not take the pool's places.
        self._sockets = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        assert self._sockets is not None
        await self._http.close()
        await self._sockets.close()

    def application(self, login: str, password: str, on_frame: Callable[[Mapping[str, Any]], None]) -> StaffClient:
        """Somebody's application, not yet signed in."""
        return StaffClient(self, login, password, on_frame)

    async def admit(self, users: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Give these people accounts, if they have none; everybody's user id by staff number."""
        answer = await self.call("POST", "/v1/admin/users", self._admin_token, {"users": users})
        return {user["login"]: user["user_id"] for user in answer["users"]}

    async def statistics(self) -> Mapping[str, Any]:
        """What the service counts."""
        counted: Mapping[str, Any] = await self.call("GET", "/v1/admin/statistics", self._admin_token)
        return counted

    async def call(
        self,
        method: str,
        path: str,
        token: str = "",
        body: object = None,
        form: aiohttp.FormData | None = None,
    ) -> Any:
        """One request; the answer's JSON, or None. Raises `ServiceProblem` for anything but 2xx."""
        assert self._http is not None
        self.requests += 1
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data: Any = form
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = orjson.dumps(body)
        async with self._http.request(method, self.url + path, data=data, headers=headers) as response:
            answer = await response.read()
            if response.status >= 300:
                raise ServiceProblem(response.status, _detail(answer))
            return orjson.loads(answer) if answer else None

    async def listen(self, token: str) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket of whoever has `token`, past its greeting."""
        assert self._sockets is not None
        self.requests += 1
        socket = await self._sockets.ws_connect(self.url + "/v1/ws", autoping=True, max_msg_size=0)
        await socket.send_str(orjson.dumps({"token": token}).decode())
        greeting = await socket.receive()
        if greeting.type != aiohttp.WSMsgType.TEXT:
            raise ServiceProblem(401, f"The service does not let us listen (close code {socket.close_code}).")
        self.frames += 1
        return socket


class StaffClient:
    """One person's application."""

    def __init__(self, wires: Wires, login: str, password: str, on_frame: Callable[[Mapping[str, Any]], None]) -> None:
        self._wires = wires
        self._login = login
        self._password = password
        self._on_frame = on_frame
        self._token = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listening: asyncio.Task[None] | None = None
        self.user_id = ""

    @property
    def signed_in(self) -> bool:
        return bool(self._token)

    async def sign_in(self) -> list[Mapping[str, Any]]:
        """Sign in with ID and password, listen from now on, and say which rooms there are."""
        session = await self._wires.call("POST", "/v1/login", body={"login": self._login, "password": self._password})
        self.user_id = session["user_id"]
        self._socket = await self._wires.listen(session["token"])
        self._token = session["token"]
        self._listening = asyncio.create_task(self._listen(self._socket), name=f"staff {self._login}")
        rooms: list[Mapping[str, Any]] = (await self._call("GET", "/v1/rooms"))["rooms"]
        return rooms

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def colleagues(self) -> dict[str, str]:
        """Everybody's user id by staff number, page by page."""
        found: dict[str, str] = {}
        cursor = ""
        while True:
            page = await self._call("GET", f"/v1/users?limit=200{cursor}")
            found |= {user["login"]: user["user_id"] for user in page["users"]}
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def create_room(self, title: str, members: Sequence[str]) -> str:
        """A new group room with these user ids; its id."""
        room = await self._call("POST", "/v1/rooms", {"title": title, "members": list(members), "history": "shown"})
        return str(room["room_id"])

    async def pair(self, user_id: str) -> str:
        """The pair talk with a person or a bot; its room id."""
        return str((await self._call("POST", "/v1/pairs", {"user_id": user_id}))["room_id"])

    async def latest(self, room: str, count: int) -> list[Mapping[str, Any]]:
        """The last messages of a room, the oldest first."""
        page = await self._call("GET", f"/v1/rooms/{room}/messages?limit={count}")
        found: list[Mapping[str, Any]] = page["messages"]
        return found

    async def write(self, room: str, **message: object) -> None:
        """Send text, a stamp or a location, with `quote` and `mentions` if wished."""
        await self._command({"do": "write", "room_id": room, **message})

    async def send_file(self, room: str, name: str, content: bytes) -> None:
        """Send one small file."""
        form = aiohttp.FormData()
        form.add_field("files", content, filename=name, content_type="text/plain")
        await self._wires.call("POST", f"/v1/rooms/{room}/files", self._token, form=form)

    async def read(self, room: str, message_id: str) -> None:
        """Everything in the room up to this message is read."""
        await self._command({"do": "read", "room_id": room, "message_id": message_id})

    async def press(self, message_id: str, data: str) -> None:
        """Press a button of a message."""
        await self._command({"do": "press", "message_id": message_id, "data": data})

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        return await self._wires.call(method, path, self._token, body)

    async def _command(self, command: Mapping[str, object]) -> None:
        """Say over the WebSocket what would be a request of its own otherwise; a refusal comes as a frame."""
        assert self._socket is not None
        self._wires.commands += 1
        await self._socket.send_str(orjson.dumps(command).decode())

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            heard = orjson.loads(frame.data)
            if heard["type"] == "problem":
                self._wires.problems[str(ServiceProblem(heard["status"], heard["detail"]))] += 1
            self._on_frame(heard)
            self._wires.frames += 1  # after it was heard: whoever counts frames knows that they have had their effect


def _detail(answer: bytes) -> str:
    """What a problem document says, or the answer's beginning if it is none."""
    try:
        return str(orjson.loads(answer)["detail"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace")
