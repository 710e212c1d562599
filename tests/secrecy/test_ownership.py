"""What is kept is its owner's, under every umask, and what lies there already is put right."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.clock import ManualClock
from bot.testing import FakePlatform
from bot.testing.harness import START
from config.house import open_house
from config.settings import Settings


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(each.relative_to(folder.parent)): stat.S_IMODE(each.lstat().st_mode)
        for each in (folder, *folder.rglob("*"))
    }


async def test_everything_below_the_storage_folder_is_its_owners(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "storage"
    (folder / "survey-keys").mkdir(parents=True)
    (folder / "attachments" / "ab").mkdir(parents=True)
    (folder / "attachments" / "ab" / "abcd").write_bytes(b"old")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    clock = ManualClock(START)
    settings = Settings.model_validate({"storage": {"folder": folder}})
    async with open_house(settings, clock=clock, adapters=[FakePlatform(clock)]):
        assert "storage/kairanban.sqlite3-wal" in modes(folder)
        assert "storage/control.sock" in modes(folder)
        assert {name: mode for name, mode in modes(folder).items() if mode & 0o077} == {}


def test_check_names_what_others_may_read(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret", encoding="utf-8")
    token.chmod(0o644)
    settings = Settings.model_validate(
        {"storage": {"folder": tmp_path / "var"}, "logochat": {"base_url": "http://127.0.0.1:1", "token_file": token}}
    )
    assert any(str(token) in warning for warning in settings.warnings())
    token.chmod(0o600)
    assert not any(str(token) in warning for warning in settings.warnings())
