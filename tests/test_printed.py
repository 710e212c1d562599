"""The papers as a division chief holds them: printed by LibreOffice, and looked at."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from bot.texts import Texts
from surveys.crosstab import CrossTally
from surveys.exports.paper import Paper
from surveys.exports.xlsx import to_xlsx
from surveys.importing import read_answers
from surveys.loading import load_definition
from surveys.tabulation import simple
from tests.evaluation.samples import written
from tests.office import Page, printed
from trial.evaluation import workbook

ROOT = Path(__file__).parent
PRINTED = json.loads((ROOT / "surveys" / "attitude-survey-2023.json").read_text(encoding="utf-8"))
BAR, BLUE = (0x44, 0x72, 0xA8), (0x2F, 0x6F, 0x8F)


def survey() -> bytes:
    """The survey of May 2023 with its cross table, as `kairanban survey tables` writes it."""
    definition = load_definition(ROOT.parent / "config" / "surveys" / "attitude-survey-2023.toml")
    sheets = read_answers(ROOT / "surveys" / "data" / "attitude-survey-2023.csv", definition)
    crossing = CrossTally(definition, ("q3", "q6"), "q2")
    crossing.add(sheets)
    paper = Paper(
        title=definition.title,
        day=date(2023, 5, 22),
        respondents=len(sheets),
        tables=simple(definition, sheets),
        crosses=[crossing.table()],
    )
    return to_xlsx(paper, Texts("surveys"))


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Page]]:
    books = {"survey": survey(), "evaluation": workbook.to_xlsx(written())}
    return printed(books, tmp_path_factory.mktemp("printed"))


@pytest.mark.parametrize("name", ["survey", "evaluation"])
def test_every_page_is_a4_numbered_within_its_margins_and_shows_no_cell_as_crosses(
    papers: dict[str, list[Page]], name: str
) -> None:
    pages = papers[name]
    for number, page in enumerate(pages, start=1):
        assert page.is_a4
        assert page.edge_is_white()
        assert "###" not in page.text
        assert f"{number}/{len(pages)}" in page.text.replace(" ", "")


def test_the_survey_is_two_pages_its_questions_with_charts_and_its_cross_table(papers: dict[str, list[Page]]) -> None:
    questions, cross = papers["survey"]
    for question, counts in PRINTED["simple"].items():
        assert question.split()[0] in questions.text
        for label in counts:
            assert label in questions.text
    assert questions.painted(BAR) > 0.02
    assert questions.filled() > 0.6
    assert "カイ二乗" in cross.text
    assert cross.painted(BAR) > 0.005
    assert cross.filled() > 0.6
    for counts in PRINTED["cross"]["cells"].values():
        assert all(skill in cross.text for skill in counts)


def test_the_evaluation_begins_with_the_judgement_and_names_its_chapter_on_every_page(
    papers: dict[str, list[Page]],
) -> None:
    first, *others = papers["evaluation"]
    assert "達成" in first.text
    assert "シミュレーション" in first.text
    titles = [chapter.title for chapter in written().chapters]
    for page in others:
        assert any(title in page.text for title in [*titles, "ビジネスチャット試行"])
    assert sum(page.painted(BLUE) > 0.01 for page in others) >= 3
    assert len(papers["evaluation"]) <= 20
