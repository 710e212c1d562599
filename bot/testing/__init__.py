"""The public test kit: the real pipeline with a platform in memory and a clock that stands still."""

from bot.testing.harness import Harness
from bot.testing.platform import FakePlatform, SentMessage

__all__ = ["FakePlatform", "Harness", "SentMessage"]
