"""`kairanban broadcast template`: the templates on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.directory import HEADQUARTERS, Entry, save
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


@pytest.fixture
def town(kairanban: Terminal, mine: Path, tmp_path: Path) -> Terminal:
    """A platform, an officer and somebody of the template's department."""
    settings = (tmp_path / "kairanban.toml").read_text(encoding="utf-8")
    platform = '[logochat]\nbase_url = "https://chat.example.jp"\ntoken = "t"\nsecret = "s"\n'
    (tmp_path / "kairanban.toml").write_text(platform + settings, encoding="utf-8")
    more = '[[fields]]\nname = "who"\nlabel = "担当"\nrequired = false\ndefault = "{department}"\n'
    (mine / "one.toml").write_text(GOOD.replace("です。", "です。\\n担当は{who}。") + more, encoding="utf-8")
    people = [
        Entry("1", "本部", "危機管理課", roles=[HEADQUARTERS], addresses={"logochat": "u1"}),
        Entry("2", "青木", "土木課", addresses={"logochat": "u2"}),
    ]
    kairanban.database(lambda db: save(db, people))
    return kairanban


def test_a_template_is_sent_with_its_values_and_files(town: Terminal, tmp_path: Path) -> None:
    (tmp_path / "地図.png").write_bytes(b"x")
    words: list[str | Path] = ["broadcast", "template", "send", "one", "--by", "1", "--yes"]
    said = town(*words, "--set", "area=川原町", "--attach", tmp_path / "地図.png")
    assert said.code == 0, said.err
    assert "川原町です。\n担当は危機管理課。" in said.out
    assert "宛先：1人" in said.out
    assert "・地図.png（1KB）" in said.out
    said = town(*words, "--set", "area=川原町", "--set", "who=", "--drill", "--to", "全職員", "--when", "毎日 09:00")
    assert said.code == 0, said.err
    assert "【訓練】" in said.out
    assert "担当は" not in said.out
    assert "宛先：2人" in said.out
    assert "を予約しました" in said.out


@pytest.mark.parametrize(
    ("key", "words", "found"),
    [
        ("two", [], "two"),
        ("one", [], "「地域」が空いています"),
        ("one", ["--set", "place=x"], "area, who"),
        ("one", ["--set", f"area={'x' * 301}"], "300文字まで"),
        ("one", ["--set", "area=x", "--when", "いつか"], "いつか"),
    ],
)
def test_a_template_that_cannot_be_sent_says_why(town: Terminal, key: str, words: list[str], found: str) -> None:
    said = town("broadcast", "template", "send", key, "--by", "1", "--yes", *words)
    assert said.code == 2
    assert found in said.err


def test_a_template_without_an_audience_asks_for_one(town: Terminal, mine: Path) -> None:
    (mine / "one.toml").write_text(GOOD.replace('audience = ["土木課"]\n', ""), encoding="utf-8")
    said = town("broadcast", "template", "send", "one", "--by", "1", "--set", "area=x", "--yes")
    assert said.code == 2
    assert "--to" in said.err
