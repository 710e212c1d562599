"""The staff on a Matrix homeserver: each with an account, a password and a client's calls of their own.

Real clients wait on a long `/sync`; here everybody looks when the rehearsal says that a moment is over (`look`), so
that nobody waits for the server's clock, which is the real one. Who was active in which month is noted with the
trial's clock, for the same reason; what arrived is counted from the rooms that members see.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from bot.clock import Clock, to_tokyo
from trial.client import Application, ServiceProblem
from trial.matrix_client import REFERENCE, Frame, MatrixApplication

Register = Callable[[str, str, str], Awaitable[None]]
"""Makes an account: login, password, name."""

_CONNECTIONS = 8
_PAGE = 100


class MatrixNetwork:
    """The connections of everybody to the homeserver at `url`, whose users end in `server`.

    `bot` is the bot's user id; `register` makes accounts, as the server's administrator does.
    """

    def __init__(self, url: str, server: str, bot: str, clock: Clock, register: Register) -> None:
        self.url = url
        self.bot = bot
        self._server = server
        self._clock = clock
        self._register = register
        self._http: aiohttp.ClientSession | None = None
        self._applications: dict[str, MatrixApplication] = {}
        self._passwords: dict[str, str] = {}
        self._active: defaultdict[str, set[str]] = defaultdict(set)
        self._opened = 0
        self.files = 0
        self.pairs: dict[frozenset[str], str] = {}
        self.requests = 0
        self.commands = 0
        self.frames = 0
        self.problems: Counter[str] = Counter()

    async def __aenter__(self) -> MatrixNetwork:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS), timeout=aiohttp.ClientTimeout(total=60)
            )
        self._opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._opened -= 1
        if self._opened == 0 and self._http is not None:
            await self._http.close()
            self._http = None

    def application(self, login: str, password: str, on_frame: Callable[[Frame], None]) -> Application:
        """Somebody's application, not yet signed in."""
        self._applications[login] = MatrixApplication(self, login, self.user_id(login), password, on_frame)
        return self._applications[login]

    def user_id(self, login: str) -> str:
        """The Matrix id of a staff number; Synapse keeps names of nothing but digits for itself."""
        return f"@s{login}:{self._server}"

    def directory(self) -> dict[str, str]:
        """Everybody's user id by staff number."""
        return {login: self.user_id(login) for login in self._passwords}

    async def admit(self, users: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Give these people accounts, if they have none; everybody's user id by staff number."""
        for user in users:
            if user["login"] not in self._passwords:
                await self._register(f"s{user['login']}", user["password"], user["name"])
                self._passwords[user["login"]] = user["password"]
        return self.directory()

    async def look(self) -> bool:
        """Let everybody who is signed in take in what is new; whether there was anything."""
        signed_in = [each for each in self._applications.values() if each.signed_in]
        return any(await asyncio.gather(*(each.look() for each in signed_in)))

    def acted(self, login: str) -> None:
        """Somebody wrote, pressed or read."""
        self._active[to_tokyo(self._clock.now()).strftime("%Y-%m")].add(login)

    async def call(
        self,
        method: str,
        path: Sequence[str],
        token: str = "",
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """One request of a client; raises `ServiceProblem` for anything but 2xx."""
        address = f"{self.url}/_matrix/client/v3/" + "/".join(quote(part, safe="") for part in path)
        return await self.send(method, address, token, None if body is None else orjson.dumps(body), query)

    async def send(
        self, method: str, address: str, token: str, data: bytes | None, query: Mapping[str, str] | None = None
    ) -> Any:
        assert self._http is not None
        self.requests += 1
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._http.request(method, address, data=data, params=query, headers=headers) as response:
            answer = orjson.loads(await response.read())
            if response.status >= 300:
                raise ServiceProblem(response.status, str(answer.get("error", "")))
            return answer

    # -------------------------------------------------------------- counting

    async def statistics(self) -> Mapping[str, Any]:
        """What members see now, counted in their rooms and as themselves, in the form of the chat service's counts."""
        holders: defaultdict[str, Counter[str]] = defaultdict(Counter)
        members: dict[str, int] = {}
        groups: set[str] = set()
        audience: defaultdict[str, set[str]] = defaultdict(set)
        messages: set[str] = set()
        for login in self._passwords:
            token = await self._token(login)
            for room in (await self.call("GET", ["joined_rooms"], token))["joined_rooms"]:
                if room not in members:
                    joined = (await self.call("GET", ["rooms", room, "joined_members"], token))["joined"]
                    members[room] = len(joined.keys() - {self.bot})
                    if await self._has_name(room, token):
                        groups.add(room)
                async for event in self._seen(room, token):
                    messages.add(event["event_id"])
                    reference = event["content"].get(REFERENCE)
                    if reference is not None:
                        holders[reference][login] += 1
                        audience[reference].add(room)
        sizes = [members[room] for room in groups]
        return {
            "users": len(self._passwords),
            "rooms": {"count": len(sizes), "largest": max(sizes, default=0), "pairs": len(members) - len(sizes)},
            "messages": len(messages),
            "files": self.files,
            "references": {
                reference: {
                    "members": sum(members[room] for room in audience[reference]),
                    "delivered": len(counts),
                    "copies": counts.total(),
                    "duplicates": counts.total() - len(counts),
                }
                for reference, counts in holders.items()
            },
            "active": {month: len(people) for month, people in sorted(self._active.items())},
        }

    async def _has_name(self, room: str, token: str) -> bool:
        """Whether a room is one of several people: pair talk has no name of its own."""
        try:
            await self.call("GET", ["rooms", room, "state", "m.room.name"], token)
        except ServiceProblem as problem:
            if problem.status != 404:
                raise
            return False
        return True

    async def _token(self, login: str) -> str:
        application = self._applications.get(login)
        if application is not None and application.signed_in:
            return application.token
        return await self.log_in(login, self._passwords[login])

    async def log_in(self, login: str, password: str) -> str:
        """A new session's token."""
        identifier = {"type": "m.id.user", "user": self.user_id(login)}
        body = {"type": "m.login.password", "identifier": identifier, "password": password}
        return str((await self.call("POST", ["login"], body=body))["access_token"])

    async def _seen(self, room: str, token: str) -> Any:
        """Every message in a room that the owner of `token` can see and that has not been taken back."""
        query = {"dir": "b", "limit": str(_PAGE)}
        while True:
            page = await self.call("GET", ["rooms", room, "messages"], token, query=query)
            for event in page["chunk"]:
                if event["type"] == "m.room.message" and event["content"]:
                    yield event
            if not page["chunk"] or "end" not in page:
                return
            query["from"] = page["end"]
