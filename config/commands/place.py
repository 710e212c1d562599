"""Where a command works: which settings, which database, who asks, and how a refusal is said."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from bot.bilingual import both, reason, shown
from bot.errors import ConfigurationError, KairanbanError, Refused
from bot.storage import Database
from bot.texts import Texts
from config import migrate
from config.commands.check import SettingsFile
from config.settings import Settings

__all__ = ["Folder", "SettingsFile", "Yes", "caller", "catalogue", "chosen", "free", "opened", "refusals", "save"]

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="設定の代わりに、このフォルダーの SQLite を使う (例: var/demo) / the SQLite in this folder instead",
        show_default=False,
    ),
]


Yes = Annotated[bool, typer.Option("--yes", "-y", help="聞かずに進む / do not ask")]


def chosen(file: Path | None, folder: Path | None) -> Settings:
    """The settings, on the database in `folder` if one is named."""
    settings = Settings.load(file)
    if folder is None:
        return settings
    storage = settings.storage.model_copy(update={"folder": folder, "database": ""})
    return settings.model_copy(update={"storage": storage})


def catalogue(settings: Settings) -> Texts:
    """Every sentence that a command may say."""
    return Texts("bot", "bot.roster", "broadcasts", "config", language=settings.language)


def caller() -> str:
    """Who asks, for the audit: the account that this machine knows them by."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have a number and no name
        return f"os:uid={os.getuid()}"


@asynccontextmanager
async def opened(settings: Settings, *, new: bool = False) -> AsyncIterator[Database]:
    """The house's database in its newest form; only with `new` one that is not there yet is made.

    A running bot may have it open too: SQLite lets others read, and write one after the other.
    """
    url = make_url(settings.storage.database_url)
    read_only = False
    if url.get_backend_name() == "sqlite" and url.database:
        file = Path(url.database)
        if new:
            file.parent.mkdir(parents=True, exist_ok=True)
        elif not file.exists():
            raise ConfigurationError(both("config", "command.no_place", file=shown(file)))
        read_only = file.exists() and not all(os.access(each, os.W_OK) for each in (file, file.parent))
    database = Database.open(settings.storage.database_url, durability=settings.storage.durability, read_only=read_only)
    try:
        try:
            await (migrate.expect_newest(database) if read_only else migrate.upgrade(database))
        except DBAPIError as error:
            # The driver's own words: those of SQLAlchemy would show the statement, and an URL may hold a password.
            raise ConfigurationError(both("config", "command.no_database_now", reason=error.orig)) from error
        except OSError as error:
            raise ConfigurationError(both("config", "command.no_database_now", reason=reason(error))) from error
        yield database
    finally:
        await database.close()


@contextmanager
def refusals(texts: Texts) -> Iterator[None]:
    """Say a refusal as a sentence in the reader's language."""
    try:
        yield
    except Refused as refusal:
        if refusal.key not in texts:
            raise
        raise KairanbanError(texts(refusal.key, **refusal.values)) from refusal


def save(file: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file with personal data, whole or not at all, that its owner alone can read."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened_file:
            opened_file.write(content)
        if overwrite:
            draft.replace(file)
        else:
            os.link(draft, file)  # unlike a rename, never over a file that is there
    except FileExistsError as error:
        raise _taken(file) from error
    except OSError as error:
        raise ConfigurationError(
            both("config", "command.unwritable", file=shown(file), reason=reason(error))
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def free(file: Path, *, overwrite: bool, endings: tuple[str, ...]) -> None:
    """Make sure, before any work, that `file` can be written and that its name says which form it takes."""
    if file.suffix.lower() not in endings:
        wanted = " / ".join(endings)
        raise ConfigurationError(both("config", "command.ending", endings=wanted))
    if not file.parent.is_dir():
        raise ConfigurationError(both("config", "command.no_folder", folder=shown(file.parent)))
    if file.exists() and not overwrite:
        raise _taken(file)


def _taken(file: Path) -> ConfigurationError:
    return ConfigurationError(both("config", "command.taken", file=shown(file)))
