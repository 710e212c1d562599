"""The outbox: messages stored before they are sent, claimed in batches, retried, and given up where all can see."""

from __future__ import annotations

from bot.outbox.circuit import CircuitHook, CircuitPolicy, Standing
from bot.outbox.enqueueing import Outgoing
from bot.outbox.hooks import SentDelivery, SentHook
from bot.outbox.outbox import Attempt, DeadDelivery, Outbox
from bot.outbox.pacing import Pacer
from bot.outbox.retry import RetryPolicy

__all__ = [
    "Attempt",
    "CircuitHook",
    "CircuitPolicy",
    "DeadDelivery",
    "Outbox",
    "Outgoing",
    "Pacer",
    "RetryPolicy",
    "SentDelivery",
    "SentHook",
    "Standing",
]
