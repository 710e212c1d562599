"""Kairanban's framework for chat bots: take events safely, handle them once, send what must be sent.

The names here and in `bot.events`, `bot.messages`, `bot.adapter`, `bot.clock` and `bot.testing` are the public ones.
A name is imported when it is first asked for: whoever needs only `bot.clock`, or only has the pytest plugin installed,
does not wait for a web server and a database.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.app import Bot
    from bot.context import Context
    from bot.errors import ConfigurationError, InboxUnavailable, KairanbanError, MalformedPayload, Refused
    from bot.messages import Address, Button, Message, Priority
    from bot.router import NEXT, Router
else:
    _HOMES = {
        "app": ("Bot",),
        "context": ("Context",),
        "errors": ("ConfigurationError", "InboxUnavailable", "KairanbanError", "MalformedPayload", "Refused"),
        "messages": ("Address", "Button", "Message", "Priority"),
        "router": ("NEXT", "Router"),
    }

    def __getattr__(name):
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"bot.{module}"), name)
        raise AttributeError(f"module 'bot' has no attribute {name!r}")


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
