"""What is wrong with a settings file, in a line each, for people who do not know pydantic."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError

_JAPANESE = {
    "missing": "書いてください",
    "int_parsing": "整数を書いてください",
    "bool_parsing": "true か false を書いてください",
    "time_delta_parsing": "時間の長さを書いてください",
    "time_parsing": "時刻を書いてください",
    "date_from_datetime_parsing": "日付を書いてください",
    "greater_than_equal": "小さすぎます",
    "less_than_equal": "大きすぎます",
}


def mistakes(model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """A line for each mistake, with its place; never the input, which may be a secret."""
    for item in error.errors(include_input=False):
        place = [str(part) for part in item["loc"]]
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _keys(model, place[:-1]), n=1)
            maybe = f"。もしかして「{near[0]}」 / there is no such key; do you mean {near[0]}?" if near else ""
            yield f"{'.'.join(place)}: この名前の設定はありません{maybe or ' / there is no such key'}"
        else:
            said = _JAPANESE.get(item["type"])
            message = item["msg"].removeprefix("Value error, ")
            yield f"{'.'.join(place)}: {said} / {message}" if said else f"{'.'.join(place)}: {message}"


def _keys(model: type[BaseModel], place: Sequence[str]) -> list[str]:
    """The keys of the table at this place; none where there is no table."""
    for name in place:
        field = model.model_fields.get(name)
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not tables:
            return []
        model = tables[0]
    return list(model.model_fields)
