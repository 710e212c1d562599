"""Files that people write, TOML and YAML, into plain values; what is wrong with one is a ValueError.

The libraries let more out than their own errors: a number of five thousand figures, a 30th of February in YAML, a
thousand brackets.
"""

from __future__ import annotations

import tomllib
from typing import Any

import yaml

_BITS = 256
"""A number in a file has no more; one of thousands of figures could not even be shown in an error."""
_TOO_LONG = "there is a number with far too many figures"
_TOO_DEEP = "brackets stand in each other too deeply"


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
