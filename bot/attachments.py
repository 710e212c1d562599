"""Files that go with messages: each content lies on disk once, under its own SHA-256, however often it is sent.

Nothing here is ever held in memory as a whole: files are read and written in pieces.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import BinaryIO

from bot.errors import Refused
from bot.messages import Attachment

FILES = 10
"""Files with one message at most. Source: the chat service's own limits (LoGoチャット, function 4)."""
BYTES = 200_000_000
"""Bytes of one message's files together."""
PIECE = 1 << 20

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Shelf:
    """A folder of contents: `keep` puts one there, `path` finds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, file: Path) -> Attachment:
        """Copy a file in. Raises `Refused` if it cannot be read, is empty or larger than a message may carry."""
        try:
            return await asyncio.to_thread(self._keep, file)
        except OSError as error:
            raise Refused("attachment.unreadable", name=file.name, reason=error.strerror or "") from error

    def path(self, attachment: Attachment) -> Path:
        """Where the content lies."""
        return self._folder / attachment.sha256[:2] / attachment.sha256

    def _keep(self, file: Path) -> Attachment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self._folder)
        try:
            with file.open("rb") as source, os.fdopen(descriptor, "wb") as target:
                attachment = _copy(source, target, clean_name(file.name))
            place = self.path(attachment)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            Path(draft).replace(place)
            return attachment
        finally:
            Path(draft).unlink(missing_ok=True)


def _copy(source: BinaryIO, target: BinaryIO, name: str) -> Attachment:
    digest, size = hashlib.sha256(), 0
    while piece := source.read(PIECE):
        size += len(piece)
        if size > BYTES:
            raise Refused("attachment.too_large", limit=BYTES // 1_000_000)
        digest.update(piece)
        target.write(piece)
    if size == 0:
        raise Refused("attachment.empty", name=name)
    target.flush()
    os.fsync(target.fileno())
    return Attachment(name=name, size=size, sha256=digest.hexdigest())


def clean_name(name: str) -> str:
    """A file's name without folders and control characters, at most 200 characters with its ending."""
    plain = _CONTROL.sub("", re.split(r"[/\\]", name)[-1]).strip(". ") or "file"
    stem, dot, ending = plain.rpartition(".")
    return plain if len(plain) <= 200 else f"{(stem or plain)[: 199 - len(ending)]}{dot}{ending}"[:200]


def checked(attachments: tuple[Attachment, ...]) -> None:
    """Raise `Refused` for more files, or larger ones, than one message may carry."""
    if len(attachments) > FILES:
        raise Refused("attachment.too_many", limit=FILES)
    if sum(each.size for each in attachments) > BYTES:
        raise Refused("attachment.too_large", limit=BYTES // 1_000_000)
