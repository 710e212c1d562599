"""`kairanban trial import-counts` and `import-traits`, and the evaluation that they are for."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import directory, usage
from bot.audit import audit_log
from bot.usage import member_traits
from tests.commands.conftest import Terminal

COUNTS = """日付,利用者,ルーム,最大のルーム,1対1,メッセージ,ファイル,使った人
2023-07-31,225,12,225,310,"10,735",3,200
2023/8/31,225,14,225,320,21000,5,210
"""
TRAITS = """職員番号,氏名,所属,年代,機器の操作,端末
0001,青木 花子,総務課,40代,十分使いこなせている,職場のPC
0002,井上 次郎,福祉課,２０代,,職場のPC
"""


@pytest.fixture
def city(kairanban: Terminal) -> Terminal:
    async def hire(db: AsyncConnection) -> None:
        people = [directory.Entry("0001", "青木 花子", "総務課"), directory.Entry("0002", "井上 次郎", "福祉課")]
        await directory.save(db, people)

    kairanban.database(hire)
    return kairanban


def snapshots(city: Terminal) -> list[tuple[str, str, str, int]]:
    async def look(db: AsyncConnection) -> list[tuple[str, str, str, int]]:
        return [(f"{at:%Y-%m-%d %H}", source, key, value) for at, source, key, value in await usage.snapshots(db)]

    return city.database(look)


def traits(city: Terminal) -> set[tuple[int, str, str]]:
    async def look(db: AsyncConnection) -> set[tuple[int, str, str]]:
        return {(row.member_id, row.trait, row.value) for row in await db.execute(select(member_traits))}

    return city.database(look)


def written(tmp_path: Path, text: str, encoding: str = "utf-8-sig") -> Path:
    file = tmp_path / "file.csv"
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
def test_counts_of_the_service_are_imported_and_evaluated(city: Terminal, tmp_path: Path, encoding: str) -> None:
    file = written(tmp_path, COUNTS, encoding)
    checked = city("trial", "import-counts", file, "--dry-run")
    assert "2023-07-31：利用者 225、ルーム 12" in checked.out
    assert "使った人 200" in checked.out
    assert "取り込んでいません" in checked.out
    assert snapshots(city) == []
    done = city("trial", "import-counts", file, "--source", "logochat")
    assert done.code == 0
    assert "2日分" in done.out
    found = snapshots(city)
    assert len(found) == 14
    assert ("2023-07-31 15", "logochat", "messages", 10_735) in found  # midnight in Japan, which closes the day
    assert ("2023-08-31 15", "logochat", "active:2023-08", 210) in found
    assert city("trial", "import-counts", file, "--source", "logochat").code == 0
    assert len(snapshots(city)) == 14
    assert city("trial", "evaluate", "--out", tmp_path / "out").code == 0
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["simulated"] is False
    tables = {table["key"]: table for chapter in evaluation["chapters"] for table in chapter["tables"]}
    assert 21_000 in {value for row in tables["usage"]["rows"] for value in row.values()}


def test_groups_of_people_are_imported_and_the_roster_keeps_departments(city: Terminal, tmp_path: Path) -> None:
    file = written(tmp_path, TRAITS)
    assert "年代：2名（20代 1、40代 1）" in city("trial", "import-traits", file, "--dry-run").out
    assert traits(city) == set()
    assert city("trial", "import-traits", file).code == 0
    assert {(trait, value) for _, trait, value in traits(city)} == {
        ("age", "40代"),
        ("age", "20代"),
        ("skill", "十分使いこなせている"),
        ("device", "職場のPC"),
    }
    again = written(tmp_path, "職員番号,年代\n0002,30代\n")
    assert city("trial", "import-traits", again).code == 0
    assert len(traits(city)) == 5

    async def noted(db: AsyncConnection) -> list[str]:
        return list(await db.scalars(select(audit_log.c.action).where(audit_log.c.action == "usage.traits")))

    assert len(city.database(noted)) == 2


def test_a_workbook_is_read_as_well(city: Terminal, tmp_path: Path) -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in (["code", "age"], ["0001", "50代"]):
        book.active.append(line)
    book.save(out)
    file = tmp_path / "traits.xlsx"
    file.write_bytes(out.getvalue())
    assert city("trial", "import-traits", file).code == 0
    assert {value for _, _, value in traits(city)} == {"50代"}


def test_people_who_are_not_in_the_roster_are_named_or_passed_over(city: Terminal, tmp_path: Path) -> None:
    file = written(tmp_path, "職員番号,年代\n0001,40代\n0009,30代\n")
    refused = city("trial", "import-traits", file)
    assert refused.code == 2
    assert "3行目「職員番号」：職員番号「0009」は名簿にありません" in refused.err
    assert traits(city) == set()
    passed = city("trial", "import-traits", file, "--skip-unknown")
    assert "1名は飛ばします" in passed.out
    assert {value for _, _, value in traits(city)} == {"40代"}


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        ("counts", "日付,メッセージ\nきのう,5\n", "2行目「日付」：「きのう」は日付ではありません"),
        ("counts", "日付,メッセージ\n2023-02-30,5\n", "2行目「日付」：「2023-02-30」は日付ではありません"),
        ("counts", "日付,メッセージ\n2023-07-31,-5\n", "2行目「メッセージ」：「-5」は0以上の整数ではありません"),
        ("counts", "日付,メッセージ\n2023-07-31,5\n2023-07-31,6\n", "3行目「日付」：「2023-07-31」が二度あります"),
        ("counts", "日付,天気\n2023-07-31,5\n", "1行目「天気」：知らない見出しです"),
        ("counts", "メッセージ,ファイル\n5,6\n", "1行目「日付」：見出しが足りません"),
        ("counts", "日付,メッセージ\n", "取り込めるものがありません"),
        ("counts", "", "見出しが足りません"),
        ("traits", "職員番号,年代,年代\n0001,40代,50代\n", "1行目「年代」：「年代」が二度あります"),
        ("traits", "職員番号,年代\n0001,40代\n0001,50代\n", "3行目「職員番号」：「0001」が二度あります"),
        ("traits", "職員番号,年代\n,40代\n", "2行目「職員番号」：職員番号がありません"),
        ("traits", f"職員番号,年代\n0001,{'4' * 41}\n", "2行目「年代」：40字までにしてください"),
        ("traits", "職員番号,年代\n" + "x,1\n" * 60, "ほかに"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column_and_nothing_is_stored(
    city: Terminal, tmp_path: Path, command: str, text: str, said: str
) -> None:
    refused = city("trial", f"import-{command}", written(tmp_path, text))
    assert refused.code == 2
    assert said in refused.err
    assert snapshots(city) == []
    assert traits(city) == set()


def test_a_file_that_is_not_there_and_a_name_that_is_taken_are_refused(city: Terminal, tmp_path: Path) -> None:
    assert "読めません" in city("trial", "import-counts", tmp_path / "none.csv").err
    file = written(tmp_path, COUNTS)
    assert "choose another --source" in city("trial", "import-counts", file, "--source", "rehearsal").err
