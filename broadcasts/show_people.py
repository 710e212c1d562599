"""Who would get something, in words: names by department, and the message as each platform shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from bot.texts import Texts
from broadcasts.people import Addressees, Recipient
from broadcasts.show import pages, platform_name


def addressees(texts: Texts, seen: Addressees, limit: int, key: str = "audience.title") -> list[str]:
    """The names and, for each platform that somebody is reached on, what it shows, in messages under one title."""
    title = texts(key, id=seen.number, recipients=len(seen.people))
    return pages(_names(texts, title, seen), limit) + pages(_shown(texts, seen), limit)


def _names(texts: Texts, title: str, seen: Addressees) -> list[str]:
    """Department by department, and apart from them those who get nothing, no files, or see it besides."""
    separator = texts("read.name_separator")
    people = seen.people
    without_files = {name for name, shape in seen.shapes.items() if shape.without_files}
    lost = [f"{person.name}（{person.department}）" for person in people if person.adapter is None]
    lines = [title]
    lines += [
        texts("audience.platform", platform=platform_name(texts, name), members=count)
        for name, count in sorted(Counter(person.adapter for person in people if person.adapter).items())
    ]
    if lost:
        lines.append(texts("audience.unreachable", members=len(lost), names=separator.join(lost)))
    if blind := [f"{person.name}（{person.department}）" for person in people if person.adapter in without_files]:
        lines.append(texts("attachment.not_for", members=len(blind), names=separator.join(blind)))
    if seen.besides:
        names = separator.join(f"{person.name}（{person.department}）" for person in seen.besides)
        lines.append(texts("audience.besides", members=len(seen.besides), names=names))
    return [*lines, "", *_by_department(texts, people)]


def _shown(texts: Texts, seen: Addressees) -> list[str]:
    """The message as each platform that is used will show it; buttons stand under it in brackets."""
    lines: list[str] = []
    for name in sorted(seen.shapes.keys() & {person.adapter for person in seen.people}):
        shape = seen.shapes[name]
        if shape.buttons:
            text = "\n".join([shape.message.text, *(f"[{button.label}]" for button in shape.message.buttons)])
        else:
            text = shape.message.as_plain_text()
        lines += [texts("audience.shown_on", platform=platform_name(texts, name)), *text.split("\n"), ""]
    return lines


def group(texts: Texts, name: str, people: Sequence[Recipient], limit: int) -> list[str]:
    """Who is in a group, department by department."""
    return pages([texts("group.of", name=name, members=len(people)), *_by_department(texts, people)], limit)


def _by_department(texts: Texts, people: Sequence[Recipient]) -> Iterator[str]:
    for department, together in groupby(people, key=lambda person: person.department):
        names = [person.name for person in together]
        listed = texts("read.name_separator").join(names)
        yield texts("read.unread_department", department=department, members=len(names), names=listed)
