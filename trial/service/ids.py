"""Ids and moments as they stand outside (`m123`, a datetime) and in the tables (123, microseconds).

Ids are short and count up, so that a rehearsal with the same seed names everything the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from trial.service.problems import NotFound

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)

NOUNS = {"u": "person", "b": "bot", "r": "room", "m": "message", "f": "file", "n": "note"}


def number(prefix: str, identifier: str) -> int:
    """The 123 of `m123`; NotFound when it is no id of that kind."""
    if identifier.startswith(prefix) and _NUMBER.fullmatch(identifier, 1):
        return int(identifier[1:])
    noun = NOUNS[prefix]
    raise NotFound(f"There is no {noun} {identifier[:40]!r}; the id of a {noun} looks like {prefix}12.")


def is_bot(member: str) -> bool:
    """Whether the id of a member is a bot's."""
    return member.startswith("b")


def micros(moment: datetime) -> int:
    """A moment as the tables hold it."""
    return (moment - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """A moment out of the tables, in UTC."""
    return EPOCH + timedelta(microseconds=value)
