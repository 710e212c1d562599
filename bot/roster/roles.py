"""Roles as a cell names them: `災害対策本部; 管理者`, English or Japanese, `@総務部` where they hold only there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.directory import ROLE_NAMES
from bot.roster.model import folded, path_of, shown

_SEPARATORS = re.compile(r"[;；]")
_COMMAS = re.compile(r"[;；、，,]")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def parse_roles(cell: str) -> tuple[frozenset[str], list[str]]:
    """The roles that a cell names, and the words in it that are none."""
    roles, unknown = set(), []
    # The name of a department may have a comma in it.
    separators = _SEPARATORS if re.search("[@＠]", cell) else _COMMAS
    for word in filter(None, map(str.strip, separators.split(cell))):
        name, _, where = word.replace("＠", "@", 1).partition("@")
        name = ROLE_NAMES.get(folded(name), folded(name).lower())
        if _NAME.fullmatch(name):
            roles.add(role_in(name, path_of(where)))
        else:
            unknown.append(word)
    return frozenset(roles), unknown


def role_in(name: str, department: tuple[str, ...]) -> str:
    """A role as `Person.roles` holds it; `department` is () for a role that holds everywhere."""
    return f"{name}@{shown(department)}" if department else name


def show_roles(roles: Iterable[str]) -> str:
    """Roles as a cell names them, in Japanese where they have a Japanese name."""
    names: dict[str, str] = {}
    for japanese, role in ROLE_NAMES.items():
        if not japanese.isascii():
            names.setdefault(role, japanese)
    parts = (role.partition("@") for role in sorted(roles))
    return "; ".join(names.get(name, name) + at + where for name, at, where in parts)
