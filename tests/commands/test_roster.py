"""`kairanban roster` and `kairanban audit`, from the file on the desk to the chain of who did what."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import members
from tests.commands.conftest import Terminal

ROSTER = "\r\n".join(
    (
        "職員番号,氏名,所属,メールアドレス",
        "000101,髙橋 一郎,総務部/総務課,ichiro@example.lg.jp",
        "000102,鈴木 花子,総務部/人事課,",
        "",
    )
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "名簿.csv"
    path.write_bytes(ROSTER.encode("cp932"))
    return path


def staff(kairanban: Terminal) -> int:
    async def count(db: AsyncConnection) -> int:
        return (await db.scalar(select(func.count()).where(members.c.active))) or 0

    return kairanban.database(count)


def test_a_dry_run_shows_the_difference_and_changes_nothing(kairanban: Terminal, file: Path) -> None:
    said = kairanban("roster", "import", file, "--dry-run")
    assert said.code == 0
    assert "加わる人: 2 人" in said.out
    assert "000101 髙橋 一郎" in said.out
    assert staff(kairanban) == 0


def test_an_import_asks_first_and_no_means_no(kairanban: Terminal, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda question, abort: (_ for _ in ()).throw(SystemExit(1)))
    assert kairanban("roster", "import", file).code == 1
    assert staff(kairanban) == 0
    monkeypatch.setattr("typer.confirm", lambda question, abort: True)
    assert "取り込み番号 1" in kairanban("roster", "import", file).out
    assert staff(kairanban) == 2


def test_the_last_import_is_taken_back_once(kairanban: Terminal, file: Path) -> None:
    kairanban("roster", "import", file, "--yes")
    assert "元に戻しました" in kairanban("roster", "undo", "--yes").out
    assert staff(kairanban) == 0
    again = kairanban("roster", "undo", "--yes")
    assert again.code == 2
    assert "元に戻せる取り込みがありません" in again.err


def test_undoing_asks_first_as_well(kairanban: Terminal, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kairanban("roster", "import", file, "--yes")
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question, abort: asked.append(question))
    kairanban("roster", "undo")
    assert asked == ["取り込み 1（名簿.csv）を元に戻しますか？"]


def test_a_broken_row_names_its_line_and_column(kairanban: Terminal, file: Path) -> None:
    file.write_text(ROSTER.replace("000102", ""), encoding="utf-8-sig")
    said = kairanban("roster", "import", file, "--yes")
    assert said.code == 2
    assert "行3・列「職員番号」: 空です。" in said.err
    assert staff(kairanban) == 0


def test_a_file_that_is_not_there_is_said_in_a_sentence(kairanban: Terminal, tmp_path: Path) -> None:
    said = kairanban("roster", "import", tmp_path / "none.csv", "--yes")
    assert said.code == 2
    assert "「none.csv」を開けません" in said.err


def test_a_file_of_which_half_the_staff_would_leave_needs_a_word(kairanban: Terminal, file: Path) -> None:
    kairanban("roster", "import", file, "--yes")
    file.write_text("\r\n".join(ROSTER.split("\r\n")[:2]), encoding="utf-8")
    said = kairanban("roster", "import", file, "--yes")
    assert said.code == 2
    assert "--many-may-leave" in said.out
    assert staff(kairanban) == 2
    assert kairanban("roster", "import", file, "--yes", "--many-may-leave").code == 0
    assert staff(kairanban) == 1
    assert "変わるところはありません" in kairanban("roster", "import", file).out


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_an_export_imports_back_without_a_difference_and_is_audited(
    kairanban: Terminal, file: Path, tmp_path: Path, ending: str
) -> None:
    kairanban("roster", "import", file, "--yes")
    out = tmp_path / f"out{ending}"
    assert "2 件を書き出しました" in kairanban("roster", "export", out).out
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "変わるところはありません" in kairanban("roster", "import", out).out
    listed = kairanban("audit", "list", "--limit", "1").out
    assert "roster.exported" in listed
    assert "os:" in listed
    assert f'"file":"out{ending}"' in listed


def test_an_export_replaces_no_file_unless_told_to(kairanban: Terminal, file: Path, tmp_path: Path) -> None:
    kairanban("roster", "import", file, "--yes")
    out = tmp_path / "out.csv"
    out.write_text("mine")
    said = kairanban("roster", "export", out)
    assert (said.code, out.read_text()) == (2, "mine")
    assert "--overwrite" in said.err
    assert kairanban("roster", "export", out, "--overwrite").code == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(("name", "reason"), [("out.txt", ".csv / .xlsx"), ("none/out.csv", "no folder")])
def test_an_export_says_what_is_wrong_with_the_name(kairanban: Terminal, name: str, reason: str) -> None:
    said = kairanban("roster", "export", name)
    assert said.code == 2
    assert reason in said.err


def test_a_place_without_a_database_is_named(kairanban: Terminal) -> None:
    said = kairanban("roster", "undo", "--yes")
    assert said.code == 2
    assert "--settings" in said.err
    assert not kairanban.folder.exists()


def test_a_file_that_is_no_database_is_said_in_a_sentence(kairanban: Terminal) -> None:
    kairanban.folder.mkdir()
    (kairanban.folder / "kairanban.sqlite3").write_bytes(b"no database, " * 100)
    said = kairanban("audit", "verify")
    assert said.code == 2
    assert "not a database" in said.err


def test_a_missing_word_is_wrong_use(kairanban: Terminal) -> None:
    assert kairanban("roster", "import").code == 2


def test_the_audit_is_sound_until_somebody_changes_it(kairanban: Terminal, file: Path) -> None:
    kairanban("roster", "import", file, "--yes")
    head = kairanban("audit", "head").out.strip()
    assert head.startswith("1:")
    sound = kairanban("audit", "verify", "--head", head)
    assert sound.code == 0
    assert f"末尾：{head}" in sound.out

    async def tamper(db: AsyncConnection) -> None:
        await db.execute(text("DROP TRIGGER IF EXISTS audit_log_no_update"))
        await db.execute(text("UPDATE audit_log SET actor = 'somebody else'"))

    kairanban.database(tamper)
    broken = kairanban("audit", "verify")
    assert broken.code == 1
    assert "1 件目：中身が変えられています。" in broken.out


def test_an_audit_without_a_row_says_so(kairanban: Terminal) -> None:
    staff(kairanban)  # makes the database
    assert "監査記録はまだありません" in kairanban("audit", "head").out
    assert "監査記録はまだありません" in kairanban("audit", "list").out
    assert kairanban("audit", "verify").code == 0


def test_a_noted_head_that_is_none_is_wrong_use(kairanban: Terminal) -> None:
    said = kairanban("audit", "verify", "--head", "abc")
    assert said.code == 2
    assert "--head" in said.err


def test_the_audit_is_listed_by_subject(kairanban: Terminal, file: Path) -> None:
    kairanban("roster", "import", file, "--yes")
    assert "roster.imported" in kairanban("audit", "list", "--subject", "roster:1").out
    assert "roster.imported" not in kairanban("audit", "list", "--subject", "roster:2").out
