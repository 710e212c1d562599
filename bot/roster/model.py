"""What a roster file says: people, where they belong, and the places in the file that cannot be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.errors import Refused

DepartmentPath = tuple[str, ...]
"""A department as the names from the top of the tree down: ("総務部", "総務課", "庶務係")."""

Field = Literal["name", "kana", "department", "post", "rank", "email", "roles", "groups"]
FIELDS: tuple[Field, ...] = ("name", "kana", "department", "post", "rank", "email", "roles", "groups")
"""What can be said about a member besides the staff number, in the order of the columns."""

SEPARATORS = re.compile(r"[-=]>|[/／∕⁄>＞→⇒➡➔▶▸»｜|]")
"""Between the levels of a department in one cell."""

_BREAKS = re.compile(r"(?<!\s)\s*[\r\n\t]+\s*")


@dataclass(frozen=True, slots=True)
class Person:
    """A member as one row describes them; None where the file does not speak of it.

    `roles` are role names, `role@部/課` where the role holds in one subtree only; `groups` are the names of all groups
    that they are in. `addresses` maps adapter to the
    platform's id, "" where the file says that there is none; adapters that the file does not name are not in it.
    """

    code: str
    name: str
    department: DepartmentPath
    kana: str | None = None
    post: str | None = None
    rank: int | None = None
    email: str | None = None
    roles: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    addresses: Mapping[str, str] | None = None
    row: int = 0  # where it stands in the file, as Excel numbers rows
    sheet: str = ""  # on which of several sheets
    written: str = ""  # the department as its cells have it, where it was not written level by level

    def items(self) -> Iterator[tuple[str, object]]:
        """What the file says, field by field; an adapter's address is the field `address:ADAPTER`."""
        for field in FIELDS:
            value = getattr(self, field)
            if value is not None:
                yield field, value
        for adapter, address in (self.addresses or {}).items():
            yield f"address:{adapter}", address


@dataclass(frozen=True, slots=True)
class Source:
    """Which file was read, and how: `form` is xlsx or the encoding of a CSV."""

    name: str
    sha256: str
    form: str


@dataclass(frozen=True, slots=True)
class Remark:
    """How something was read that could be meant otherwise, to be looked at before it is applied."""

    key: str
    values: Mapping[str, object]
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """A file that was read without a single problem."""

    source: Source
    people: tuple[Person, ...]
    ignored: tuple[str, ...] = ()  # headings that mean nothing to us
    columns: Mapping[str, str] | None = None  # which heading was taken for what, to name columns in later problems
    sheets: tuple[tuple[str, int], ...] = ()  # the sheets that were read and their people, if there are several
    unread: tuple[str, ...] = ()  # sheets that were not read: hidden ones, and those without headings
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One place that must be mended; `key` and `values` are a sentence of the catalogue."""

    row: int
    column: str
    key: str
    values: Mapping[str, object]
    sheet: str = ""


class BrokenRoster(Refused):
    """A file with problems; nothing of it is applied. `more` counts those beyond the limit of the list."""

    def __init__(self, problems: Sequence[Problem], more: int = 0) -> None:
        self.problems = tuple(problems)
        self.more = more
        super().__init__("roster.broken", count=len(problems) + more)

    def __str__(self) -> str:
        first = self.problems[0]
        return f"The roster has {self.values['count']} problem(s); row {first.row}, column {first.column}: {first.key}"


def clean(text: str) -> str:
    """A cell without outer blanks and line breaks; every other character stays as it is."""
    return _BREAKS.sub(" ", text.strip("\ufeff\u200b\u2060 \t\r\n\u3000")).strip()


def folded(text: str) -> str:
    """A code or heading as it is compared: compatibility forms made plain (１→1, ｶﾅ→カナ), no outer blanks."""
    return unicodedata.normalize("NFKC", text).strip()


def path_of(*texts: str) -> DepartmentPath:
    """The department that cells describe, `総務部/総務課` or one level a cell; () if they are all blank."""
    return tuple(name for text in texts for part in SEPARATORS.split(text) if (name := clean(part)))


def shown(path: DepartmentPath) -> str:
    """A department as people read it and as `path_of` takes it back."""
    return "/".join(path)
