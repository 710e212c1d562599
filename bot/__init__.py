"""Kairanban's framework for chat bots: take events safely, handle them once, send what must be sent.

The names here and in `bot.events`, `bot.messages`, `bot.adapter`, `bot.clock` and `bot.testing` are the public ones.
"""

from bot.app import Bot
from bot.context import Context
from bot.errors import ConfigurationError, InboxUnavailable, KairanbanError, MalformedPayload, Refused
from bot.messages import Address, Button, Message, Priority
from bot.router import NEXT, Router

__all__ = [
    "NEXT",
    "Address",
    "Bot",
    "Button",
    "ConfigurationError",
    "Context",
    "InboxUnavailable",
    "KairanbanError",
    "MalformedPayload",
    "Message",
    "Priority",
    "Refused",
    "Router",
]
