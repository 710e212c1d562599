"""The durable log in front of everything: an event is on disk before the platform is told that we have it."""

from bot.inbox.protocol import FailedEvent, Inbox, Record
from bot.inbox.sqlite import SqliteInbox

__all__ = ["FailedEvent", "Inbox", "Record", "SqliteInbox"]
