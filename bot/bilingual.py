"""Sentences for people whose language is not known yet: Japanese first, English behind it.

What goes wrong before the settings are read, or in a file that somebody has written, is told in both languages. The
sentences stand in the rooms' catalogues (`bot.texts`); here they are only put together.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from bot.texts import load

_BETWEEN = " / "


class Both(NamedTuple):
    """One sentence in both languages; `str()` is "日本語 / English"."""

    ja: str
    en: str

    def __str__(self) -> str:
        return self.ja if self.ja == self.en else f"{self.ja}{_BETWEEN}{self.en}"


def both(package: str, key: str, /, **values: object) -> Both:
    """The sentence `key` of a room's catalogue; a value that is `Both` goes into each language's own."""
    ja = {name: value.ja if isinstance(value, Both) else value for name, value in values.items()}
    en = {name: value.en if isinstance(value, Both) else value for name, value in values.items()}
    return Both(load(package, "ja")[key].format(**ja), load(package, "en")[key].format(**en))


def apart(words: str) -> Both:
    """The two languages of what `str(Both)` made; words of one language stand for both."""
    ja, between, en = words.partition(_BETWEEN)
    return Both(ja, en) if between else Both(words, words)


def reason(error: OSError) -> Both:
    """Why the system would not do something, without the path, which may be anything: "権限がありません"."""
    name = errno.errorcode.get(error.errno or 0, "")
    if f"os.{name}" in load("bot", "ja"):
        return both("bot", f"os.{name}")
    # A name that is not known on the network has a number below zero, and words of its own.
    system = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return both("bot", "os.other", reason=system or type(error).__name__)


def shown(name: object) -> str:
    """A file's name as it can be shown, stored and sent: what is no text in it (another encoding's bytes) as `?`."""
    return os.fsencode(str(name)).decode("utf-8", "replace").replace("\x00", "")
