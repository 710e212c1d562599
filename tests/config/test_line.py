"""LINE from the settings: what is missing is said, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.adapters.line import Line
from bot.clock import SystemClock
from bot.errors import ConfigurationError
from bot.testing.fakes import FakeLine
from config.settings import Settings


def load(folder: Path, table: str) -> Settings:
    file = folder / "kairanban.toml"
    file.write_text(f'[storage]\nfolder = "{folder / "var"}"\n[line]\n{table}', encoding="utf-8")
    return Settings.load(file)


def test_an_account_is_built_from_two_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-token\n", encoding="utf-8")
    (tmp_path / "secret").write_text("the-secret\n", encoding="utf-8")
    settings = load(
        tmp_path,
        f'channel_access_token_file = "{tmp_path / "token"}"\nchannel_secret_file = "{tmp_path / "secret"}"\n',
    )
    assert list(settings.problems()) == []
    [table] = settings.platforms()
    adapter = table.build(SystemClock())
    assert isinstance(adapter, Line)
    assert adapter.name == "line"
    fake = FakeLine(channel_secret="the-secret")
    assert adapter.verify(fake.sign(b"body"), b"body")
    assert "the-token" not in repr(settings) + repr(adapter)


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    problems = list(load(tmp_path, 'channel_secret = "s"\n').problems())
    assert len(problems) == 1
    assert "channel_access_token" in problems[0]


@pytest.mark.parametrize("line", ["reserve_percent = 101", "reserve_percent = -1", 'chanel_secret = "typo"'])
def test_a_value_that_makes_no_sense_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match="line"):
        load(tmp_path, f'channel_access_token = "t"\nchannel_secret = "s"\n{line}\n')
