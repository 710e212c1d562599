"""What a city sets about its notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broadcasts.approval import ApprovalPolicy
from broadcasts.kinds import Kind
from broadcasts.quiet import QuietHours
from broadcasts.reminders import ReminderPolicy
from broadcasts.signature import Signature


@dataclass(frozen=True, slots=True)
class BroadcastSettings:
    """What a city sets."""

    reminders: ReminderPolicy = field(default_factory=ReminderPolicy)
    reminders_by_kind: Mapping[Kind, ReminderPolicy] = field(default_factory=dict)
    """Kinds that are reminded of in another rhythm than the rest."""
    quiet: QuietHours | None = None
    """When notices wait for the morning, emergencies aside; None: never."""
    approval: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    """Which kinds wait for a second person."""
    signature: Signature | None = None
    """The line with number, time and sender under every notice; None: there is none."""

    def reminders_of(self, kind: Kind) -> ReminderPolicy:
        """The rhythm for one kind."""
        return self.reminders_by_kind.get(kind, self.reminders)
