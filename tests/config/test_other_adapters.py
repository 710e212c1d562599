"""Adapters of other packages: found by name, given what the settings say, and every mistake has its sentence."""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.clock import SystemClock
from bot.errors import ConfigurationError
from config.cli import app
from config.commands.new_adapter import write
from config.house import adapters_from
from config.settings import Settings

RIGHT = "base_url = 'https://pigeon.example.jp'\ntoken = 'hunter2'\nsecret_file = 'secret'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the template's package as good as installed: its metadata is on the path."""
    site = tmp_path / "site"
    write("pigeon", site)
    about = site / "kairanban_pigeon-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kairanban-pigeon\nVersion: 0.1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(
        "[kairanban.adapters]\npigeon = kairanban_pigeon:Pigeon\nmoody = moody:Moody\n", encoding="utf-8"
    )
    (site / "moody.py").write_text(
        "class Moody:\n    def __init__(self, clock, word='', **more): raise ValueError(f'I do not like {word}.')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("sealed\n", encoding="utf-8")
    yield tmp_path
    for name in [each for each in sys.modules if each.split(".")[0] in {"kairanban_pigeon", "moody"}]:
        del sys.modules[name]


def settings(folder: Path, table: str, name: str = "pigeon") -> Settings:
    file = folder / "kairanban.toml"
    file.write_text(f"[adapters.{name}]\n{table}", encoding="utf-8")
    return Settings.load(file)


def test_the_adapter_gets_what_the_table_says_and_its_secret_from_the_file(folder: Path) -> None:
    [adapter] = adapters_from(settings(folder, RIGHT), SystemClock())
    assert repr(adapter) == "<Pigeon pigeon at https://pigeon.example.jp/messages>"
    body = b'{"events": []}'
    assert adapter.verify({"X-Pigeon-Signature": hmac.new(b"sealed", body, hashlib.sha256).hexdigest()}, body)


def test_check_names_the_platform_when_all_is_well(folder: Path) -> None:
    settings(folder, RIGHT)
    answer = CliRunner().invoke(app, ["check"])
    assert answer.exit_code == 0, answer.output
    assert "pigeon" in answer.output


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("dove", "", "no adapter named 'dove'"),
        ("pigeon", RIGHT + "tokn = 'x'\n", "no key 'tokn'; there are: base_url, token, secret"),
        ("pigeon", RIGHT + "clock = 'x'\n", "no key 'clock'"),
        ("pigeon", "token = 'hunter2'\n", "Give base_url and secret, too."),
        ("pigeon", RIGHT + "token_file = 'secret'\n", "Give token or token_file, not both."),
        (
            "pigeon",
            RIGHT.replace("'secret'", "'nowhere'"),
            "secret_file nowhere: cannot be read: there is no such file",
        ),
        ("pigeon", RIGHT.replace("'secret'", "7"), "secret_file must be the name of a file."),
        ("pigeon", RIGHT.replace("https://", ""), "base_url must look like https://"),
        ("moody", "", "The adapter does not take this: ValueError: I do not like ."),
        ("moody", "word = 'hunter2'", "The adapter does not take this: ValueError"),
        ("moody", "word_file = 'secret'", "The adapter does not take this: ValueError"),
    ],
)
def test_a_mistake_is_said_by_check_and_stops_the_start(folder: Path, name: str, table: str, said: str) -> None:
    found = settings(folder, table, name)
    with pytest.raises(ConfigurationError) as caught:
        adapters_from(found, SystemClock())
    assert str(caught.value).startswith(f"[adapters.{name}] ")
    assert said in str(caught.value)
    assert list(found.problems()) == [str(caught.value)]
    answer = CliRunner().invoke(app, ["check"])
    assert answer.exit_code == 1
    assert said in answer.output
    for text in (str(caught.value), answer.output, repr(found)):
        assert "hunter2" not in text
        assert "sealed" not in text


def test_a_file_that_is_no_text_is_no_secret(folder: Path) -> None:
    (folder / "secret").write_bytes(b"\xff\xfe")
    [problem] = settings(folder, RIGHT).problems()
    assert "UTF-16" in problem


def test_a_key_may_come_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIRANBAN_ADAPTERS__PIGEON__BASE_URL", "https://other.example.jp")
    [adapter] = adapters_from(settings(folder, RIGHT), SystemClock())
    assert "other.example.jp" in repr(adapter)


def test_two_accounts_at_one_platform_of_the_house_are_told_apart_by_name(folder: Path) -> None:
    table = "base_url = 'https://second.example.jp'\ntoken = 't'\nsecret = 's'\nname = 'second'\n"
    assert [each.name for each in adapters_from(settings(folder, table, "logochat"), SystemClock())] == ["second"]
