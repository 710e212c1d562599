"""Settings: what is wrong is said in a sentence, and a secret is never in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.errors import ConfigurationError
from config.cli import app
from config.house import adapters_from
from config.settings import Settings

SAMPLE = Path(__file__).parent.parent.parent / "config" / "kairanban.example.toml"


def written(folder: Path, text: str) -> Path:
    file = folder / "kairanban.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_sample_file_is_valid_and_says_the_defaults() -> None:
    settings, defaults = Settings.load(SAMPLE), Settings()
    assert settings.server == defaults.server
    assert settings.storage == defaults.storage
    assert settings.broadcasts == defaults.broadcasts
    assert settings.surveys == defaults.surveys


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load().broadcasts.reminder_interval == timedelta(minutes=15)
    assert Settings.load().broadcasts.reminder_times == 4


def test_the_environment_stands_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "[server]\nport = 1234\nhost = '127.0.0.2'\n")
    monkeypatch.setenv("KAIRANBAN_SERVER__PORT", "4321")
    settings = Settings.load(file)
    assert (settings.server.port, settings.server.host) == (4321, "127.0.0.2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport = 99999\n", "server.port"),
        ("[server]\nprot = 1\n", "server.prot: .*もしかして「port」"),
        ("[storge]\nfolder = 'x'\n", "storge: .*もしかして「storage」"),
        ("[server]\nport = 'x'\n", "server.port: 整数を書いてください"),
        ("nonsense = 1\n", "nonsense"),
        ("[server\n", "not valid TOML"),
        ("[logochat]\nbase_url = 'ftp://x'\n", "https://host"),
        ("[logochat]\nbase_url = 'https://me:pass@x'\n", "no password"),
        ("[logochat]\nbase_url = 'https://x'\ntoken = 'a'\ntoken_file = 'b'\n", "not both"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Settings.load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_an_error_when_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Settings.load(tmp_path / "missing.toml")


def test_an_error_never_repeats_a_secret(tmp_path: Path) -> None:
    file = written(tmp_path, "[logochat]\nbase_url = 'https://x'\ntoken = ['hunter2']\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(file)
    assert "hunter2" not in str(caught.value)


def test_secrets_come_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-token\n", encoding="utf-8")
    file = written(
        tmp_path,
        f"[logochat]\nbase_url = 'https://x'\ntoken_file = '{tmp_path / 'token'}'\nsecret_file = '{tmp_path / 'no'}'\n",
    )
    table = Settings.load(file).logochat
    assert table is not None
    assert table.read_secret("token") == "the-token"
    with pytest.raises(ConfigurationError, match=r"secret_file .*cannot be read"):
        table.read_secret("secret")
    assert "the-token" not in repr(table)


def test_check_says_a_sentence_for_each_thing_that_is_missing(tmp_path: Path) -> None:
    file = written(tmp_path, f"[storage]\nfolder = '{tmp_path / 'var'}'\ndurability = 'process'\n")
    answer = CliRunner().invoke(app, ["check", "--settings", str(file)])
    assert answer.exit_code == 1
    assert "[logochat]" in answer.output
    assert "durability" in answer.output


def test_check_is_content_when_all_is_there(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f"[storage]\nfolder = '{tmp_path / 'var'}'\n[logochat]\nbase_url = 'https://x'\ntoken = 't'\nsecret = 's'\n",
    )
    answer = CliRunner().invoke(app, ["check", "--settings", str(file)])
    assert answer.exit_code == 0, answer.output
    assert "kairanban serve" in answer.output


def test_the_adapters_are_those_of_the_settings(tmp_path: Path) -> None:
    from bot.clock import SystemClock

    file = written(tmp_path, "[logochat]\nbase_url = 'https://x'\ntoken = 't'\nsecret = 's'\n")
    assert [adapter.name for adapter in adapters_from(Settings.load(file), SystemClock())] == ["logochat"]
    assert adapters_from(Settings(), SystemClock()) == []
