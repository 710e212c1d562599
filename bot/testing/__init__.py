"""The public test kit: the real pipeline with a platform in memory and a clock that stands still.

As in `bot`, a name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.testing.harness import Harness
    from bot.testing.platform import FakePlatform, SentMessage
else:
    _HOMES = {"Harness": "harness", "FakePlatform": "platform", "SentMessage": "platform"}

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'bot.testing' has no attribute {name!r}")
        return getattr(import_module(f"bot.testing.{_HOMES[name]}"), name)


__all__ = ["FakePlatform", "Harness", "SentMessage"]
