"""The paper as page, workbook, JSON and terminal: opened again, and read as their readers would."""

from __future__ import annotations

import io
import re
import zipfile
from html.parser import HTMLParser

import openpyxl
import orjson
import pytest
from rich.console import Console

from bot.texts import Texts
from tests.evaluation.samples import facts, written
from trial.evaluation import wording
from trial.evaluation.facts import Facts
from trial.evaluation.page import render
from trial.evaluation.terminal import print_judgement
from trial.evaluation.workbook import to_xlsx

TEXTS = Texts("trial.evaluation")


class Page(HTMLParser):
    """What a browser would do with the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data.strip())


def cells(book: openpyxl.Workbook) -> list[object]:
    return [cell.value for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]


def test_the_same_facts_give_the_same_bytes() -> None:
    assert render(written()) == render(written())
    assert written().as_json() == written().as_json()
    assert to_xlsx(written()) == to_xlsx(written())


def test_the_page_fetches_nothing_runs_nothing_and_its_links_lead_somewhere() -> None:
    html = render(written())
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "b"}
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = {(attributes.get("href") or "")[1:] for tag, attributes in page.tags if tag == "a"}
    assert targets
    assert targets <= ids
    assert not re.search(r"https?://|@import|url\(", html)
    assert "&lt;b&gt;通知&lt;/b&gt;が来ません" in html


def test_every_table_says_what_it_means_where_it_is_from_and_how_it_came_about() -> None:
    paper = written()
    tables = [table for chapter in paper.chapters for table in chapter.tables]
    page = Page(render(paper))
    assert len({table.key for table in tables}) == len(tables)
    for table in tables:
        assert table.definition
        assert table.source
        assert any(table.definition in said for said in page.said)
    marks = [attributes.get("class") for tag, attributes in page.tags if tag == "span"]
    assert marks.count("tag simulated") > len(tables) / 2
    assert "tag counted" not in marks
    assert {"tag estimated", "tag tariff"} <= set(marks)


def test_a_real_trial_is_not_called_simulated_and_a_rehearsal_always_is() -> None:
    assert "シミュレーション" in render(written())
    real = written(facts(simulated=False, seed=None))
    assert "シミュレーション" not in render(real)
    assert "シミュレーション" not in str(cells(openpyxl.load_workbook(io.BytesIO(to_xlsx(real)))))
    assert orjson.loads(real.as_json())["figures"]["used_share"]["simulated"] is False
    fields = orjson.loads(written().as_json())
    assert fields["simulated"] is True
    assert fields["figures"]["used_share"]["simulated"] is True
    estimate = fields["figures"]["yen_saved"]
    assert (estimate["nature"], estimate["simulated"]) == ("estimated", False)


def test_json_holds_the_judgement_and_every_table_by_name() -> None:
    fields = orjson.loads(written().as_json())
    assert fields["verdicts"] == {"met": 3, "missed": 0, "unknown": 1}
    assert fields["criteria"][0] == {
        "name": "使われた",
        "figure": "used_share",
        "value": 0.75,
        "at_least": 0.75,
        "at_most": None,
        "verdict": "met",
        "reason": "",
        "decided_by": "予行では、設定 [onboarding] の値で決まります。市の試行の結果ではありません。",
    }
    tables = {table["key"]: table for chapter in fields["chapters"] for table in chapter["tables"]}
    saving = tables["saving"]["rows"]
    assert [(row["people"], row["hours"], row["worth"]) for row in saving] == [
        (1142, 50_248, 200_992_000),
        (4, 176, 704_000),
        (2, 88, 352_000),
    ]
    (night,) = [row for row in tables["reach_kinds"]["rows"] if row["kind"] == "緊急"]
    assert (night["recipients"], night["within_1h"], night["until_50"], night["until_95"]) == (4, 0.0, 61, None)
    assert [row["hour"] for row in tables["reach_hours"]["rows"]] == ["2時台", "9時台"]
    muster, safety = tables["replies"]["rows"]
    assert (muster["answered_share"], muster["coming"], muster["answered_50"]) == (0.75, 0.5, 3)
    assert safety["coming"] is None
    assert [row["share_2"] for row in tables["trial-feedback_satisfaction"]["rows"]][3] == pytest.approx(
        2 / 6, abs=1e-4
    )
    assert [row["mean"] for row in tables["trial-feedback_satisfaction_mean"]["rows"]] == [3.5, 4.5]
    assert tables["trial-feedback_comment"]["rows"][0] == {"answer": "速い", "people": 2}
    assert [row["reports"] for row in tables["problem_months"]["rows"]] == [1, 1]
    assert tables["reach_notices"]["rows"][1]["title"].endswith("（取消し）")


def test_fewer_accounts_than_a_cheaper_number_are_noticed() -> None:
    tables = {table.key: table for chapter in written(budget={"accounts": 480}).chapters for table in chapter.tables}
    assert tables["cheaper"].rows[0][1:] == (480, 192_000, 501, 175_350, 16_650)
    assert "cheaper" not in {table.key for chapter in written().chapters for table in chapter.tables}


def test_the_other_reading_of_the_prices_can_be_chosen() -> None:
    figures = {reading: written(reading=reading, budget={"accounts": 501}).figures for reading in ("all", "inside")}
    assert figures["all"]["yen_first_full_year"].value == 12 * 192_885
    assert figures["inside"]["yen_first_full_year"].value == 12 * 220_385


def test_the_workbook_has_a_sheet_a_chapter_numbers_as_numbers_and_native_charts() -> None:
    data = to_xlsx(written())
    book = openpyxl.load_workbook(io.BytesIO(data))
    titles = [chapter.title for chapter in written().chapters]
    assert [name for name in book.sheetnames if not name.endswith("（続き）")] == ["判定", *titles]
    assert {"一斉連絡の到達（続き）", "費用（続き）"} <= set(book.sheetnames)
    assert 200_992_000 in cells(book)
    assert [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"] == []
    assert "=1+1" in cells(book)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        charts = [name for name in archive.namelist() if name.startswith("xl/charts/chart")]
    assert len(charts) == sum(bool(table.charted) for chapter in written().chapters for table in chapter.tables)


def test_a_trial_in_which_nothing_happened_has_papers_too() -> None:
    starts = facts().starts
    empty = written(Facts(simulated=False, seed=None, starts=starts, ends=facts().ends, groups=()))
    assert "この期間の記録はありません" in render(empty)
    assert "取り込まれていません" in render(empty)
    assert cells(openpyxl.load_workbook(io.BytesIO(to_xlsx(empty))))
    assert empty.accounts == 1


def test_the_terminal_shows_each_criterion_with_its_figure_and_bar() -> None:
    console = Console(width=120, file=io.StringIO())
    print_judgement(written(), console)
    output = console.file
    assert isinstance(output, io.StringIO)
    shown = output.getvalue()
    assert re.search(r"使われた +75\.0% +75\.0% 以上 +達成", shown)
    assert re.search(r"訓練 +— +80\.0% 以上 +判定できない", shown)
    assert "架空の人々" in shown


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0.33, "0.33分"), (5, "5分"), (59.6, "1時間00分"), (65, "1時間05分"), (1439, "23時間59分"), (3000, "2日2時間")],
)  # fmt: skip
def test_minutes_are_said_in_units_that_fit(minutes: float, words: str) -> None:
    assert wording.span(minutes, TEXTS) == words


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [(None, "count", "—"), (0.831, "share", "83.1%"), (1142, "count", "1,142"), (44, "hours", "44時間"),
     (4.25, "hours", "4.2時間"), (4.2, "points", "4.20"), (200_992_000, "yen", "200,992,000"), ("x", "count", "x")],
)  # fmt: skip
def test_numbers_are_said_as_people_read_them(value: float | str | None, kind: str, words: str) -> None:
    assert wording.shown(value, kind, TEXTS) == words
