"""Lengths of time in the settings: never a bare number, which one person means in minutes and pydantic in seconds."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated

from pydantic import BeforeValidator

from bot.bilingual import both

_PARTS = {"日": "days", "時間": "hours", "分": "minutes", "秒": "seconds"}
_JAPANESE = re.compile(r"(\d{1,6})(日|時間|分|秒)")


def _with_a_unit(value: object) -> object:
    """「15分」「1時間30分」 as people write it; the rest, ISO 8601, is pydantic's. ValueError without a unit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    words = str(value).strip()
    if re.fullmatch(r"[-+]?\d{1,9}(\.\d*)?", words):
        raise ValueError(both("config", "setting.duration", value=words))
    found = _JAPANESE.findall(words)
    if found and "".join(number + unit for number, unit in found) == words:
        parts: dict[str, int] = {}
        for number, unit in found:
            parts[_PARTS[unit]] = parts.get(_PARTS[unit], 0) + int(number)
        return timedelta(**parts)
    return value


Duration = Annotated[timedelta, BeforeValidator(_with_a_unit)]
"""A length of time as "PT15M", "P2D" or 「15分」."""


def _as_written(value: object) -> object:
    """A time as text or as TOML's own; ValueError for a bare number, which pydantic would take for seconds."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdecimal()):
        raise ValueError(both("config", "setting.time", value=value))
    return value


TimeOfDay = Annotated[time, BeforeValidator(_as_written)]
"""A time of day as 22:00:00, with or without quotation marks."""
