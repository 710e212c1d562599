"""The outbox: messages stored before they are sent, claimed in batches, retried, and given up where all can see."""

from __future__ import annotations

from bot.outbox.outbox import Attempt, DeadDelivery, Outbox
from bot.outbox.pacing import Pacer
from bot.outbox.retry import RetryPolicy
from bot.outbox.sender import SentDelivery, SentHook

__all__ = ["Attempt", "DeadDelivery", "Outbox", "Pacer", "RetryPolicy", "SentDelivery", "SentHook"]
