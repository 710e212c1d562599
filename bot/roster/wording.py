"""A plan and a broken file in words: counts first, then names, as many as are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.roster.difference import Change, Plan
from bot.roster.headings import heading_of
from bot.roster.model import BrokenRoster, Person, Problem, shown
from bot.texts import Texts


def describe(plan: Plan, texts: Texts, most: int = 20) -> list[str]:
    """What an import would do, line by line; of each kind at most `most` are named, the others counted."""
    lines = [texts("roster.read", file=plan.source.name, form=texts(f"roster.form.{plan.source.form}"))]
    if plan.ignored:
        lines.append(texts("roster.ignored", headings="、".join(plan.ignored)))
    lines += _read(plan, texts, most)
    if plan.empty:
        return [*lines, texts("roster.same", count=plan.unchanged)]
    lines += _titles(plan, texts, most)
    kinds: list[tuple[str, Sequence[str]]] = [
        ("joins", [_who(person, texts) for person in plan.joins]),
        ("returns", [_changed(change, texts) for change in plan.returns]),
        ("leaves", [_who(known.person, texts) for known in plan.leaves]),
        ("moves", [_changed(change, texts) for change in plan.moves]),
        ("changes", [_changed(change, texts) for change in plan.changes]),
        ("departments_made", [shown(path) for path in plan.departments_made]),
        ("departments_emptied", [shown(path) for path in plan.departments_emptied]),
    ]
    for kind, items in kinds:
        lines += _listed(texts(f"roster.kind.{kind}", count=len(items)), items, texts, most)
    lines.append(texts("roster.kind.unchanged", count=plan.unchanged))
    if plan.many_leave:
        lines.append(texts("roster.many_leave", leaves=len(plan.leaves), staff=plan.staff))
    return lines


def _read(plan: Plan, texts: Texts, most: int) -> Iterator[str]:
    """How the file was read, where it could be meant otherwise."""
    sheets = [texts("roster.sheet", name=name, count=count) for name, count in plan.sheets]
    yield from _listed(texts("roster.kind.sheets", count=len(sheets)), sheets, texts, most)
    if plan.unread:
        yield texts("roster.remark.unread_sheets", names="、".join(plan.unread))
    for remark in plan.remarks:
        yield from _listed(texts(remark.key, **remark.values), remark.items, texts, most)


def _titles(plan: Plan, texts: Texts, most: int) -> Iterator[str]:
    """Which place each title was given, where the file does not say it."""
    for kind, known in (("ranks", True), ("ranks_unknown", False)):
        titles = [
            texts(
                "roster.title" if known else "roster.title_unknown", name=each.name, rank=each.rank, count=each.holders
            )
            for each in plan.titles
            if bool(each.rank) is known
        ]
        yield from _listed(texts(f"roster.kind.{kind}", count=len(titles)), titles, texts, most)


def _listed(title: str, items: Sequence[str], texts: Texts, most: int) -> Iterator[str]:
    if items:
        yield title
        yield from (f"  {item}" for item in items[:most])
        if len(items) > most:
            yield "  " + texts("roster.more", count=len(items) - most)


def describe_problems(error: BrokenRoster, texts: Texts) -> list[str]:
    """Every place to mend, line by line, then how many more there are."""
    lines = [_problem(problem, texts) for problem in error.problems]
    if error.more:
        lines.append(texts("roster.more", count=error.more))
    return [texts(error.key, **error.values), *lines]


def _problem(problem: Problem, texts: Texts) -> str:
    values = dict(problem.values)
    if "why" in values:
        values["why"] = texts(f"roster.mail.{values['why']}")
    key = "roster.place_on_sheet" if problem.sheet else "roster.place"
    told = texts(problem.key, **values)
    return texts(key, sheet=problem.sheet, row=problem.row, column=problem.column, problem=told)


def _who(person: Person, texts: Texts) -> str:
    return texts("roster.who", code=person.code, name=person.name, department=shown(person.department))


def _changed(change: Change, texts: Texts) -> str:
    return " ".join((texts("roster.named", code=change.person.code, name=change.person.name), *_fields(change, texts)))


def _fields(change: Change, texts: Texts) -> Iterator[str]:
    for field in change.fields:
        before, after = (_value(value) or texts("roster.nothing") for value in (field.before, field.after))
        yield texts("roster.change", field=heading_of(field.field), before=before, after=after)


def _value(value: object) -> str:
    match value:
        case tuple():
            return shown(value)
        case frozenset():
            return "; ".join(sorted(value))
        case _:
            return str(value or "")
