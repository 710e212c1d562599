"""From rung to rung: those who neither read nor answer are tried another way, until somebody telephones them.

`Escalation.plan` writes down in the transaction of the sending what is due when; the loop climbs what is due, and finds
it again after a restart. Each rung asks anew who is still silent, in the very statement that queues, so it stops by
itself once people read.
"""

from broadcasts.escalation.ladder import Ladder, Rung, Way, checked
from broadcasts.escalation.service import Escalation
from broadcasts.escalation.standing import RungStanding
from broadcasts.escalation.tables import broadcast_rungs

__all__ = ["Escalation", "Ladder", "Rung", "RungStanding", "Way", "broadcast_rungs", "checked"]
