"""Templates from a folder of TOML files; whatever is wrong with one is named by file and field, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bot.documents import read_toml
from bot.errors import ConfigurationError
from broadcasts.templates.template import Template

SIZE_LIMIT = 100_000
"""Bytes of one file; a notice has at most a few thousand."""


class TemplateError(ConfigurationError):
    """Templates are wrong; the text has a line for each fault: `heisa.toml: fields[2].default: …`."""


def load_templates(folder: Path) -> dict[str, Template]:
    """Every template of a folder by its key: emergencies first, and then as the files are named.

    Raises `TemplateError` with all faults of all files.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml")
    except OSError as error:
        raise TemplateError(f"{folder}: the folder of templates cannot be read: {error.strerror}.") from error
    found: dict[str, Template] = {}
    names: dict[str, str] = {}
    faults: list[str] = []
    for path in paths:
        try:
            template = load_template(path)
        except TemplateError as error:
            faults.append(str(error))
            continue
        if template.name in names:
            faults.append(f"{path.name}: name: {names[template.name]} is called {template.name} too")
        names[template.name] = path.name
        found[template.key] = template
    if faults:
        raise TemplateError("\n".join(faults))
    return dict(sorted(found.items(), key=lambda item: (item[1].kind != "emergency", item[0])))


def load_template(path: Path) -> Template:
    """The template in one file. Raises `TemplateError`."""
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise TemplateError(f"{path.name}: larger than {SIZE_LIMIT:,} bytes; this is no template.")
        data = read_toml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise TemplateError(f"{path.name}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise TemplateError(f"{path.name}: not in UTF-8; save it as UTF-8 and try again.") from None
    except ValueError as error:
        raise TemplateError(f"{path.name}: not valid TOML: {error}.") from error
    if "key" in data:
        raise TemplateError(f"{path.name}: key: the file's name is the key; leave it out.")
    try:
        return Template.model_validate({"key": path.stem.lower(), **data})
    except ValidationError as error:
        faults = [f"{path.name}: {_where(each['loc'])}{_said(each)}" for each in error.errors(include_url=False)]
        raise TemplateError("\n".join(faults)) from error


def _where(location: Sequence[int | str]) -> str:
    place = ""
    for part in location:
        place += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if place else part
    return f"{place}: " if place else ""


def _said(fault: Any) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")
