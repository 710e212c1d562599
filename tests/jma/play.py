"""Settings, telegrams and a player that keeps what the service keeps, for the tests of decisions and their words."""

from __future__ import annotations

from typing import Any

from broadcasts.jma import Decision, JmaSettings, Memory, decide, read
from broadcasts.jma.drafts import key_of
from broadcasts.jma.telegram import Telegram
from tests.jma.telegrams import coast, item

SHIZUOKA = JmaSettings(areas={"22100", "静岡県", "442", "tsunami:380", "安倍川"})
CITY = JmaSettings(areas={"2210000"})
RELEASE = b"(an officer releases the draft)"

RAIN2 = item("静岡市", "2210000", ("レベル２大雨注意報", "10", "発表"))
RAIN3 = item("静岡市", "2210000", ("レベル３大雨警報", "03", "発表"))
RAIN4 = item("静岡市", "2210000", ("レベル４大雨危険警報", "43", "発表"))
RAIN5 = item("静岡市", "2210000", ("レベル５大雨特別警報", "33", "発表"))
LIFTED = item("静岡市", "2210000", ("レベル３大雨警報", "03", "解除"))
NOTHING = item("静岡市", "2210000")
ADVISORY = coast("静岡県", "380", "津波注意報", "62")
WARNING = coast("静岡県", "380", "津波警報", "51")
MAJOR = coast("静岡県", "380", "大津波警報", "52")
TSUNAMI_OVER = coast("静岡県", "380", "津波注意報解除", "60")
LANDSLIDE = item("静岡市", "2210000", ("警戒", "3", "発表"))
LANDSLIDE_OVER = item("静岡市", "2210000", ("解除", "1", "解除"))
LATER: dict[str, Any] = {"reported": "2026-11-23T14:08:00+09:00", "sent": "2026-11-23T05:08:00Z"}
EARLIER: dict[str, Any] = {"reported": "2026-11-23T13:58:00+09:00", "sent": "2026-11-23T04:58:00Z"}
NEXT_YEAR: dict[str, Any] = {"reported": "2027-07-01T03:00:00+09:00", "sent": "2027-06-30T18:00:00Z"}


def play(settings: JmaSettings, *telegrams: bytes) -> list[Decision]:
    """Decide on one telegram after the other, keeping what the service keeps."""
    memories = dict[str, Memory]()
    decisions = list[Decision]()
    for data in telegrams:
        if data == RELEASE:
            memories = {key: memory.released().sent() for key, memory in memories.items()}
            continue
        telegram = read(data)
        key = key_of(telegram) if isinstance(telegram, Telegram) else ""
        decision = decide(telegram, settings, memories.get(key, Memory()))
        memories[key] = decision.memory
        decisions.append(decision)
    return decisions
