"""The shelf: one content once, by its hash, within the limits, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import attachments
from bot.attachments import Shelf, checked, clean_name
from bot.clock import TOKYO
from bot.errors import NotOnShelf, Refused
from bot.messages import Attachment


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_content_lies_there_once_under_its_hash(shelf: Shelf, tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    for name in ("一覧.pdf", "写し.pdf"):
        (tmp_path / name).write_bytes(content)
    one, other = [await shelf.keep(tmp_path / name) for name in ("一覧.pdf", "写し.pdf")]
    assert (one.name, other.name) == ("一覧.pdf", "写し.pdf")
    assert one.sha256 == other.sha256 == hashlib.sha256(content).hexdigest()
    assert one.size == len(content)
    assert files_in(tmp_path / "shelf") == [shelf.path(one)]
    assert shelf.path(one).read_bytes() == content
    assert shelf.path(one).stat().st_mode & 0o077 == 0


async def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"x" * 2_001)
    monkeypatch.setattr(attachments, "BYTES", 2_000)
    for name, key in (("none", "unreadable"), ("empty", "empty"), ("large", "too_large"), (".", "unreadable")):
        with pytest.raises(Refused, match=rf"attachment\.{key}"):
            await shelf.keep(tmp_path / name)
    assert files_in(tmp_path / "shelf") == []


def test_ten_files_of_200_mb_together_and_no_more() -> None:
    def files(count: int, size: int) -> tuple[Attachment, ...]:
        return tuple(Attachment(name=f"{n}", size=size, sha256="0" * 64) for n in range(count))

    checked(files(10, 20_000_000))
    for wrong in (files(11, 1), files(10, 20_000_001)):
        with pytest.raises(Refused):
            checked(wrong)


@given(st.text())
def test_every_name_becomes_one_that_a_message_takes(name: str) -> None:
    cleaned = clean_name(name)
    Attachment(name=cleaned, size=1, sha256="0" * 64)
    assert not {"/", "\\", "\n", "\0"} & set(cleaned)


def test_a_long_name_keeps_its_ending() -> None:
    assert clean_name("あ" * 300 + ".xlsx").endswith("あ.xlsx")
    assert clean_name("../../etc/一覧.pdf") == "一覧.pdf"


async def test_what_nobody_wants_is_swept_once_it_has_lain_for_a_while(shelf: Shelf, tmp_path: Path) -> None:
    kept = []
    for number in range(3):
        (tmp_path / "file").write_bytes(bytes([number]))
        kept.append(await shelf.keep(tmp_path / "file"))
    wanted, unwanted, young = kept
    broken_off = tmp_path / "shelf" / "tmp12345"  # by a process that died in the middle
    broken_off.touch()
    noon = datetime(2023, 10, 2, 12, tzinfo=TOKYO)
    for path in (shelf.path(wanted), shelf.path(unwanted), broken_off):
        os.utime(path, (0, noon.timestamp() - 1))
    os.utime(shelf.path(young), (0, noon.timestamp()))
    assert await shelf.sweep({wanted.sha256}, noon) == 2
    assert sorted(files_in(tmp_path / "shelf")) == sorted([shelf.path(wanted), shelf.path(young)])
    assert await Shelf(tmp_path / "nowhere").sweep((), noon) == 0


async def test_machines_that_share_the_folder_may_sweep_it_at_the_same_time(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name, encoding="ascii")
    both = [await shelf.keep(tmp_path / name) for name in ("one", "two")]
    real = Path.is_file

    def is_file(path: Path) -> bool:
        found = real(path)
        if path == shelf.path(both[0]):
            path.unlink()  # the other machine is quicker
        return found

    monkeypatch.setattr(Path, "is_file", is_file)
    assert await shelf.sweep((), datetime(2100, 1, 1, tzinfo=TOKYO)) == 1
    assert not shelf.path(both[1]).exists()


@pytest.mark.parametrize("state", ["missing", "half", "folder"])
async def test_a_content_that_is_not_whole_here_is_an_error_that_says_where_to_look(
    shelf: Shelf, tmp_path: Path, state: str
) -> None:
    (tmp_path / "一覧.pdf").write_bytes(b"0123456789")
    kept = await shelf.keep(tmp_path / "一覧.pdf")
    with await shelf.open(kept) as file:
        assert file.read() == b"0123456789" == shelf.read(kept)
    spoil(shelf.path(kept), state)
    with pytest.raises(NotOnShelf, match=r"一覧\.pdf .* folder attachments"):
        await shelf.open(kept)
    with pytest.raises(NotOnShelf):
        shelf.read(kept)


def spoil(path: Path, state: str) -> None:
    """As it is on a machine that has no part in the folder, or only a copy of it."""
    content = path.read_bytes()
    path.unlink()
    if state == "half":
        path.write_bytes(content[: len(content) // 2])
    elif state == "folder":
        path.mkdir()
