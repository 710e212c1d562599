"""A message that looks like a command whose slash was forgotten: 「一斉 緊急 …」, 「既読 12」, 「既読12」."""

from __future__ import annotations

import re
import unicodedata

from bot import help as help_command
from bot.router import Router
from broadcasts.condition import condition

SHOWN_LENGTH = 200
"""Characters of what somebody wrote that are repeated to them."""

_ABOUT_ONESELF = frozenset({"安否", "safety", "あんぴ", "参集", "muster", "さんしゅう"})
_FOLLOWS = re.compile(r"\d|番号|#|緊急|訓練|お知らせ|至急|一覧|取消")


def unslashed(commands: Router, text: str) -> bool:
    """Whether the first word of `text` is a command, or begins with one that a number or a kind follows."""
    line = unicodedata.normalize("NFKC", text.lstrip("/／ 　").partition("\n")[0]).strip()
    first, _, rest = line.partition(" ")
    name = first.rstrip(":、。!")
    if name in help_command.NAMES:
        return condition(text).choice is None  # help me
    if name.casefold() in _ABOUT_ONESELF and rest:
        return condition(rest).choice is None  # 安否 無事です
    if commands.has_command(name):
        return True
    for length in range(min(len(first) - 1, 12), 1, -1):
        if commands.has_command(first[:length]) and _FOLLOWS.match(first[length:]):
            return True
    return False
