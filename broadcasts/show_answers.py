"""The answers to a notice as messages: counts and ratios, who needs help, departments, and names on request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from bot.texts import Texts
from broadcasts.aftermath import Reader
from broadcasts.questions import NEEDS_HELP, counted_as
from broadcasts.responses import clock_time, describe
from broadcasts.show import pages, percent
from broadcasts.tallies import DepartmentAnswers, Person, Tally


def tally(texts: Texts, found: Tally, limit: int) -> list[str]:
    """Where the answers stand, in messages of at most `limit` characters."""
    question = found.question
    stage = texts("question.stage", stage=question.stage) if question.stage is not None else ""
    lines = [
        texts(
            "tally.title",
            id=found.id,
            kind=texts(f"kind.{found.kind}"),
            sent_at=clock_time(found.sent_at),
            what=texts(f"tally.{question.asks}") + stage,
        ),
        texts(
            "tally.answered",
            answered=found.answered,
            asked=found.asked,
            percent=percent(found.answered, found.asked),
            missing=found.asked - found.answered,
        ),
    ]
    if found.in_need:
        lines += ["", texts("tally.in_need", people=len(found.in_need))]
        lines += [_person(texts, found, person) for person in found.in_need]
        lines.append("")
    lines += [
        texts(
            "tally.choice_line" if found.first[choice] == found.latest[choice] else "tally.choice_line_changed",
            label=question.label(texts, choice),
            count=found.latest[choice],
            percent=percent(found.latest[choice], found.asked),
            first=found.first[choice],
        )
        for choice in question.options()
    ]
    refined = [each for choice in question.options() for each in question.refinements(choice) if found.refined[each]]
    lines += [
        texts("tally.refined", label=question.label(texts, each), count=found.refined[each])
        for each in (*refined, *(["cannot:other"] if found.refined["cannot:other"] else []))
    ]
    if found.changed:
        lines.append(texts("tally.changed", people=found.changed))
    lines += ["", texts("tally.departments")]
    lines += [_department(texts, found, each) for each in found.departments]
    lines += ["", texts("tally.names_hint", command=texts(f"tally.command_{question.asks}"), id=found.id)]
    return pages(lines, limit)


def names(texts: Texts, found: Tally, people: Sequence[Person], limit: int) -> list[str]:
    """Everybody by name under their latest choice; those who need help first, those without an answer last."""
    order = [each for each in NEEDS_HELP if each in found.question.options()]
    order += [each for each in found.question.options() if each not in order]
    title = texts("tally.names_title", id=found.id, kind=texts(f"kind.{found.kind}"))
    return pages([title, *_by_choice(texts, found, people, order)], limit)


def readers(texts: Texts, broadcast_id: int, people: Sequence[Reader], limit: int) -> list[str]:
    """Who had read a notice before it was recalled, by department."""
    lines = [texts("recall.readers", id=broadcast_id, people=len(people))]
    for department, group in groupby(people, key=lambda each: each.department):
        together = [f"{each.name} {clock_time(each.read_at)}" for each in group]
        lines.append(
            texts(
                "read.unread_department",
                department=department,
                members=len(together),
                names=texts("read.name_separator").join(together),
            )
        )
    return pages(lines, limit)


def _by_choice(texts: Texts, found: Tally, people: Sequence[Person], order: Iterable[str]) -> Iterator[str]:
    for choice in order:
        chosen = [person for person in people if person.choice is not None and counted_as(person.choice) == choice]
        if chosen:
            yield ""
            yield texts("tally.names_of", label=found.question.label(texts, choice), people=len(chosen))
            yield from (_person(texts, found, person) for person in chosen)
    silent = [person for person in people if person.choice is None]
    if silent:
        yield ""
        yield texts("tally.silent", people=len(silent))
        for department, group in groupby(silent, key=lambda person: person.department):
            together = [person.name for person in group]
            yield texts(
                "read.unread_department",
                department=department,
                members=len(together),
                names=texts("read.name_separator").join(together),
            )


def _person(texts: Texts, found: Tally, person: Person) -> str:
    assert person.choice is not None
    assert person.at is not None
    return texts(
        "tally.person",
        name=person.name,
        department=person.department,
        answer=describe(texts, found.question, person.choice, person.detail),
        time=clock_time(person.at),
    )


def _department(texts: Texts, found: Tally, part: DepartmentAnswers) -> str:
    chosen = [
        texts("tally.department_choice", label=found.question.label(texts, choice), count=part.latest[choice])
        for choice in found.question.options()
        if part.latest[choice]
    ]
    return texts(
        "tally.department_line",
        department=part.name,
        answered=part.answered,
        asked=part.asked,
        percent=percent(part.answered, part.asked),
        choices=texts("read.name_separator").join(chosen),
    ).rstrip()
