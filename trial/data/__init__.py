"""What the rehearsal knows of the world: the survey's tables, names, and what people say to one another."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """The tables of `trial/data/<name>.toml`; callers do not change them."""
    return tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
