"""The one form in which everything stands in the paper: a table that says what it means and where it comes from.

The layout is decided here and in `chapters`; page, workbook and JSON only draw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bot.texts import Texts
from trial.evaluation.figures import Nature

Kind = Literal["text", "words", "count", "share", "minutes", "hours", "yen", "points"]
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is its name in JSON. Text is a short label, words are sentences; shares are 0 to 1, None is not known."""

    key: str
    title: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Table:
    """`charted` are the columns of counts or shares that a chart draws against the first column; none for no chart."""

    key: str
    title: str
    definition: str
    source: str
    nature: Nature
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    charted: tuple[int, ...] = ()
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        names = [column.key for column in self.columns]
        return {
            "key": self.key,
            "title": self.title,
            "definition": self.definition,
            "source": self.source,
            "nature": self.nature,
            "note": self.note,
            "rows": [dict(zip(names, row, strict=True)) for row in self.rows],
        }


@dataclass(frozen=True, slots=True)
class Chapter:
    key: str
    title: str
    tables: tuple[Table, ...]


class Maker:
    """Makes tables whose words come from the catalogue `trial.evaluation`."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def column(self, key: str, kind: Kind, title: str | None = None) -> Column:
        return Column(key, self.texts(f"column.{key}") if title is None else title, kind)

    def columns(self, kinds: Mapping[str, Kind]) -> list[Column]:
        return [self.column(key, kind) for key, kind in kinds.items()]

    def table(
        self,
        key: str,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Cell]],
        *,
        name: str | None = None,
        title: str | None = None,
        nature: Nature = "counted",
        charted: Iterable[str] = (),
        note: str = "",
        **values: object,
    ) -> Table:
        """A table with the words of `key`; `name` tells it from others with the same words, `values` fill them in."""
        places = {column.key: place for place, column in enumerate(columns)}
        return Table(
            key=name or key,
            title=title or self.texts(f"table.{key}.title", **values),
            definition=self.texts(f"table.{key}.definition", **values),
            source=self.texts(f"table.{key}.source"),
            nature=nature,
            columns=tuple(columns),
            rows=tuple(tuple(row) for row in rows),
            charted=tuple(places[each] for each in charted),
            note=note,
        )

    def chapter(self, key: str, tables: Iterable[Table]) -> Chapter:
        return Chapter(key, self.texts(f"chapter.{key}"), tuple(tables))

    def label(self, text: str) -> str:
        """A group's name; people whose group nobody knows have one, too."""
        return text or self.texts("unknown")

    def word(self, group: str, key: str) -> str:
        """A word of the catalogue, or the key itself for what the catalogue does not know yet."""
        name = f"{group}.{key}"
        return self.texts(name) if name in self.texts else key
