"""Errors that the section, an officer or the operator meets are Japanese first: read from the code itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from config.settings import Settings

ROOT = Path(__file__).parent.parent
MET_BY_PEOPLE = {
    "config": {"ConfigurationError", "KairanbanError", "ValueError"},
    "surveys": {"DefinitionError", "ValueError"},
    "broadcasts/templates": {"TemplateError", "ValueError"},
    "trial/evaluation": {"ConfigurationError", "ValueError"},
}
FOR_DEVELOPERS = {
    "config/rehearsal.py",
    "config/stage_matrix.py",
    "surveys/vault.py",
    "surveys/months.py",
    "surveys/counting.py",
}
TIMES = {time, timedelta}
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def words_in(node: ast.AST) -> str:
    """Every text that stands in the code of an expression."""
    return " ".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def english_alone() -> Iterator[str]:
    for folder, names in MET_BY_PEOPLE.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            place = file.relative_to(ROOT).as_posix()
            if "adapter_template" in place or place in FOR_DEVELOPERS:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                    continue
                raised = node.exc.func.id if isinstance(node.exc.func, ast.Name) else ""
                argument = node.exc.args[0] if node.exc.args else None
                if any(isinstance(each, ast.Call) for each in ast.walk(argument or node.exc.func)):
                    continue  # the words come from a catalogue
                plain = isinstance(argument, ast.Constant | ast.JoinedStr) and " " in words_in(argument).strip()
                if raised in names and argument is not None and plain and not JAPANESE.search(words_in(argument)):
                    yield f"{place}:{node.lineno} {words_in(argument)[:60]}"


def test_no_error_that_people_meet_is_in_english_alone() -> None:
    assert list(english_alone()) == []


def tables(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from tables(kind)


def test_no_length_and_no_time_in_the_settings_takes_a_number_without_a_unit() -> None:
    taken, seen = list[str](), 0
    for table in tables(Settings):
        for name, field in table.model_fields.items():
            if field.annotation in TIMES or set(get_args(field.annotation)) & TIMES or "Duration" in str(field):
                seen += 1
                for number in (15, "15", 22):
                    try:
                        table.model_validate({name: number})
                    except ValidationError as error:
                        if any(each["loc"][:1] == (name,) for each in error.errors()):
                            continue
                    taken.append(f"{table.__name__}.{name} = {number!r}")
    assert taken == []
    assert seen >= 8
