"""Reads a definition file; whatever is wrong with it is named by line and field.

TOML and YAML hold the same fields. Neither library says on which line a value stood that pydantic finds wrong, so the
line is looked up again: from the node marks in YAML, by the table headers in TOML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError

from bot.bilingual import Both, apart, both, reason, shown
from bot.documents import DocumentError, read_toml, read_yaml, text_in, toml_problem
from bot.errors import KairanbanError
from bot.mistakes import field, mistakes
from surveys.definition import KINDS, Definition

Format = Literal["toml", "yaml"]
Location = Sequence[int | str]
SIZE_LIMIT = 1_000_000
"""Bytes in one definition file; a questionnaire of a hundred questions has fifty thousand."""


FAULTS_NAMED = 20
_LONGEST_LINE = 500
"""A line that names a table or a field is not longer; others are passed over when a fault's line is looked up."""


class DefinitionError(KairanbanError):
    """A definition file is wrong; the text has a line for each fault: `line 12, questions[2].options: …`."""


def load_definition(path: Path) -> Definition:
    """The questionnaire in a `.toml`, `.yaml` or `.yml` file; raises `DefinitionError`."""
    suffix = path.suffix.lower()
    name = shown(path.name)
    if suffix not in {".toml", ".yaml", ".yml"}:
        raise DefinitionError(_line(name, both("surveys", "definition.name")))
    try:
        text = text_in(path, SIZE_LIMIT, name)
    except DocumentError as error:
        raise DefinitionError(str(error)) from error
    try:
        return parse_definition(text, "toml" if suffix == ".toml" else "yaml")
    except DefinitionError as error:
        raise DefinitionError("\n".join(_line(name, apart(line)) for line in str(error).splitlines())) from error


def load_definitions(folder: Path) -> dict[str, Definition]:
    """Every definition in a folder, by its key; raises `DefinitionError`, also if two files share a key."""
    found: dict[str, Definition] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        sentence = both("bot", "document.unreadable", name=shown(folder), reason=reason(error))
        raise DefinitionError(sentence) from error
    for path in paths:
        if path.suffix.lower() in {".toml", ".yaml", ".yml"}:
            definition = load_definition(path)
            if definition.key in found:
                raise DefinitionError(_line(path.name, both("surveys", "definition.taken", key=definition.key)))
            found[definition.key] = definition
    return found


def parse_definition(text: str, format: Format = "toml") -> Definition:
    """The questionnaire in a text; raises `DefinitionError`."""
    try:
        data: object = read_toml(text) if format == "toml" else read_yaml(text)
    except ValueError as error:
        problem = toml_problem(error)
        raise DefinitionError(
            str(both("surveys", "definition.toml", problem=problem) if format == "toml" else problem)
        ) from error
    if not isinstance(data, Mapping):
        raise DefinitionError(both("surveys", "definition.table"))
    try:
        return Definition.model_validate(data)
    except ValidationError as error:
        find = _toml_line if format == "toml" else _yaml_line
        faults = [(_without_kind(each.place), each.what) for each in mistakes(error)]
        # Each line is looked up in the whole text: only those that anybody reads.
        lines = [_fault(find(text, where), where, what) for where, what in faults[:FAULTS_NAMED]]
        if len(faults) > FAULTS_NAMED:
            lines.append(str(both("surveys", "definition.more", count=len(faults) - FAULTS_NAMED)))
        raise DefinitionError("\n".join(lines)) from error


def _line(name: str, what: Both) -> str:
    return str(Both(f"{name}: {what.ja}", f"{name}: {what.en}"))


def _fault(line: int, where: Location, what: Both) -> str:
    place = both("surveys", "definition.line", line=line)
    whole = both("surveys", "definition.whole")
    named = field(tuple(where))
    return str(
        Both(
            f"{place.ja}, {named or whole.ja}: {what.ja}",
            f"{place.en}, {named or whole.en}: {what.en}",
        )
    )


def _without_kind(location: Location) -> Location:
    """pydantic puts the kind of a question into the path, where the file has none."""
    if len(location) > 2 and location[0] == "questions" and location[2] in KINDS:
        return (*location[:2], *location[3:])
    return location


def _yaml_line(text: str, location: Location) -> int:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
    return line + 1


_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-\s\"']+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"^\s*([\w.\-\"']+)\s*=")


def _toml_line(text: str, location: Location) -> int:
    """The line that names as much of `location` as the file names."""
    wanted = field(tuple(location)) or "definition"
    counts: dict[str, int] = {}
    table, best, best_length, inside_string = "", 1, 0, False
    for number, line in enumerate(text.splitlines(), start=1):
        was_inside = inside_string
        if (line.count('"""') + line.count("'''")) % 2:
            inside_string = not inside_string
        if was_inside or len(line) > _LONGEST_LINE:
            continue
        if header := _HEADER.match(line):
            table = header[2].replace(" ", "")
            if header[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
            names = table.split(".")
            for length in range(1, len(names) + 1):
                parent = ".".join(names[:length])
                count = counts.get(parent)
                if count is not None and (table == parent or table.startswith(parent + ".")):
                    table = f"{parent}[{count}]{table[len(parent) :]}"
            path = table
        elif assignment := _ASSIGNMENT.match(line):
            name = assignment[1].replace('"', "")
            path = f"{table}.{name}" if table else name
        else:
            continue
        matches = wanted == path or wanted.startswith((path + ".", path + "["))
        if matches and len(path) > best_length:
            best, best_length = number, len(path)
    return best
