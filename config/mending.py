"""What is wrong with a settings file, in a line each, for people who do not know pydantic."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError

from bot.bilingual import both
from bot.mistakes import mistakes


def setting_mistakes(model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """A line for each mistake, with its place; never the input, which may be a secret."""
    for found in mistakes(error):
        place = [str(part) for part in found.place]
        what = found.what
        if found.type == "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _keys(model, place[:-1]), n=1)
            what = both("config", "setting.near", near=near[0]) if near else both("config", "setting.unknown")
        yield f"{'.'.join(place)}: {what}"


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
