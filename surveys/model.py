"""What every part of a definition file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and strict about names, so that a slip of the pen is an error and not a question less."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
