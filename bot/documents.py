"""Files that people write, TOML and YAML, into plain values; what is wrong with one is said in both languages.

`read_toml` and `read_yaml` take a text and raise ValueError: the libraries let more out than their own errors (a number
of five thousand figures, a 30th of February in YAML, a thousand brackets). `text_in` and `toml_in` take a file, which
may be none, a folder, of another encoding, or of a gigabyte.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from bot.bilingual import Both, both, reason, shown
from bot.errors import ConfigurationError

LARGEST = 1_000_000
"""Bytes of one file that somebody wrote by hand; the longest questionnaire has fifty thousand."""
_PLACE = re.compile(r" \(at line (\d{1,9}), column (\d{1,9})\)$")

_BITS = 256
"""A number in a file has no more; one of thousands of figures could not even be shown in an error."""
_TOO_LONG = "there is a number with far too many figures"
_TOO_DEEP = "brackets stand in each other too deeply"


class DocumentError(ConfigurationError):
    """A file cannot be read, or not understood; `sentence` is the same as `str()`, by language."""

    def __init__(self, sentence: Both) -> None:
        self.sentence = sentence
        super().__init__(str(sentence))


def text_in(file: Path, most: int = LARGEST, name: str = "") -> str:
    """What stands in a UTF-8 file (with or without its mark) of at most `most` bytes.

    Raises DocumentError, which says what to mend in the file `name` (by default its path).
    """
    name = name or shown(file)
    try:
        with file.open("rb") as opened:
            raw = opened.read(most + 1)
    except OSError as error:
        raise DocumentError(both("bot", "document.unreadable", name=name, reason=reason(error))) from error
    except ValueError as error:  # a zero in the name
        raise DocumentError(both("bot", "document.unreadable", name=name, reason="\\0")) from error
    if len(raw) > most:
        raise DocumentError(both("bot", "document.too_large", name=name, most=f"{most:,}"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentError(both("bot", f"document.encoding_{_encoding(raw)}", name=name)) from None


def _encoding(raw: bytes) -> str:
    """What a file that is no UTF-8 looks like, so that the person knows what to change it from."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf16"
    try:
        raw.decode("cp932")
    except UnicodeDecodeError:
        return "other"
    return "cp932"


def toml_in(file: Path, most: int = LARGEST, name: str = "") -> dict[str, Any]:
    """The table in a TOML file; DocumentError says what to mend, and where."""
    text = text_in(file, most, name)
    try:
        return read_toml(text)
    except ValueError as error:
        raise DocumentError(
            both("bot", "document.toml", name=name or shown(file), problem=toml_problem(error))
        ) from error


def toml_problem(error: ValueError) -> Both:
    """What `read_toml` found, with its place in both languages; the parser's own words are English in both."""
    words = str(error)
    found = _PLACE.search(words)
    if found is None:
        return Both(words, words)
    return Both(
        f"{both('bot', 'document.toml_place', line=found[1], column=found[2]).ja}: {words[: found.start()]}", words
    )


def read_toml(text: str) -> dict[str, Any]:
    """The table in a TOML document."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # int() takes no more than 4,300 figures
        raise ValueError(_TOO_LONG) from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(table)
    return table


def read_yaml(text: str) -> object:
    """What a YAML document says; the sentence names line and column where YAML does."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ValueError(f"{place}not valid YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError:
        raise ValueError(f"not valid YAML: {_TOO_DEEP}") from None
    except (ValueError, AttributeError):  # what its dates and numbers raise
        raise ValueError("not valid YAML: there is a date or a number that cannot be") from None
    _check(document)
    return document


def _check(document: object) -> None:
    """ValueError for a number that is too long; a node that YAML's anchors repeat is looked at once."""
    waiting, seen = [document], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise ValueError(_TOO_LONG)
        if isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            waiting += value if isinstance(value, list) else value.values()
