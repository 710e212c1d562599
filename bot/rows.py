"""Sets of rows as one parameter: a JSON array of arrays that becomes a table inside the statement.

One statement for however many rows, prepared once. Row by row, or as many values in brackets as there are rows, it
would be another statement each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import JSON, ColumnElement, Subquery, Text, bindparam, cast, func, select
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def rows_in(parameter: str, *, is_sqlite: bool, **columns: TypeEngine[Any]) -> Subquery:
    """The table that `packed` rows given as `parameter` become, with these columns, in their order."""
    given = bindparam(parameter, type_=Text())
    cells: list[ColumnElement[Any]]
    if is_sqlite:
        rows = func.json_each(given).table_valued("value")
        cells = [func.json_extract(rows.c.value, f"$[{number}]") for number in range(len(columns))]
    else:
        rows = func.json_array_elements(cast(given, JSON)).table_valued("value")
        cells = [
            cast(func.json_extract_path_text(rows.c.value, str(number)), type_)
            for number, type_ in enumerate(columns.values())
        ]
    return select(*(cell.label(name) for cell, name in zip(cells, columns, strict=True))).subquery()


def packed(rows: Iterable[Sequence[object]]) -> str:
    """Rows as the parameter takes them; moments go in as `stored`."""
    return orjson.dumps(list(rows)).decode()


def stored(moment: datetime) -> int:
    """A moment inside a row, as `UtcDateTime` stores it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The opposite of `stored`."""
    return _EPOCH + _MICROSECOND * value
