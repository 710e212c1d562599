"""The bot's account on the homeserver: made when it is missing, like its device and its name."""

from __future__ import annotations

from typing import Any

import structlog

from bot.adapters.matrix.homeserver import DEVICE, Homeserver, MatrixProblem

log = structlog.get_logger(__name__)


class Account:
    """The bot `user`, of the application service that is registered as `appservice`."""

    def __init__(self, homeserver: Homeserver, user: str, display_name: str, appservice: str) -> None:
        self._homeserver = homeserver
        self._user = user
        self._display_name = display_name
        self._appservice = appservice
        self._asked = False

    async def prepare(self) -> dict[str, Any]:
        """Have an account and a device under the right name; the pair talks so far. Raises `MatrixProblem`."""
        server = self._homeserver
        localpart = self._user[1:].partition(":")[0]
        service = {"type": "m.login.application_service"}
        account = {**service, "username": localpart, "inhibit_login": True}
        await server.call_unless("M_USER_IN_USE", "POST", "register", body=account)
        if not await server.call_unless("M_NOT_FOUND", "GET", "devices", DEVICE):
            login = {**service, "identifier": {"type": "m.id.user", "user": localpart}, "device_id": DEVICE}
            await server.call("POST", "login", body=login)
        server.with_device = True
        profile = await server.call_unless("M_NOT_FOUND", "GET", "profile", self._user, "displayname")
        if profile.get("displayname") != self._display_name:
            name = {"displayname": self._display_name}
            await server.call("PUT", "profile", self._user, "displayname", body=name)
        return await server.call_unless("M_NOT_FOUND", "GET", "user", self._user, "account_data", "m.direct")

    async def is_reachable(self) -> bool:
        """Let the homeserver call us once. If it had given us up for a while, it begins again at once."""
        try:
            await self._homeserver.call("POST", "appservice", self._appservice, "ping", body={}, version="v1")
        except MatrixProblem as problem:
            # The first time is before our own door is open, or may be.
            tell = log.warning if self._asked else log.info
            self._asked = True
            tell("matrix.cannot_be_reached", user=self._user, error=str(problem))
            return False
        return True
