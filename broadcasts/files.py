"""The files of a notice, as they stand in its row."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from bot.messages import Attachment

_FILES: TypeAdapter[tuple[Attachment, ...]] = TypeAdapter(tuple[Attachment, ...])


def column(attachments: tuple[Attachment, ...]) -> str | None:
    """For `broadcasts.attachments`; NULL for none."""
    return _FILES.dump_json(attachments).decode() if attachments else None


def files_of(notice: Row[Any]) -> tuple[Attachment, ...]:
    """The files in a row of `broadcasts`."""
    return _FILES.validate_json(notice.attachments) if notice.attachments else ()
