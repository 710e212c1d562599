"""The platforms' far sides on a loopback port, for developers: they keep published rules and break down on request."""

from __future__ import annotations

from bot.testing.fakes.line import FakeLine
from bot.testing.fakes.lineworks import FakeLineWorks

__all__ = ["FakeLine", "FakeLineWorks"]
