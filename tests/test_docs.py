"""What the documents show is there: their links, their commands, and the bot in ten lines."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from config.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
COMMAND = re.compile(r"(?:^|[`/ ])kairanban ((?:[a-z]+(?:-[a-z]+)* ?)+)", re.MULTILINE)


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def code(document: Path) -> Iterator[str]:
    """What stands between backquotes or in a block of shell commands; prose says `kairanban` of itself as well."""
    text = document.read_text(encoding="utf-8")
    yield from re.findall(r"^```(?:sh|bash)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_exists(document: Path) -> None:
    shown = {tuple(words.split()) for part in code(document) for words in COMMAND.findall(part)}
    assert [" ".join(words) for words in sorted(shown) if not exists(*words)] == []


def exists(*words: str) -> bool:
    """Whether the command line knows the first word, and the second where the first is a group."""
    commands = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - typer's own types do not say it
    first = commands.get(words[0])
    group = getattr(first, "commands", None)
    return first is not None and (group is None or len(words) == 1 or words[1] in group or first.invoke_without_command)


def test_the_bot_in_ten_lines_is_the_example_and_answers() -> None:
    example, readme = (ROOT.joinpath(place).read_text(encoding="utf-8") for place in ("examples/ping.py", "README.md"))
    [shown] = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert example.endswith(shown)
    answer = subprocess.run(
        [sys.executable, "examples/ping.py"],
        cwd=ROOT,
        input="/ping\n/ヘルプ\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "\npong\n" in answer.stdout
    assert "/ping　pong と返します" in answer.stdout
