"""`kairanban survey …`: from files to tables, as somebody at a terminal would do it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from bot import directory
from bot.errors import KairanbanError
from bot.storage import Database
from config import migrate
from config.commands.survey import app
from tests.surveys.conftest import POLL

ROOT = Path(__file__).parent.parent.parent
DEFINITION = ROOT / "config" / "surveys" / "attitude-survey-2023.toml"
ANSWERS = Path(__file__).parent / "data" / "attitude-survey-2023.csv"
PRINTED: dict[str, Any] = json.loads((Path(__file__).parent / "attitude-survey-2023.json").read_text(encoding="utf-8"))

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Result:
        command = [*map(str, arguments)]
        if command[0] != "check":
            command += ["--folder", str(tmp_path / "data")]
        return CliRunner().invoke(app, command, catch_exceptions=True)

    return call


@pytest.fixture
def imported(run: Run) -> str:
    result = run("import", "--definition", DEFINITION, "--answers", ANSWERS, "--collected", "2023-05-22")
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_an_import_prints_the_id_and_the_tables_are_those_that_were_printed(run: Run, imported: str) -> None:
    assert imported == "1"
    found = json.loads(run("tables", imported, "--format", "json").stdout)
    assert (found["title"], found["date"]) == (PRINTED["title"], PRINTED["collected"])
    assert found["respondents"] == PRINTED["respondents"]
    assert {
        table["question"]: {row["label"]: row["count"] for row in table["counts"]} for table in found["simple"]
    } == PRINTED["simple"]
    assert {table["key"]: table["blank"] for table in found["simple"] if table["blank"]} == {"q2": 1, "q3": 1}
    by_key = {table["key"]: table for table in found["simple"]}
    assert by_key["q3"]["counts"][0]["share"] == pytest.approx(132 / 224)
    assert json.loads(run("tables", imported, "--rows", "q3", "--blanks", "--format", "json").stdout)["simple"][0][
        "counts"
    ][0]["share"] == pytest.approx(132 / 225)


@pytest.mark.parametrize(
    "rows", [("--rows", "Q3", "Q6"), ("--rows", "q3", "--rows", "q6"), ("--rows", "Q3 性別", "--rows", "Q6 スマホ")]
)
def test_a_cross_table_has_every_cell_that_was_printed(run: Run, imported: str, rows: tuple[str, ...]) -> None:
    [crossed] = json.loads(run("tables", imported, *rows, "--columns", "Q2", "--format", "json").stdout)["cross"]
    cells: dict[str, dict[str, list[int]]] = {}
    for line in crossed["lines"]:
        sex, skill = line["labels"]
        cells.setdefault(sex, {})[skill] = line["counts"]
    assert cells == PRINTED["cross"]["cells"]
    assert crossed["columns"]["labels"] == PRINTED["cross"]["column_values"]
    assert crossed["total"]["total"] == 224
    assert crossed["degrees_of_freedom"] == 48
    assert crossed["chi_square"] == pytest.approx(93.004, abs=1e-3)
    assert crossed["cramers_v"] == pytest.approx(0.322, abs=1e-3)
    assert crossed["p"] < 0.001
    assert crossed["low_expected"]


def test_with_blanks_the_cross_table_counts_everybody(run: Run, imported: str) -> None:
    command = ("tables", imported, "--rows", "q3", "--columns", "q2", "--blanks", "--format", "json")
    [crossed] = json.loads(run(*command).stdout)["cross"]
    assert crossed["total"]["total"] == 225
    assert crossed["lines"][-1]["values"] == [""]
    assert crossed["lines"][-1]["counts"] == [0, 0, 0, 0, 0, 1]


def test_the_tables_can_be_read_on_the_terminal(run: Run, imported: str, tmp_path: Path) -> None:
    shown = run("tables", imported, "--rows", "q3", "--columns", "q2").stdout
    for part in ("回答数: 225", "未回答", "58.9%", "自由度 8", "クラメールのV"):
        assert part in shown
    assert run("tables", imported, "--rows", "q3", "--out", tmp_path / "t.txt").exit_code == 0
    assert "58.9%" in (tmp_path / "t.txt").read_text(encoding="utf-8")


def test_every_form_can_be_written_to_a_file(run: Run, imported: str, tmp_path: Path) -> None:
    for form in ("csv", "xlsx", "html", "json"):
        assert run("tables", imported, "--format", form, "--out", tmp_path / f"t.{form}").exit_code == 0
    assert ["男", "132", "0.5893"] in list(csv.reader(io.StringIO((tmp_path / "t.csv").read_text("utf-8-sig"))))
    assert openpyxl.load_workbook(tmp_path / "t.xlsx").sheetnames == ["単純集計"]
    assert "58.9%" in (tmp_path / "t.html").read_text(encoding="utf-8")
    run("tables", imported, "--format", "csv", "--encoding", "cp932", "--out", tmp_path / "t.csv")
    assert "回答数" in (tmp_path / "t.csv").read_text("cp932")


def test_the_answers_themselves_come_out_as_they_went_in(run: Run, imported: str, tmp_path: Path) -> None:
    assert run("export", imported, "--out", tmp_path / "answers.csv").exit_code == 0
    assert run("import", "--definition", DEFINITION, "--answers", tmp_path / "answers.csv").stdout.strip() == "2"
    one, two = (json.loads(run("tables", number, "--format", "json").stdout)["simple"] for number in ("1", "2"))
    assert one == two


def test_surveys_are_listed_and_definitions_explained(run: Run, imported: str) -> None:
    listed = run("list").stdout
    assert "attitude-survey-2023" in listed
    assert "closed" in listed
    checked = run("check", DEFINITION).stdout
    assert "スマホやタブレット等" in checked


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (("tables", "9"), "There is no survey 9"),
        (("tables", "1", "--rows", "q9"), "There is no question 'q9'; there are: q1, q2"),
        (("tables", "1", "--rows", "q"), "'q' may mean q1 or q2"),
        (("tables", "1", "--columns", "q1"), "at least two questions"),
        (("tables", "1", "--format", "xlsx"), "--out FILE"),
        (("tables", "1", "--format", "csv", "--out", "none/t.csv"), "cannot be written"),
        (("import", "--definition", "none.toml", "--answers", "a.csv"), "cannot be read"),
        (("export", "7"), "There is no survey 7"),
    ],
)
def test_what_cannot_be_done_says_why(run: Run, imported: str, command: tuple[str, ...], error: str) -> None:
    result = run(*command)
    assert isinstance(result.exception, KairanbanError)
    assert error in str(result.exception)


def test_a_folder_that_is_a_file_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["list", "--folder", str(tmp_path / "file")])
    assert isinstance(result.exception, KairanbanError)
    assert "がありません" in str(result.exception)


def test_single_answers_of_a_survey_with_hidden_counts_stay_where_they_are(run: Run, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden.toml"
    hidden.write_text(
        DEFINITION.read_text(encoding="utf-8").replace("smallest_cell = 1", "smallest_cell = 5"), encoding="utf-8"
    )
    run("import", "--definition", hidden, "--answers", ANSWERS)
    result = run("export", "1")
    assert "single answers" in str(result.exception)
    [crossed] = json.loads(run("tables", "1", "--rows", "q3", "--columns", "q2", "--format", "json").stdout)["cross"]
    assert crossed["hidden"]
    assert crossed["chi_square"] is None


def test_words_are_counted_and_people_masked_on_request(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(POLL.format(anonymity="anonymous", smallest=1), encoding="utf-8")
    lines = ["used,why,feel,comment", "1,,5,業務チャットは田中さんも使える", "2,,4,業務チャットが速い"]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    run("import", "--definition", tmp_path / "d.toml", "--answers", tmp_path / "a.csv")
    [plain] = json.loads(run("tables", "1", "--rows", "comment", "--format", "json").stdout)["simple"]
    assert "業務チャットは田中さんも使える" in plain["words"]
    assert plain["frequent"] == []
    command = ("tables", "1", "--rows", "comment", "--words", "--mask", "--format", "json")
    [masked] = json.loads(run(*command).stdout)["simple"]
    assert "業務チャットは○○さんも使える" in masked["words"]
    assert masked["frequent"][0] == {"word": "業務チャット", "texts": 2}
    assert "田中" not in run("tables", "1", "--words", "--mask").stdout


def test_months_of_one_questionnaire_stand_side_by_side(run: Run, imported: str, tmp_path: Path) -> None:
    assert "takes two" in str(run("months", "attitude-survey-2023").exception)
    run("import", "--definition", DEFINITION, "--answers", ANSWERS, "--collected", "2023-06-22")
    shown = run("months", "attitude-survey-2023", "--question", "q3").stdout
    assert "2023-05 割合" in shown
    assert "差があるとは言えない" in shown
    [trend] = json.loads(run("months", "attitude-survey-2023", "--question", "q3", "--format", "json").stdout)["trends"]
    assert trend["lines"][0]["change"] == 0
    for form in ("csv", "xlsx", "html"):
        assert run("months", "attitude-survey-2023", "--format", form, "--out", tmp_path / f"m.{form}").exit_code == 0


def test_a_survey_is_reserved_listed_and_called_off_on_the_command_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    asyncio.run(staff(tmp_path / "data"))
    definition = tmp_path / "poll.toml"
    definition.write_text('opens = "毎月20日 09:00"\n' + POLL.format(anonymity="confidential", smallest=5), "utf-8")
    added = run("schedule", "add", definition, "--owner", "0001")
    assert added.exit_code == 0, added.output
    assert "予約 1「試行アンケート」毎月20日 09:00、次は" in added.stdout
    assert "対象：全職員、締切：始めてから7日後" in added.stdout
    twice = run("schedule", "add", definition, "--owner", "0001", "--when", "平日 08:30 @総務課 締切 3日")
    assert "平日 08:30" in twice.stdout
    listed = run("schedule", "list").stdout
    assert "予約 1" in listed
    assert "予約 2" in listed
    assert "取り消しました" in run("schedule", "cancel", "2").stdout
    assert "予約 2" not in run("schedule", "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cancel", "7"), "予約 7 はありません"),
        (("add", DEFINITION, "--owner", "0001"), "予約の日時を読み取れませんでした"),
        (("add", DEFINITION, "--owner", "0009", "--when", "毎月1日 09:00"), "has the number '0009'"),
        (("add", DEFINITION, "--owner", "0001", "--when", "毎月1日 09:00 @観光部"), "観光部"),
    ],
)
def test_a_reservation_that_cannot_be_is_explained(
    run: Run, tmp_path: Path, words: tuple[str | Path, ...], said: str
) -> None:
    (tmp_path / "data").mkdir()
    asyncio.run(staff(tmp_path / "data"))
    result = run("schedule", *words)
    assert isinstance(result.exception, KairanbanError)
    assert said in str(result.exception)


async def staff(folder: Path) -> None:
    """Two people in the database of the folder."""
    database = Database.open(f"sqlite+aiosqlite:///{folder / 'kairanban.sqlite3'}", durability="process")
    await migrate.upgrade(database)
    async with database.transaction() as db:
        people = [directory.Entry("0001", "青木 花子", "総務課"), directory.Entry("0002", "井上 次郎", "福祉課")]
        await directory.save(db, people)
    await database.close()
