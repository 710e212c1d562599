"""Templates from a folder of TOML files; whatever is wrong with one is named by file and field, all of it at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from bot.bilingual import Both, both, reason, shown
from bot.documents import DocumentError, toml_in
from bot.errors import ConfigurationError
from bot.mistakes import at, mistakes
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
        sentence = both("bot", "document.unreadable", name=shown(folder), reason=reason(error))
        raise TemplateError(str(sentence)) from error
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
            faults.append(
                _line(
                    path,
                    "name: ",
                    (both("broadcasts.templates", "template.mend.name", file=names[template.name], name=template.name)),
                )
            )
        names[template.name] = path.name
        found[template.key] = template
    if faults:
        raise TemplateError("\n".join(faults))
    return dict(sorted(found.items(), key=lambda item: (item[1].kind != "emergency", item[0])))


def load_template(path: Path) -> Template:
    """The template in one file. Raises `TemplateError`."""
    try:
        data = toml_in(path, SIZE_LIMIT, path.name)
    except DocumentError as error:
        raise TemplateError(str(error)) from error
    if "key" in data:
        raise TemplateError(_line(path, "key: ", both("broadcasts.templates", "template.mend.key")))
    try:
        return Template.model_validate({"key": path.stem.lower(), **data})
    except ValidationError as error:
        faults = [_line(path, at(each.place), each.what) for each in mistakes(error)]
        raise TemplateError("\n".join(faults)) from error


def _line(path: Path, place: str, what: Both) -> str:
    return str(Both(f"{path.name}: {place}{what.ja}", f"{path.name}: {place}{what.en}"))
