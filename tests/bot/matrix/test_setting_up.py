"""The registration, the settings and the adapter's own arguments: right ones work, wrong ones say what to mend."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from bot import adapters
from bot.adapter import Rejected, Retry
from bot.adapters.matrix import Matrix
from bot.adapters.matrix.homeserver import MatrixProblem, understood
from bot.adapters.matrix.registration import Registration
from bot.clock import SystemClock
from bot.errors import ConfigurationError
from config.cli import app
from config.settings import Settings

SERVER = "example.lg.jp"
RUNNER = CliRunner()


def registered(file: Path, *more: str) -> int:
    arguments = ["matrix", "registration", "--server", SERVER, "--out", str(file), *more]
    return RUNNER.invoke(app, arguments).exit_code


def test_the_command_writes_a_file_that_only_its_owner_reads_and_does_not_replace_it_unasked(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "matrix.yaml"
    assert registered(file) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    first = yaml.safe_load(file.read_text())
    assert first["receive_ephemeral"] is True
    assert first["rate_limited"] is False
    assert first["sender_localpart"] != "kairanban", "As the sender, Synapse answers /sync with an error."
    assert registered(file) != 0
    assert yaml.safe_load(file.read_text()) == first
    assert registered(file, "--force") == 0
    second = yaml.safe_load(file.read_text())
    assert second["as_token"] != first["as_token"]
    assert second["hs_token"] != second["as_token"]


def test_the_namespaces_hold_the_bot_and_its_aliases_and_nobody_else() -> None:
    spaces = Registration(SERVER, "http://bot/webhooks/matrix", "kairan.ban").document()["namespaces"]
    user, alias = spaces["users"][0]["regex"], spaces["aliases"][0]["regex"]
    assert re.fullmatch(user, "@kairan.ban:example.lg.jp")
    assert not re.fullmatch(user, "@kairanxban:example.lg.jp")
    assert not re.fullmatch(user, "@kairan.ban:examplexlg.jp")
    assert re.fullmatch(alias, "#kairan.ban_0123:example.lg.jp")
    assert not re.fullmatch(alias, "#other:example.lg.jp")


@pytest.mark.parametrize(
    ("server", "url", "user"),
    [("a b", "http://x/webhooks/matrix", "k"), (SERVER, "bot.example.jp", "k"), (SERVER, "http://x", "回覧板")],
)
def test_a_registration_that_nobody_could_use_is_not_made(server: str, url: str, user: str) -> None:
    with pytest.raises(ConfigurationError):
        Registration(server, url, user)


def settings(tmp_path: Path, lines: str) -> Settings:
    file = tmp_path / "kairanban.toml"
    file.write_text(f'[matrix]\nhomeserver = "http://127.0.0.1:1"\nuser = "@kairanban:{SERVER}"\n{lines}')
    return Settings.load(file)


def test_the_settings_take_the_tokens_from_the_registration(tmp_path: Path) -> None:
    file = tmp_path / "matrix.yaml"
    registered(file)
    [table] = settings(tmp_path, f'registration = "{file}"').platforms()
    assert table.read_secret("as_token") == yaml.safe_load(file.read_text())["as_token"]
    adapter = table.build(SystemClock())
    assert adapter.name == "matrix"
    assert adapter.verify({"authorization": f"Bearer {table.read_secret('hs_token')}"}, b"")


def test_the_settings_take_the_tokens_themselves(tmp_path: Path) -> None:
    [table] = settings(tmp_path, 'as_token = "aaa"\nhs_token = "hhh"').platforms()
    assert table.build(SystemClock()).verify({"Authorization": "Bearer hhh"}, b"")


@pytest.mark.parametrize("text", ["id: kairanban", "as_token: [1]", "just words", "a: {", None])
def test_a_registration_that_cannot_be_used_is_a_sentence(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "matrix.yaml"
    if text is not None:
        file.write_text(text)
    chosen = settings(tmp_path, f'registration = "{file}"')
    assert sum("[matrix]" in problem for problem in chosen.problems()) == 2
    with pytest.raises(ConfigurationError):
        chosen.platforms()[0].build(SystemClock())


@pytest.mark.parametrize(
    "wrong",
    [
        {"homeserver": "matrix.example.jp"},
        {"homeserver": "https://me@matrix.example.jp"},
        {"user": "kairanban"},
        {"user": "@kairan ban:example.jp"},
        {"user": "@kairanban:"},
        {"as_token": ""},
        {"hs_token": "two words"},
    ],
)
def test_wrong_arguments_are_refused_at_once(wrong: dict[str, str]) -> None:
    right: dict[str, Any] = {
        "homeserver": "https://m.example.jp",
        "as_token": "a",
        "hs_token": "h",
        "user": "@k:example.jp",
    }
    Matrix(**right)
    with pytest.raises(ConfigurationError):
        Matrix(**{**right, **wrong})


def test_the_adapter_is_found_by_its_name() -> None:
    assert adapters.find("matrix") is Matrix


@pytest.mark.parametrize(
    ("named", "waited"), [(4_000, 4), (5, 1), (10**12, 3_600), (None, 5), ("x", 5), (True, 5), (-3, 1)]
)
def test_a_wait_that_the_homeserver_names_is_kept_within_reason(named: object, waited: int) -> None:
    body = orjson.dumps({"errcode": "M_LIMIT_EXCEEDED", "error": "Too fast", "retry_after_ms": named})
    with pytest.raises(MatrixProblem, match="429: M_LIMIT_EXCEEDED Too fast") as caught:
        understood(429, body)
    assert caught.value.as_outcome() == Retry(str(caught.value), after=timedelta(seconds=waited))


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, Rejected), (403, Rejected), (404, Rejected), (401, Retry), (408, Retry), (502, Retry)]
)
def test_what_will_never_work_is_not_tried_again(status: int, outcome: type) -> None:
    for body in (b"<h1>oops</h1>", b"[]", b'{"errcode": "M_UNKNOWN"}'):
        with pytest.raises(MatrixProblem) as caught:
            understood(status, body)
        # What is not in Matrix's own words comes from something on the way, a proxy or a login page: tried again.
        assert type(caught.value.as_outcome()) is (outcome if b"errcode" in body else Retry)
