"""The weather agency's telegrams (気象庁防災情報XML) into drafts that an officer may send; nothing is sent by itself.

`read(bytes)` makes a `Telegram` or says why it is `Unreadable`; `decide(telegram, settings, memory)` says what to do;
`Jma` stores both and holds the drafts; `FolderWatch` takes files from a folder.
"""

from broadcasts.jma.decide import Decision, decide
from broadcasts.jma.drafts import Draft
from broadcasts.jma.memory import Memory
from broadcasts.jma.reading import read
from broadcasts.jma.service import Jma
from broadcasts.jma.settings import JmaSettings
from broadcasts.jma.telegram import Telegram, Unreadable
from broadcasts.jma.watch import FolderWatch
from broadcasts.jma.wording import compose, describe

__all__ = [
    "Decision",
    "Draft",
    "FolderWatch",
    "Jma",
    "JmaSettings",
    "Memory",
    "Telegram",
    "Unreadable",
    "compose",
    "decide",
    "describe",
    "read",
]
