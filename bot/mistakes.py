"""What is wrong with something that people wrote into a file or a request, for people who do not know pydantic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import ValidationError

from bot.bilingual import Both, apart
from bot.texts import load

_OURS = "Value error, "


class Mistake(NamedTuple):
    """One fault: where, as pydantic counts (from 0), what it is, and pydantic's name for it."""

    place: tuple[int | str, ...]
    what: Both
    type: str


def mistakes(error: ValidationError) -> Iterator[Mistake]:
    """Each fault, in order; the input, which may be a secret, stands in none of them."""
    for found in error.errors(include_url=False, include_input=False):
        place = (*found["loc"], *found.get("ctx", {}).get("at", ()))
        words = found["msg"]
        if found["type"] in {"value_error", "assertion_error", "definition"}:
            # Raised by a model of ours: a sentence, in both languages where people meet it.
            yield Mistake(place, apart(words.removeprefix(_OURS)), found["type"])
            continue
        key = f"mistake.{found['type']}"
        known = key if key in load("bot", "ja") else "mistake.other"
        ja = load("bot", "ja")[known].format_map(found.get("ctx", {}))
        yield Mistake(place, Both(ja, words), found["type"])


def field(place: tuple[int | str, ...]) -> str:
    """`("questions", 1, "options", 0)` as `questions[2].options[1]`, counted as people count; empty for the whole."""
    name = ""
    for part in place:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name


def at(place: tuple[int | str, ...]) -> str:
    """`field` with a colon behind it, to stand before a sentence; empty for the whole."""
    name = field(place)
    return f"{name}: " if name else ""


def listed(error: ValidationError) -> Both:
    """All of it in one line: "typhoon.days: 3 以上にしてください; …"."""
    found = list(mistakes(error))
    return Both(
        "; ".join(f"{at(each.place)}{each.what.ja}" for each in found),
        "; ".join(f"{at(each.place)}{each.what.en}" for each in found),
    )
