"""What is kept is its owner's alone: folders 0700, files 0600, whatever the umask of whoever starts the program."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
_OURS = ("*.sqlite3", "*.sqlite3-*", "*.sqlite3.*", "*.key", "*.sock", "*.token", "*.secret", "*.password")
_OUR_FOLDERS = ("inbox-keys", "survey-keys", "attachments", "files")


def make_private() -> None:
    """Whatever this process makes from now on is readable by its account alone."""
    os.umask(os.umask(0o077) | 0o077)


def keep_private(folder: Path) -> list[Path]:
    """Put right what lies in a folder of ours; what could not be, as it belongs to somebody else.

    Only what has our names: a storage folder may be one in which other things lie, too. Links are left alone.
    """
    left = []
    for path in kept_in(folder):
        try:
            found = path.lstat()
            wanted = FOLDER if stat.S_ISDIR(found.st_mode) else FILE
            if not stat.S_ISLNK(found.st_mode) and stat.S_IMODE(found.st_mode) & ~wanted:
                path.chmod(stat.S_IMODE(found.st_mode) & wanted)
        except FileNotFoundError:
            continue
        except OSError:
            left.append(path)
    return left


def readable_by_others(paths: Iterator[Path]) -> list[Path]:
    """Those of the paths that another account may read or write."""
    found = []
    for path in paths:
        try:
            if path.stat().st_mode & 0o077:
                found.append(path)
        except OSError:
            continue
    return found


def kept_in(folder: Path) -> Iterator[Path]:
    """The folder, and everything of ours that lies in it."""
    if folder.resolve() not in {Path("/"), Path.home(), Path.cwd()}:
        yield folder
    for pattern in _OURS:
        yield from folder.glob(pattern)
    for name in _OUR_FOLDERS:
        if (inner := folder / name).is_dir() and not inner.is_symlink():
            yield inner
            yield from inner.rglob("*")
