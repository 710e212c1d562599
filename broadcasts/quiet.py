"""Quiet hours: what is no emergency waits until the morning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from bot.clock import TOKYO, to_tokyo
from broadcasts.kinds import Kind, waits_for_morning


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` to `end` by the wall clock in Japan, over midnight if `begin` is the later one."""

    begin: time
    end: time

    def __post_init__(self) -> None:
        if self.begin == self.end:
            raise ValueError("Quiet hours must begin and end at different times, such as 22:00 and 07:00.")

    def release(self, moment: datetime) -> datetime:
        """The first moment, from `moment` on, that is not quiet; `end` itself is not."""
        local = to_tokyo(moment)
        clock = local.time()
        over_midnight = self.begin > self.end
        quiet = (clock >= self.begin or clock < self.end) if over_midnight else self.begin <= clock < self.end
        if not quiet:
            return moment
        day = local.date() + timedelta(days=over_midnight and clock >= self.begin)
        return datetime.combine(day, self.end, TOKYO)


def goes_out_at(quiet: QuietHours | None, kind: Kind, moment: datetime) -> datetime:
    """When a notice of this kind that is ready at `moment` may go out."""
    return moment if quiet is None or not waits_for_morning(kind) else quiet.release(moment)
