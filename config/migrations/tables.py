"""Every table of every room, on one metadata: what the migrations are held against."""

from __future__ import annotations

import bot.audit
import bot.roster.tables
import bot.tables
import bot.usage
import broadcasts.drafting_tables
import broadcasts.escalation.tables
import broadcasts.jma.tables
import broadcasts.tables
import surveys.tables
from bot.storage import metadata

__all__ = ["metadata"]

ROOMS = (
    bot.tables,
    bot.audit,
    bot.roster.tables,
    bot.usage,
    broadcasts.tables,
    broadcasts.drafting_tables,
    broadcasts.escalation.tables,
    broadcasts.jma.tables,
    surveys.tables,
)
