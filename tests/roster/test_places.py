"""What personnel's files look like: departments in one cell, merged cells, a sheet a bureau, titles alone, twins."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import xlsxwriter

from bot.errors import Refused
from bot.roster import BrokenRoster, describe, describe_problems, plan, read, read_file
from bot.roster.places import combined, parted, written
from bot.roster.ranks import rank_of
from bot.storage import Database
from bot.texts import Texts
from broadcasts.audience import select_members
from broadcasts.naming import named
from tests.roster.conftest import Importer

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("健康スポーツ部 スポーツ課", "健康スポーツ部|スポーツ課"),
        ("土木部土木課", "土木部|土木課"),
        ("福祉部　高齢福祉課", "福祉部|高齢福祉課"),
        ("福祉部　高齢福祉課　介護保険係", "福祉部|高齢福祉課|介護保険係"),
        ("総務部総務課庶務係", "総務部|総務課|庶務係"),
        ("福祉部高齢福祉課 介護係", "福祉部|高齢福祉課|介護係"),
        ("教育委員会事務局学校教育課", "教育委員会事務局|学校教育課"),
        ("土木部→土木課", "土木部|土木課"),
        ("土木部 ⇒ 土木課 > 維持係", "土木部|土木課|維持係"),
        ("土木部｜土木課", "土木部|土木課"),
        ("土木部->土木課", "土木部|土木課"),
        ("税務課収納係", "税務課|収納係"),
        ("総務部部長室", "総務部|部長室"),
        ("内部統制課", "内部統制課"),
        ("北部農政課", "北部農政課"),
        ("都市計画課北部整備係", "都市計画課|北部整備係"),
        ("部活動推進課", "部活動推進課"),
        ("資産課税課", "資産課税課"),
        ("市民税課課税係", "市民税課|課税係"),
        ("行政課題対策室", "行政課題対策室"),
        ("薬局指導係", "薬局指導係"),
        ("DX 推進室", "DX 推進室"),
        ("市民課 （本庁）", "市民課 （本庁）"),
        ("総務課", "総務課"),
        ("", ""),
    ],
)
def test_a_department_in_one_cell_is_read_level_by_level(cell: str, path: str) -> None:
    found = parted(cell)
    assert "|".join(found) == path
    assert parted(written(found)) == found


def test_cells_of_levels_are_joined_without_repeating_what_is_above() -> None:
    assert combined("総務部総務課", ["庶務係"], from_the_top=False) == ("総務部", "総務課", "庶務係")
    assert combined("", ["総務部", "総務部総務課", "総務課庶務係"], from_the_top=True) == ("総務部", "総務課", "庶務係")
    assert combined("", ["総務部", "総務部"], from_the_top=True) == ("総務部",)
    assert combined("総務課 庶務係", ["総務部", "総務課"], from_the_top=True) == ("総務部", "総務課")
    assert combined("総務部 総務課", ["総務課", "庶務係"], from_the_top=False) == ("総務部", "総務課", "庶務係")


def test_bureau_division_section_unit_and_team_are_five_levels() -> None:
    data = "職員番号,氏名,局,部,課,係,班\n1,青木,都市局,土木部,土木課,維持係,第1班\n".encode()
    assert read(data, "名簿").people[0].department == ("都市局", "土木部", "土木課", "維持係", "第1班")


def test_a_section_column_beside_a_column_of_units_is_one_path() -> None:
    data = "職員番号,氏名,部課名,係名\n1,青木,土木部　土木課,維持係\n2,井上,土木部土木課,\n".encode()
    assert [person.department for person in read(data, "名簿").people] == [
        ("土木部", "土木課", "維持係"),
        ("土木部", "土木課"),
    ]


# ------------------------------------------------------------------ sheets


def book(*sheets: tuple[str, str], hidden: str = "", merged: str = "") -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as made:
        for name, text in sheets:
            sheet = made.add_worksheet(name)
            for row, line in enumerate(text.strip().split("\n")):
                for column, cell in enumerate(line.split(",")):
                    sheet.write_string(row, column, cell)
            if name == hidden:
                sheet.hide()
            else:
                sheet.activate()
                sheet.set_first_sheet()
            if merged:
                sheet.merge_range(merged, text.strip().split("\n")[1].split(",")[2])
    return buffer.getvalue()


def test_everybody_of_a_merged_bureau_belongs_to_it() -> None:
    people = read_file(CASES / "merged.xlsx").people
    assert ["/".join(person.department) for person in people] == [
        "総務部/総務課",
        "総務部/総務課",
        "総務部/財政課",
        "福祉部/福祉課",
        "福祉部/福祉課",
    ]


def test_a_merged_cell_of_the_only_column_fills_its_rows() -> None:
    data = book(("名簿", "職員番号,氏名,所属\n1,青木,土木部土木課\n2,井上,\n3,上田,"), merged="C2:C4")
    assert {person.department for person in read(data, "名簿").people} == {("土木部", "土木課")}


def test_merged_cells_saved_as_csv_are_filled_and_said() -> None:
    data = "職員番号,氏名,部,課\n1,青木,総務部,総務課\n2,井上,,財政課\n3,上田,福祉部,福祉課\n4,江川,,福祉課\n".encode()
    roster = read(data, "名簿")
    assert [person.department[0] for person in roster.people] == ["総務部", "総務部", "福祉部", "福祉部"]
    assert [(remark.key, remark.items) for remark in roster.remarks] == [("roster.remark.filled_down", ("3", "5"))]


def test_a_section_that_stands_under_no_bureau_is_asked_about() -> None:
    data = "職員番号,氏名,部,課\n1,青木,総務部,総務課\n2,井上,総務部,財政課\n3,上田,,会計課\n".encode()
    roster = read(data, "名簿")
    assert roster.people[2].department == ("会計課",)
    assert [(remark.key, remark.items) for remark in roster.remarks] == [("roster.remark.blank_above", ("4",))]


def test_the_visible_sheet_is_read_and_the_hidden_one_named() -> None:
    roster = read_file(CASES / "roster_hidden_first.xlsx")
    assert [person.code for person in roster.people] == ["000101"]
    assert roster.unread == ("旧名簿",)
    assert read_file(CASES / "roster_hidden_first.xlsx", sheet="旧名簿").people[0].code == "000999"


def test_a_sheet_a_bureau_is_one_roster() -> None:
    rows = ("職員番号,氏名,課\n1,青木,総務課\n2,井上,財政課", "職員番号,氏名,課\n3,上田,福祉課")
    roster = read(book(("総務部", rows[0]), ("福祉部", rows[1]), ("メモ", "あ")), "名簿.xlsx")
    assert ["/".join(person.department) for person in roster.people] == [
        "総務部/総務課",
        "総務部/財政課",
        "福祉部/福祉課",
    ]
    assert roster.sheets == (("総務部", 2), ("福祉部", 1))
    assert roster.unread == ("メモ",)


def test_a_sheet_a_bureau_needs_no_column_of_departments() -> None:
    roster = read(book(("総務部", "職員番号,氏名\n1,青木"), ("福祉部", "職員番号,氏名\n3,上田")), "名簿.xlsx")
    assert [person.department for person in roster.people] == [("総務部",), ("福祉部",)]


def test_a_problem_on_one_of_several_sheets_names_it() -> None:
    data = book(("総務部", "職員番号,氏名,課\n1,青木,総務課"), ("福祉部", "職員番号,氏名,課\n2,,福祉課"))
    with pytest.raises(BrokenRoster) as caught:
        read(data, "名簿.xlsx")
    assert "シート「福祉部」行2・列「氏名」" in describe_problems(caught.value, Texts("bot.roster"))[1]


@pytest.mark.parametrize(
    "second", [("名簿(2)", "職員番号,氏名,課\n1,青木,税務課"), ("旧名簿", "職員番号,氏名,課\n9,上田,福祉課")]
)
def test_of_two_sheets_that_may_be_the_roster_people_are_asked_which(second: tuple[str, str]) -> None:
    data = book(("名簿", "職員番号,氏名,課\n1,青木,総務課"), second)
    with pytest.raises(Refused, match=r"roster\.which_sheet"):
        read(data, "名簿.xlsx")
    assert read(data, "名簿.xlsx", sheet="名簿").people[0].department == ("総務課",)


# ------------------------------------------------------------------- titles


def test_usual_titles_stand_in_their_usual_order() -> None:
    order = ["局長", "部長", "次長", "参事", "課長", "副参事", "室長", "課長補佐"]
    order += ["係長", "主査", "主任", "主事", "主事補", "会計年度任用職員"]
    ranks = [rank_of(title) for title in order]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(order)


@pytest.mark.parametrize(
    ("title", "like"),
    [
        ("総務課長", "課長"),
        ("総務部長（兼）総務課長", "部長"),
        ("危機管理監兼総務部長", "危機管理監"),
        ("税務課長補佐", "課長補佐"),
        ("主幹（課長級）", "課長"),
        ("主幹(兼)係長", "主幹"),
        ("課長心得", "課長"),
        ("部長級", "部長"),
        ("課 長", "課長"),
        ("主任保健師", "主任"),
        ("センター長", "センター長"),
        ("ｾﾝﾀｰ長", "センター長"),
        ("消防司令補", "係長"),
        ("議会事務局長", "局長"),
        ("副所長", "課長補佐"),
    ],
)
def test_a_title_stands_with_its_like(title: str, like: str) -> None:
    assert rank_of(title) == rank_of(like) > 0


def test_an_unknown_title_has_no_rank() -> None:
    assert rank_of("ゆるキャラ") == rank_of("") == 0


async def test_heads_of_divisions_are_among_those_above_heads_of_sections(
    database: Database, bring_in: Importer
) -> None:
    titles = ["部長", "次長", "総務課長", "課長", "課長補佐", "係長", "主事", "ゆるキャラ", ""]
    lines = [f"{number},職員{number},総務課,{title}" for number, title in enumerate(titles, 1)]
    intended = await bring_in("\n".join(["職員番号,氏名,所属,役職", *lines]))
    said = describe(intended, Texts("bot.roster"))
    assert "  80: 部長（1 人）" in said
    assert "  ゆるキャラ（1 人）" in said
    async with database.snapshot() as db:
        assert len((await db.execute(select_members(await named(db, ["課長以上"])))).all()) == 4


async def test_a_house_with_ranks_of_its_own_keeps_its_scale(database: Database, bring_in: Importer) -> None:
    await bring_in("職員番号,氏名,所属,役職,職位\n1,青木,総務課,課長,6\n2,井上,総務課,係長,4\n3,上田,総務課,主事,1\n")
    later = await bring_in("職員番号,氏名,所属,役職\n1,青木,総務課,課長\n2,井上,総務課,課長\n3,上田,総務課,園長\n")
    assert {change.person.code: change.person.rank for change in later.changes} == {"2": 6, "3": 0}


# -------------------------------------------------------------------- twins


async def test_names_that_look_the_same_are_one_department_and_it_is_said(database: Database) -> None:
    async with database.snapshot() as db:
        intended = await plan(db, read_file(CASES / "roster_twins.csv"))
    assert ["/".join(path) for path in intended.departments_made] == [
        "危機管理部",
        "危機管理部/危機管理課",
        "総務部",
        "総務部/総務課",
        "ＤＸ推進部",
        "ＤＸ推進部/情報課",
        "統括部か\u3099",
        "統括部か\u3099/総務課",
    ]
    assert "  「DX推進部」→「ＤＸ推進部」" in describe(intended, Texts("bot.roster"))


async def test_other_blanks_and_unseen_characters_are_no_change(database: Database, bring_in: Importer) -> None:
    await bring_in("職員番号,氏名,所属,役職\n1,青木 一郎,総務部　総務課,課長\n")
    other = "職員番号,氏名,所属,役職\n1,青木　一郎\u200b,総務部 総務\ufeff課,課 長\n"
    async with database.snapshot() as db:
        assert (await plan(db, read(other.encode(), "名簿"))).empty


async def test_departments_that_only_look_the_same_are_told(database: Database) -> None:
    text = "職員番号,氏名,所属\n1,青木,エネルギー課\n2,井上,工ネルギー課\n"
    async with database.snapshot() as db:
        intended = await plan(db, read(text.encode(), "名簿"))
    assert "  「エネルギー課」 / 「工ネルギー課」" in describe(intended, Texts("bot.roster"))


async def test_a_role_is_limited_to_a_department_however_it_is_spelt(database: Database, bring_in: Importer) -> None:
    await bring_in("職員番号,氏名,所属,権限\n1,青木,ＤＸ推進部/情報課,承認者@DX推進部/情報課\n")
    async with database.snapshot() as db:
        text = "職員番号,氏名,所属,権限\n1,青木,ＤＸ推進部/情報課,承認者@情報課\n"
        assert (await plan(db, read(text.encode(), "名簿"))).empty


# --------------------------------------------------------------------- mail


def test_addresses_that_no_mail_reaches_are_named_by_row_and_column() -> None:
    with pytest.raises(BrokenRoster) as caught:
        read_file(CASES / "roster_mail.csv")
    assert [(problem.row, problem.column) for problem in caught.value.problems] == [
        (row, "メール") for row in range(2, 9)
    ]
    said = describe_problems(caught.value, Texts("bot.roster"))
    assert said[1].startswith("行2・列「メール」: 「<aoki@city.example.jp>」には、どのメールサーバーも届けられません。")


def test_an_address_in_a_column_of_the_mail_platform_is_no_other() -> None:
    text = (
        "職員番号,氏名,所属,連絡先:mail\n1,青木,総務課,a@b@city.example.jp\n2,井上,総務課,ｉｎｏｕｅ＠city.example.jp\n"
    )
    with pytest.raises(BrokenRoster) as caught:
        read(text.encode(), "名簿")
    assert [(problem.row, problem.values["why"]) for problem in caught.value.problems] == [(2, "two_at")]


async def test_a_role_that_is_left_with_nobody_below_it_is_said(database: Database, bring_in: Importer) -> None:
    await bring_in("職員番号,氏名,所属,権限\n1,青木,旧課,承認者@旧課\n2,井上,総務課,\n")
    async with database.snapshot() as db:
        intended = await plan(db, read("職員番号,氏名,所属\n1,青木,新課\n2,井上,総務課\n".encode(), "名簿"))
    assert "  1 青木: approver@旧課" in describe(intended, Texts("bot.roster"))


def test_a_department_that_repeats_its_words_is_one_name_as_it_was_written() -> None:
    assert parted("あ,  あ, あ") == ("あ,  あ, あ",)
    assert len(parted("あ, " * 40)) == 1
