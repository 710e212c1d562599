"""Once an anonymous survey is closed, no byte below the storage folder tells who said what: after `kill -9`, too."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.inbox.seals import Seals, is_sealed
from tests.secrecy.night import FAILED, WORDS

PAGE = 4_096


def lived(folder: Path, end: str, wiping: str) -> Path:
    """The folder that a killed house has left."""
    script = [sys.executable, "-m", "tests.secrecy.night", str(folder), end, wiping]
    ended = subprocess.run(script, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-4_000:]
    return folder


def pages(folder: Path) -> Iterator[bytes]:
    """Everything below a folder, in the pieces in which SQLite writes it; a log's frames have a head of 24 bytes."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        frames = path.name.endswith("-wal")
        start, step, head = (32, PAGE + 24, 24) if frames else (0, PAGE, 0)
        for at in range(start, len(content), step):
            yield content[at + head : at + step]


def told(folder: Path) -> set[tuple[str, str]]:
    """(person, words) that stand together in one piece, in clear or sealed with a key that is still there."""
    seals = Seals(folder / "inbox.sqlite3", durable=False)
    seals.load()
    found = set()
    for piece in pages(folder):
        texts = [piece]
        for mark in re.finditer(rb"S1", piece):
            for length in (512, 2_048):
                stored = piece[mark.start() : mark.start() + 18 + length]
                if is_sealed(stored) and (opened := seals.unseal(stored)) is not None:
                    texts.append(opened)
        for text in texts:
            for person in WORDS:
                for words in (*WORDS.values(), FAILED):
                    if person.encode() in text and words[:12].encode() in text:
                        found.add((person, words[:12]))
    return found


@pytest.mark.parametrize("wiping", ["wiping", "lazy"])
def test_after_closing_and_a_kill_no_piece_holds_an_answer_beside_its_person(tmp_path: Path, wiping: str) -> None:
    folder = lived(tmp_path / "storage", "closed", wiping)
    everything = b"".join(pages(folder))
    assert all(words[:12].encode() in everything for words in WORDS.values())  # on the sheets, which have no names
    assert FAILED.encode() not in everything
    assert told(folder) == set()
    assert b"survey:answer:" not in b"".join((folder / name).read_bytes() for name in ("inbox.sqlite3",))
    assert not list((folder / "survey-keys").glob("*.key"))


def test_the_search_finds_what_is_there_while_the_keys_are(tmp_path: Path) -> None:
    """The same search, of a house that was killed before the survey closed: it can fail."""
    folder = lived(tmp_path / "storage", "open", "lazy")
    assert ("tanaka-3f1", WORDS["tanaka-3f1"][:12]) in told(folder)
    assert ("sato-0d2", FAILED[:12]) in told(folder)


def test_while_it_is_open_nothing_stands_in_clear_beside_its_person(tmp_path: Path) -> None:
    """Whoever has the files without the folders of keys: a backup, say."""
    folder = lived(tmp_path / "storage", "open", "lazy")
    for key in (folder / "inbox-keys").iterdir():
        key.unlink()
    assert told(folder) == set()
    everything = b"".join(pages(folder))
    assert not any(words[:12].encode() in everything for words in (*WORDS.values(), FAILED))
