"""A slip of the hand or of a file: what people meet is a sentence in Japanese first, and nothing is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Said, Terminal

JAPANESE = "エラー"


def sentence(ran: Said) -> str:
    """What it said of an error: one that ends with code 2."""
    assert ran.code == 2, ran
    return ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# 日本語\nlanguage = 'ja'\n".encode("cp932"), "Shift_JIS"),
        ("# 日本語\nlanguage = 'ja'\n".encode("utf-16"), "UTF-16"),
        (b"\xff\x00\xfe\x80\x81", "UTF-8"),
        (b"language = ja\n", "1行目"),
        (b"#" * 1_000_001, "大きすぎます"),
    ],
)
def test_a_settings_file_that_cannot_be_read_says_in_japanese_what_to_mend(
    kairanban: Terminal, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "kairanban.toml").write_bytes(content)
    assert said in sentence(kairanban("check", anywhere=True))


def test_the_mark_that_notepad_puts_before_a_settings_file_does_no_harm(kairanban: Terminal, tmp_path: Path) -> None:
    (tmp_path / "kairanban.toml").write_text("language = 'ja'\n", encoding="utf-8-sig")
    ran = kairanban("check", anywhere=True)
    assert ran.code == 1
    assert "接続先がありません" in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--settings", "."),
        ("survey", "check", "nowhere.toml"),
        ("survey", "check", "."),
        ("roster", "import", "nowhere.csv", "--folder", "."),
        ("jma", "draft", "nowhere.xml"),
        ("new-adapter", "Pigeon", "x"),
        ("new-adapter", "line", "x"),
        ("broadcast", "list", "--folder", "nowhere"),
        ("frobnicate",),
        ("roster", "import"),
        ("roster", "--nonsense"),
        ("survey", "tables", "three"),
        ("broadcast", "status", "1", "2", "3"),
        ("broadcast", "send", "--by"),
        ("trial", "--months", "0"),
        ("trial", "--start", "2023-02-30"),
    ],
)
def test_a_slip_at_the_command_line_is_answered_in_japanese_first(kairanban: Terminal, words: tuple[str, ...]) -> None:
    said = sentence(kairanban(*words, anywhere=True))
    assert said.startswith(JAPANESE)
    after = said.partition(":")[2]
    assert any("\u3040" <= letter <= "\u9fff" for letter in after.partition(" / ")[0]), said


def test_a_folder_that_is_a_slip_is_not_made(kairanban: Terminal, tmp_path: Path) -> None:
    for words in (("survey", "list"), ("survey", "tables", "1"), ("survey", "export", "1"), ("roster", "addresses")):
        sentence(kairanban(*words, "--folder", "typo", anywhere=True))
    assert list(tmp_path.iterdir()) == []


def test_the_version_can_be_asked_for(kairanban: Terminal, tmp_path: Path) -> None:
    ran = kairanban("--version", anywhere=True)
    assert ran.code == 0
    assert ran.out.startswith("kairanban ")
    assert "SQLite" in ran.out


def test_a_variable_of_the_environment_that_is_no_list_is_a_sentence(
    kairanban: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAIRANBAN_JMA__AREAS", "龍ケ崎市")
    assert sentence(kairanban("check", anywhere=True)).startswith(JAPANESE)
