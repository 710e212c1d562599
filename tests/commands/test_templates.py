"""`kairanban broadcast template`: the templates on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.directory import Entry, save
from tests.commands.conftest import Terminal

GOOD = 'name = "連絡"\ntext = "{area}です。"\naudience = ["土木課"]\n\n[[fields]]\nname = "area"\nlabel = "地域"\n'


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "one.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "kairanban.toml").write_text(f'[broadcasts]\ntemplates = "{folder}"\n', encoding="utf-8")
    return folder


def test_list_and_show_tell_what_comes_along(kairanban: Terminal) -> None:
    said = kairanban("broadcast", "template", "list", anywhere=True)
    assert said.code == 0
    assert "hinan-3" in said.out
    assert "警戒レベル5 緊急安全確保" in said.out
    said = kairanban("broadcast", "template", "show", "sanshu", anywhere=True)
    for part in ("第{stage}配備です。", "宛先：@全職員", "質問：muster", "{reason}", "{department}", "stage"):
        assert part in said.out
    said = kairanban("broadcast", "template", "show", "hinanjo", anywhere=True)
    assert "使う人に聞く" in said.out
    assert kairanban("broadcast", "template", "show", "yuki", anywhere=True).code == 2


def test_the_settings_name_the_folder(kairanban: Terminal, mine: Path) -> None:
    said = kairanban("broadcast", "template", "list", anywhere=True)
    assert "連絡" in said.out
    assert "hinan-3" not in said.out
    assert "1件" in kairanban("broadcast", "template", "check").out


def test_check_names_every_fault_and_says_what_is_wrong_in_the_exit_code(kairanban: Terminal, mine: Path) -> None:
    (mine / "two.toml").write_text(GOOD.replace("{area}", "{place}"), encoding="utf-8")
    said = kairanban("broadcast", "template", "check", mine)
    assert said.code == 2
    assert "two.toml: text: {place}" in said.err
    said = kairanban("check", anywhere=True)
    assert said.code == 1
    assert "two.toml: text: {place}" in said.out


def test_check_asks_the_directory_whether_the_audiences_exist(kairanban: Terminal, mine: Path) -> None:
    kairanban.database(lambda db: save(db, [Entry("1", "青木", "土木課")]))
    assert kairanban("broadcast", "template", "check").code == 0
    (mine / "one.toml").write_text(GOOD.replace("土木課", "土水課"), encoding="utf-8")
    said = kairanban("broadcast", "template", "check")
    assert said.code == 2
    assert "one.toml: audience: 「土水課」" in said.err
