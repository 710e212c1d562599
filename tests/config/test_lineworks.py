"""`[lineworks]` in the settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.adapters import find
from bot.adapters.lineworks import LineWorks
from bot.clock import ManualClock
from bot.errors import ConfigurationError
from bot.testing.fakes.lineworks_rules import new_account
from config.settings import Settings
from tests.bot.lineworks.support import START

TABLE = """
[lineworks]
bot_id = 2000001
client_id = "client"
service_account = "abc.serviceaccount@example"
bot_secret = "s"
client_secret = "c"
private_key_file = "{folder}/lineworks.key"
requests_per_minute = 60
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "lineworks.key").write_text(new_account().private_key, encoding="utf-8")
    file = tmp_path / "kairanban.toml"
    file.write_text(TABLE.format(folder=tmp_path), encoding="utf-8")
    return file


def test_the_table_makes_the_adapter_with_the_pace_of_its_plan(file: Path) -> None:
    settings = Settings.load(file)
    [table] = settings.platforms()
    adapter = table.build(ManualClock(START))
    assert isinstance(adapter, LineWorks)
    assert adapter.name == table.TABLE == "lineworks"
    assert adapter.capabilities.rate == pytest.approx(0.95)
    assert adapter.capabilities.sustained == pytest.approx(0.5)
    assert [line for line in settings.problems() if "lineworks" in line] == []


def test_a_missing_key_is_named_and_a_broken_one_is_refused(file: Path) -> None:
    key = file.parent / "lineworks.key"
    key.write_text("broken", encoding="utf-8")
    [table] = Settings.load(file).platforms()
    with pytest.raises(ConfigurationError, match="the whole file"):
        table.build(ManualClock(START))
    key.unlink()
    assert any("private_key" in line for line in Settings.load(file).problems())


def test_it_is_found_by_its_name() -> None:
    assert find("lineworks") is LineWorks
