"""A real Matrix homeserver for tests and rehearsals: Synapse from its package, on SQLite, on a loopback port.

    with Synapse.prepared(folder, registrations=[file]) as synapse:     # started, and stopped at the end
        await synapse.register("alice", "password")

It needs the package `matrix-synapse` (`pip install 'kairanban[matrix-trial]'`). Staff accept invitations at once
(`auto_accept_invites`), which is also what a city hall is advised to set: see docs/platforms/matrix.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from bot.errors import ConfigurationError, KairanbanError

HOST = "127.0.0.1"
SERVER_NAME = "kairanban.test"
START_LIMIT = 90.0
"""Seconds that a start may take; two are usual."""

# Whoever started it may be killed: then its end of the pipe closes, and nothing is left running.
_RUN = """
import os, runpy, threading

def end_with_the_parent():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=end_with_the_parent, daemon=True).start()
runpy.run_module("synapse.app.homeserver", run_name="__main__", alter_sys=True)
"""


def installed() -> bool:
    """Whether Synapse's package is there."""
    return importlib.util.find_spec("synapse") is not None


def free_port() -> int:
    """A port that nobody has now and that outgoing connections do not take while a server is being restarted."""
    # Below the range from which Linux takes the near ends of connections (32768 and up).
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ConfigurationError("There is no free port between 20000 and 32000 on this machine.")


class Synapse:
    """One homeserver in a folder of its own; it may be stopped, killed and started again on the same address."""

    def __init__(
        self, folder: Path, *, registrations: Sequence[Path] = (), settings: Mapping[str, object] | None = None
    ) -> None:
        """`settings` stand above those of `homeserver.yaml` that a rehearsal has."""
        if not installed():
            raise ConfigurationError(
                "Synapse is not installed. Install it with: pip install 'kairanban[matrix-trial]' (about 120 MB)."
            )
        self.folder = folder
        self.port = free_port()
        self._shared_secret = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "media").mkdir(exist_ok=True)
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        (folder / "signing.key").write_text(f"ed25519 a_{secrets.token_hex(2)} {seed}\n", encoding="ascii")
        (folder / "log.yaml").write_text(json.dumps(_logging(folder)), encoding="utf-8")
        usual = _settings(folder, self.port, self._shared_secret, registrations)
        (folder / "homeserver.yaml").write_text(json.dumps(usual | dict(settings or {})), encoding="utf-8")

    @classmethod
    @contextmanager
    def prepared(
        cls, folder: Path, *, registrations: Sequence[Path] = (), settings: Mapping[str, object] | None = None
    ) -> Iterator[Synapse]:
        """A homeserver that runs while the block does."""
        synapse = cls(folder, registrations=registrations, settings=settings)
        synapse.start()
        try:
            yield synapse
        finally:
            synapse.kill()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def server_name(self) -> str:
        return SERVER_NAME

    def start(self) -> None:
        """Start, and return once it answers. Raises `KairanbanError` with the end of its log if it does not."""
        with (
            tempfile.TemporaryDirectory(prefix="kb-sy-") as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
        ):
            # As systemd would: Synapse says so itself when its ports are open, and nobody has to knock.
            address = str(Path(folder) / "ready")
            ready.bind(address)
            ready.settimeout(0.25)
            with (self.folder / "output.log").open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
                    [sys.executable, "-c", _RUN, "-c", self.folder / "homeserver.yaml"],
                    cwd=self.folder,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=os.environ | {"NOTIFY_SOCKET": address},
                    start_new_session=True,
                )
            for _ in range(int(START_LIMIT / 0.25)):
                try:
                    if b"READY=1" in ready.recv(1_024):
                        return
                except TimeoutError:
                    if self._process.poll() is not None:
                        break
        self.kill()
        said = (self.folder / "output.log").read_text(encoding="utf-8", errors="replace")[-2_000:]
        raise KairanbanError(f"Synapse has not started. The end of its log:\n{said}")

    def stop(self) -> None:
        """Let it finish and end."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.send_signal(how)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdin is not None
            process.stdin.close()

    def mxid(self, login: str) -> str:
        """The full user id of a login."""
        return f"@{login}:{SERVER_NAME}"

    async def register(self, session: aiohttp.ClientSession, login: str, password: str, name: str = "") -> str:
        """Make an account through the shared secret, as `register_new_matrix_user` does; its access token."""
        address = f"{self.url}/_synapse/admin/v1/register"
        async with session.get(address) as response:
            nonce = (await response.json())["nonce"]
        parts = (nonce, login, password, "notadmin")
        mac = hmac.digest(self._shared_secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hex()
        account = {
            "nonce": nonce,
            "username": login,
            "displayname": name or login,
            "password": password,
            "admin": False,
            "mac": mac,
        }
        async with session.post(address, json=account) as response:
            answer = await response.json()
            if response.status != 200:
                raise KairanbanError(f"Synapse did not make the account {login}: {answer.get('error')}.")
            return str(answer["access_token"])


def _settings(folder: Path, port: int, shared_secret: str, registrations: Sequence[Path]) -> dict[str, object]:
    unlimited = {"per_second": 100_000, "burst_count": 100_000}
    return {
        "server_name": SERVER_NAME,
        "report_stats": False,
        "pid_file": str(folder / "synapse.pid"),
        "log_config": str(folder / "log.yaml"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "listeners": [
            {
                "port": port,
                "bind_addresses": [HOST],
                "type": "http",
                "tls": False,
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "registration_shared_secret": shared_secret,
        "enable_registration": False,
        "app_service_config_files": [str(file) for file in registrations],
        "auto_accept_invites": {"enabled": True, "only_from_local_users": True},
        # Simulated staff are quicker than people: the limits are for those whom one does not know.
        "rc_message": unlimited,
        "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), unlimited),
        "rc_joins": {"local": unlimited, "remote": unlimited},
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), unlimited),
        "bcrypt_rounds": 4,
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "push": {"enabled": False},
        "suppress_key_server_warning": True,
    }


def _logging(folder: Path) -> dict[str, object]:
    return {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": str(folder / "synapse.log"), "formatter": "plain"}
        },
        "root": {"level": "WARNING", "handlers": ["file"]},
        "disable_existing_loggers": False,
    }
