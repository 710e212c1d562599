"""The simulated staff as the bot's directory knows real staff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.directory import Entry
from trial.population import Person


def entries(people: Iterable[Person]) -> Iterator[Entry]:
    """One directory entry a person; where they are on the platform is learned from the platform, as in real life."""
    for person in people:
        yield Entry(
            code=person.login,
            name=person.name,
            kana=person.kana,
            department=person.department,
            post=person.post,
            rank=person.rank,
            roles=person.roles,
        )
