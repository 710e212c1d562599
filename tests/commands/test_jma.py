"""`kairanban jma draft`: one telegram in, one decision out, without a bot."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.commands.conftest import Terminal
from tests.jma.telegrams import shindo

KEYS = ["action", "drill", "kind", "event_id", "serial", "reported_at", "headline", "areas", "reason"]


@pytest.fixture
def telegram(tmp_path: Path) -> Path:
    path = tmp_path / "telegram.xml"
    path.write_bytes(shindo("6-"))
    return path


def test_json_is_the_decision_and_nothing_else(kairanban: Terminal, telegram: Path) -> None:
    said = kairanban("jma", "draft", telegram, "--json", anywhere=True)
    assert said.code == 0
    found = json.loads(said.out)
    assert list(found) == KEYS
    assert (found["action"], found["kind"], found["drill"]) == ("draft", "VXSE51", False)
    assert {"code": "442", "name": "静岡県中部", "level": "震度６弱"} in found["areas"]


def test_without_json_people_see_the_draft(kairanban: Terminal, telegram: Path) -> None:
    said = kairanban("jma", "draft", telegram, anywhere=True)
    assert "下書きにします" in said.out
    assert "【地震】震度６弱" in said.out


def test_a_retraction_says_what_the_running_bot_does_with_it(kairanban: Terminal, telegram: Path) -> None:
    telegram.write_bytes(shindo(info_type="取消", body=None))
    said = kairanban("jma", "draft", telegram, anywhere=True)
    assert "取消の電文です" in said.out
    assert "下書きはありません" not in said.out  # it has not looked


def test_the_settings_decide(kairanban: Terminal, telegram: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[jma]\nareas = ["北海道"]\n', encoding="utf-8")
    said = kairanban("jma", "draft", telegram, "--json", "--settings", file, anywhere=True)
    assert json.loads(said.out)["action"] == "ignore"
    file.write_text('[jma]\nintensity = "7"\n', encoding="utf-8")
    said = kairanban("jma", "draft", telegram, "--settings", file, anywhere=True)
    assert "何もしません" in said.out
    assert "震度６弱" in said.out
    file.write_text('[jma]\nintensity = "8"\n', encoding="utf-8")
    said = kairanban("jma", "draft", telegram, "--settings", file, anywhere=True)
    assert said.code == 2
    assert "jma.intensity" in said.err


def test_what_cannot_be_read_is_an_answer_and_no_error(kairanban: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "noise.xml"
    file.write_bytes(b"\x00\xffnoise")
    said = kairanban("jma", "draft", file, "--json", anywhere=True)
    assert said.code == 0
    found = json.loads(said.out)
    assert list(found) == KEYS
    assert found["action"] == "unreadable"


def test_a_telegram_can_come_from_standard_input(kairanban: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(shindo("6-"))))
    assert json.loads(kairanban("jma", "draft", "-", "--json", anywhere=True).out)["action"] == "draft"


def test_a_file_that_is_not_there_is_wrong_use(kairanban: Terminal) -> None:
    said = kairanban("jma", "draft", "none.xml", anywhere=True)
    assert said.code == 2
    assert "none.xml" in said.err
