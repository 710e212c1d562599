"""The whole house opens with everything that the settings can switch on, and closes again."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from bot.clock import SystemClock
from bot.testing import FakePlatform
from config.house import open_house
from config.settings import Settings

SAMPLE = Path(__file__).parent.parent.parent / "config" / "kairanban.example.toml"


def everything(folder: Path) -> Settings:
    """The sample with every line of settings that stands in a comment switched on, as somebody might."""
    values = tomllib.loads(re.sub(r"^# (?=\[|\w+ = )", "", SAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    del values["broadcasts"]["templates"], values["surveys"]["definitions"]  # folders that are not there
    (folder / "mail.password").write_text("not-a-secret", encoding="utf-8")
    values["mail"]["password_file"] = str(folder / "mail.password")
    values["jma"]["folder"] = str(folder / "telegrams")
    values["storage"] = {"folder": str(folder / "var"), "durability": "process"}
    return Settings(**values)


async def test_everything_that_can_be_switched_on_works_together(tmp_path: Path) -> None:
    clock = SystemClock()
    async with open_house(everything(tmp_path), clock=clock, adapters=[FakePlatform(clock)]) as house:
        assert await house.broadcasts.latest() is None
        assert await house.surveys.summaries() == []


async def test_a_house_that_was_closed_can_be_opened_again(tmp_path: Path) -> None:
    clock = SystemClock()
    for _ in range(2):
        async with open_house(everything(tmp_path), clock=clock, adapters=[FakePlatform(clock)]):
            pass
