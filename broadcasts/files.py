"""The files of a notice, as they stand in its row."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from bot.messages import Attachment

_FILES: TypeAdapter[tuple[Attachment, ...]] = TypeAdapter(tuple[Attachment, ...])


def column(attachments: tuple[Attachment, ...]) -> str | None:
    """For `broadcasts.attachments`; NULL for none."""
    return change(attachments) if attachments else None


def change(attachments: tuple[Attachment, ...]) -> str:
    """For columns in which NULL means that nothing changes: none at all is `[]` there."""
    return _FILES.dump_json(attachments).decode()


def read(value: str | None) -> tuple[Attachment, ...]:
    """What stands in such a column."""
    return _FILES.validate_json(value) if value else ()


def files_of(notice: Row[Any]) -> tuple[Attachment, ...]:
    """The files in a row's own column, `attachments`."""
    return read(notice.attachments)


def current(notice: Row[Any]) -> tuple[Attachment, ...]:
    """What goes with a row of `broadcasts` by now: its files, or what the last correction put in their place."""
    return files_of(notice) if notice.corrected_attachments is None else read(notice.corrected_attachments)


def mark(attachment: Attachment) -> str:
    """A short name for a file, for a button's data: the same content under another name has another."""
    return hashlib.sha256(f"{attachment.sha256}:{attachment.name}".encode()).hexdigest()[:12]


def without(attachments: tuple[Attachment, ...], marked: str) -> tuple[Attachment, ...]:
    """All but the one with this mark."""
    return tuple(each for each in attachments if mark(each) != marked)
