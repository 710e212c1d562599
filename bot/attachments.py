"""Files that go with messages: each content lies on disk once, under its own SHA-256, however often it is sent.

Nothing here is ever held in memory as a whole: files are read and written in pieces.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterable, Collection
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from bot.bilingual import reason, shown
from bot.errors import NotOnShelf, Refused
from bot.folders import sync_folder
from bot.messages import Attachment

FILES = 10
"""Files with one message at most. Source: the chat service's own limits (LoGoチャット, function 4)."""
BYTES = 200_000_000
"""Bytes of one message's files together."""
PIECE = 1 << 20

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Shelf:
    """A folder of contents, one for all machines on a database: `keep` puts one there, `open` and `read` find it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, file: Path) -> Attachment:
        """Copy a file in. Raises `Refused` if it cannot be read, is empty or larger than a message may carry."""
        try:
            return await asyncio.to_thread(self._keep, file)
        except OSError as error:
            raise Refused("attachment.unreadable", name=shown(file.name), reason=reason(error)) from error

    async def keep_stream(self, name: str, pieces: AsyncIterable[bytes]) -> Attachment:
        """Write a file as it comes. Raises `Refused` as `keep`, and whatever the stream raises."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as target:
                copy = _Copy(target, clean_name(name))
                async for piece in pieces:
                    await asyncio.to_thread(copy.write, piece)
                attachment = await asyncio.to_thread(copy.finish)
            self._place(Path(draft), attachment)
            return attachment
        finally:
            _drop(draft)

    def path(self, attachment: Attachment) -> Path:
        """Where the content lies."""
        return self._folder / attachment.sha256[:2] / attachment.sha256

    async def open(self, attachment: Attachment) -> BinaryIO:
        """The content, to be read and closed. Raises `NotOnShelf`."""
        return await asyncio.to_thread(self._open, attachment)

    def read(self, attachment: Attachment) -> bytes:
        """The content as a whole, for those who are beside the loop. Raises `NotOnShelf`."""
        try:
            with self._open(attachment) as file:
                return file.read()
        except OSError as error:
            raise _not_here(attachment, type(error).__name__) from None

    async def sweep(self, wanted: Collection[str], before: datetime) -> int:
        """Remove contents (SHA-256) that nobody wants and that were put here before a moment; how many."""
        return await asyncio.to_thread(self._sweep, wanted, before.timestamp())

    def _sweep(self, wanted: Collection[str], before: float) -> int:
        gone = 0
        # Drafts, too: a process that died in the middle of a file has left one.
        for file in (*self._folder.glob("*"), *self._folder.glob("[0-9a-f][0-9a-f]/*")):
            try:
                if file.is_file() and file.name not in wanted and file.stat().st_mtime < before:
                    file.unlink()
                    gone += 1
            except FileNotFoundError:  # machines that share the folder sweep it at the same time
                continue
        return gone

    def _open(self, attachment: Attachment) -> BinaryIO:
        # What goes wrong here is ours, and must not look like a network's fault: a platform would be held to be down.
        try:
            file = self.path(attachment).open("rb")
        except OSError as error:
            raise _not_here(attachment, type(error).__name__) from None
        if os.fstat(file.fileno()).st_size != attachment.size:  # half of a copy, where folders are copied to and fro
            file.close()
            raise _not_here(attachment, "not whole")
        return file

    def _keep(self, file: Path) -> Attachment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as target, file.open("rb") as source:
                copy = _Copy(target, clean_name(file.name))
                while piece := source.read(PIECE):
                    copy.write(piece)
                attachment = copy.finish()
            self._place(Path(draft), attachment)
            return attachment
        finally:
            _drop(draft)

    def _place(self, draft: Path, attachment: Attachment) -> None:
        place = self.path(attachment)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        draft.replace(place)
        sync_folder(place.parent)


def _not_here(attachment: Attachment, why: str) -> NotOnShelf:
    return NotOnShelf(
        f"The file {attachment.name} cannot be read on this machine ({why}): put it back into the folder attachments, "
        "which all machines that send must share. Messages go without it meanwhile."
    )


def _drop(draft: str) -> None:
    """Remove what did not become a file; what did has moved away."""
    Path(draft).unlink(missing_ok=True)


class _Copy:
    """A file that is being written: its hash and its size grow with it."""

    def __init__(self, target: BinaryIO, name: str) -> None:
        self._target = target
        self._name = name
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > BYTES:
            raise Refused("attachment.too_large", limit=BYTES // 1_000_000)
        self._digest.update(piece)
        self._target.write(piece)

    def finish(self) -> Attachment:
        if self._size == 0:
            raise Refused("attachment.empty", name=self._name)
        self._target.flush()
        os.fsync(self._target.fileno())
        return Attachment(name=self._name, size=self._size, sha256=self._digest.hexdigest())


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
