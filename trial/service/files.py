"""Files: streamed to disk as they come, and shown to those who can see a message that carries them.

An upload is written under a partial name and gets its own only with the message's transaction; what is cut off, too
large or left by a process that died is removed.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from trial.service.change import Change
from trial.service.ids import moment, number
from trial.service.models import File, RoomFile, RoomFiles
from trial.service.problems import NotFound

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


class Partial:
    """One file on its way in: `with folder.receive(name, type) as partial: partial.write(chunk)`."""

    def __init__(self, path: Path, name: str, content_type: str) -> None:
        self.path = path
        self.name = name
        self.content_type = content_type
        self.size = 0
        self._digest = hashlib.sha256()
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Partial:
        self._stream = self.path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stream is not None
        self._stream.close()

    def write(self, chunk: bytes) -> None:
        """Add to the file; chunks are small, so the event loop hardly notices."""
        assert self._stream is not None
        self._stream.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content so far."""
        return self._digest.digest()


@dataclass(slots=True)
class Folder:
    """Where files lie: `f12` for what is known, `partial-3` for what is coming in."""

    path: Path

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def tidy(self, db: sqlite3.Connection) -> None:
        """Remove what an earlier process left half done."""
        known = {f"f{row[0]}" for row in db.execute("SELECT id FROM files")}
        for path in self.path.iterdir():
            if path.name not in known and re.fullmatch(r"f\d+|partial-\d+", path.name):
                path.unlink()

    def receive(self, name: str, content_type: str) -> Partial:
        """A new partial file; `name` loses its folders and control characters."""
        cleaned = _CONTROL.sub("", re.split(r"[/\\]", name)[-1]).strip(". ")[:200] or "file"
        kind = content_type if _CONTENT_TYPE.fullmatch(content_type) else "application/octet-stream"
        taken = next(path for n in itertools.count(1) if not (path := self.path / f"partial-{n}").exists())
        taken.touch()
        return Partial(taken, cleaned, kind)

    def keep(self, change: Change, partials: Sequence[Partial]) -> list[File]:
        """Give partial files their ids and names, inside the transaction of the message that carries them."""
        kept = []
        for partial in partials:
            identifier = change.insert(
                "INSERT INTO files (name, size, content_type) VALUES (?, ?, ?)",
                partial.name,
                partial.size,
                partial.content_type,
            )
            partial.path.rename(self.path_of(identifier))
            kept.append(
                File(file_id=f"f{identifier}", name=partial.name, size=partial.size, content_type=partial.content_type)
            )
        return kept

    def drop(self, partials: Sequence[Partial]) -> None:
        """Remove partial files that were not kept; those that were have moved away."""
        for partial in partials:
            partial.path.unlink(missing_ok=True)

    def remove(self, identifiers: Sequence[int]) -> None:
        """Remove files that no message shows any more."""
        for identifier in identifiers:
            self.path_of(identifier).unlink(missing_ok=True)

    def path_of(self, identifier: int) -> Path:
        return self.path / f"f{identifier}"


def find(change: Change, member: str, identifier: str) -> File:
    """A file in a message that `member` can see."""
    row = change.row(
        "SELECT files.id, name, size, content_type FROM files WHERE id = ? AND EXISTS"
        " (SELECT 1 FROM message_files JOIN messages ON messages.id = message"
        " JOIN members ON members.room = messages.room AND member = ? AND since < messages.id WHERE file = files.id)",
        number("f", identifier),
        member,
    )
    if row is None:
        raise NotFound(f"There is no file {identifier} that you can see.")
    return File(file_id=identifier, name=row[1], size=row[2], content_type=row[3])


def put_there(change: Change, bot: str, sha256: str, name: str) -> File | None:
    """What a bot has put there under this content and name, or None."""
    row = change.row(
        "SELECT files.id, files.name, size, content_type FROM bot_files JOIN files ON files.id = file"
        " WHERE bot = ? AND sha256 = ? AND bot_files.name = ?",
        bot,
        sha256,
        name,
    )
    return None if row is None else File(file_id=f"f{row[0]}", name=row[1], size=row[2], content_type=row[3])


def in_room(change: Change, member: str, room: int) -> RoomFiles:
    """The files of a room that `member` can see, newest first."""
    found = change.rows(
        "SELECT files.id, name, size, content_type, messages.id, sender, sent_at FROM messages"
        " JOIN members ON members.room = messages.room AND member = ? AND since < messages.id"
        " JOIN message_files ON message = messages.id JOIN files ON files.id = file"
        " WHERE messages.room = ? AND messages.files IS NOT NULL ORDER BY messages.id DESC, files.id",
        member,
        room,
    )
    return RoomFiles(
        files=[
            RoomFile(
                file_id=f"f{row[0]}",
                name=row[1],
                size=row[2],
                content_type=row[3],
                message_id=f"m{row[4]}",
                sender=row[5],
                sent_at=moment(row[6]),
            )
            for row in found
        ]
    )
