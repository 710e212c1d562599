"""Which column of a file answers which step: by its key, its text, or what form services make of a text.

Where several steps have the same text, as many columns must have it, and they are taken in their order; form
services number such columns (満足ですか, 満足ですか2). Anything else is refused: no column counts for two questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.errors import Refused
from bot.folding import fold
from bot.roster.cells import soften
from bot.texts import Texts
from surveys.definition import Definition, Matrix, Step, WithOptions


@dataclass(frozen=True, slots=True)
class Column:
    """Where the answers to a step stand, from 0; `words` is the column of what was written to "other"."""

    step: Step
    place: int
    words: int | None = None


def columns_of(header: Sequence[str], definition: Definition) -> list[Column]:
    """A column for each step; Refused if one is missing or could be meant for several."""
    places: dict[str, list[int]] = {}
    for place, title in enumerate(header):
        if title.strip():
            places.setdefault(fold(soften(title.strip())), []).append(place)
    others = [Texts("surveys", language=language)("survey.paper.other") for language in ("ja", "en")]
    wanted = {step.key: _titles(step) for step in definition.steps}
    found: list[Column] = []
    missing: list[str] = []
    for step in definition.steps:
        at = _place(step, definition, places, wanted)
        if at is None:
            missing.append(f"{step.key} ({step.text[:40]})")
            continue
        words = None
        # The column beside it: two questions of the same text have two such columns.
        if isinstance(step.question, WithOptions) and any(option.other for option in step.question.options):
            titles = [fold(f"{soften(header[at].strip())} {other}") for other in others]
            words = next((at + 1 for title in titles if at + 1 in places.get(title, ())), None)
        found.append(Column(step, at, words))
    if missing:
        raise Refused("survey.import.no_column", columns=", ".join(missing))
    taken = [column.place for column in found]
    twice = next((place for place in taken if taken.count(place) > 1), None)
    if twice is not None:
        raise Refused("survey.import.column_twice", column=letters(twice), title=header[twice][:60])
    return found


def _titles(step: Step) -> list[str]:
    """What the column of a step may be called, the surest first, as keys."""
    names = [step.key]
    if isinstance(step.question, Matrix) and step.row is not None:
        row = step.question.rows[step.row]
        names += [f"{step.question.text} [{row}]", step.text.replace("\n", " "), f"{step.question.text}.{row}", row]
    else:
        names.append(step.question.text)
    return [fold(name) for name in names]


def _place(
    step: Step, definition: Definition, places: dict[str, list[int]], wanted: dict[str, list[str]]
) -> int | None:
    for number, title in enumerate(wanted[step.key]):
        if title not in places:
            continue
        alike = [step] if not number else [each for each in definition.steps if title in wanted[each.key][1:]]
        columns = list(places[title])
        if len(alike) > 1 and len(columns) == 1:
            for suffix in range(2, len(alike) + 1):
                columns += places.get(f"{title}{suffix}", places.get(f"{title}({suffix})", []))
        if len(columns) != len(alike):
            raise Refused("survey.import.columns_alike", title=title[:60], columns=", ".join(map(letters, columns)))
        return columns[alike.index(step)]
    return None


def letters(place: int) -> str:
    """The name of a column from 0 as spreadsheets give it: A, B, … AA."""
    name, place = "", place + 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
