"""Folders whose new files are to outlast a power cut: a file's name is in its folder, which is synced like the file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import ConfigurationError


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def held_alone(database: Path) -> Iterator[None]:
    """Keep a second bot away from the same SQLite file, by whatever path it comes; ConfigurationError for the second.

    The lock lies beside the database itself, not beside the settings, and ends with the process. A second name of the
    file (a hard link) is refused: SQLite keeps its log beside the name, and two logs would spoil the file.
    """
    real = Path(os.path.realpath(database))
    if real.exists() and real.stat().st_nlink > 1:
        raise ConfigurationError(
            f"データベース {real} に、別の名前（ハードリンク）があります。一つだけにしてください。 "
            f"/ The database {real} has a second name (a hard link). Leave it only one."
        )
    try:
        descriptor = os.open(real.with_name(f"{real.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"データベースのフォルダー {real.parent} に書き込めません（{error.strerror}）。 "
            f"/ The database's folder {real.parent} cannot be written to: {error.strerror}."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"データベース {real} は、ほかのボットが使っています。そちらを止めるか、別の保存先を設定してください。 "
                f"/ The database {real} is in use by another bot. Stop that one, or give this one a folder of its own."
            ) from error
        yield
    finally:
        os.close(descriptor)
