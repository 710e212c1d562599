"""Every table of every room, on one metadata: what the migrations are held against."""

from __future__ import annotations

import bot.tables
import broadcasts.tables
import surveys.tables
from bot.storage import metadata

__all__ = ["metadata"]

ROOMS = (bot.tables, broadcasts.tables, surveys.tables)
