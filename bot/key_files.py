"""Keys in files of their own, beside what they seal: written through to the disk, and wiped when they have served.

What a key has sealed is noise once the key is gone, wherever copies of it lie: in a database's log, its freed pages,
its backups. Overwriting a file is the best that a file system offers; on flash memory the device may keep a copy for a
while.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bot.folders import sync_folder

LENGTH = 32
"""Bytes of a key, for AES-256."""


def write_key(path: Path, key: bytes, *, durable: bool = True) -> None:
    """A new file that its owner alone may read; `durable` returns once it survives a power cut. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if durable:
            sync_folder(path.parent)
    except OSError:
        path.unlink(missing_ok=True)  # half a key opens nothing
        raise


def wipe_key(path: Path, *, durable: bool = True) -> None:
    """Overwrite and delete a key; one that is gone already is no error. Raises OSError."""
    try:
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(LENGTH))
            file.flush()
            if durable:
                os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)
