"""A chat service in the manner of LoGoチャット, for rehearsals: real HTTP, real signatures, real limits.

The vendor publishes no API; this contract is Kairanban's own (`bot.adapters.logochat_wire` for bots,
`/openapi.json` for everybody).
"""

from trial.service.limits import Limits, Rate
from trial.service.passwords import REHEARSAL, STANDARD, PasswordCost
from trial.service.service import ChatService

__all__ = ["REHEARSAL", "STANDARD", "ChatService", "Limits", "PasswordCost", "Rate"]
