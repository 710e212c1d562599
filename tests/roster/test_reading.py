"""Reading a roster: every encoding and form that personnel sections use, and every place that must be mended."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.workbook.protection import WorkbookProtection

from bot.errors import Refused
from bot.office import limits
from bot.roster import BrokenRoster, Problem, read, read_file, reading
from bot.roster.cells import harden, soften

HEADINGS = "職員番号,氏名,フリガナ,所属,役職"
ROW = "0012,髙橋 № 一郎,ﾀｶﾊｼ ｲﾁﾛｳ,総務部/総務課/第①係,Ⅱ種主任"


def csv(*rows: str) -> bytes:
    return "\r\n".join(rows).encode()


def xlsx(*rows: list[Any], change: Callable[[Any], None] = lambda sheet: None) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    change(sheet)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def problems(data: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(BrokenRoster) as caught:
        read(data, "名簿")
    return [(problem.row, problem.column, problem.key.removeprefix("roster.")) for problem in caught.value.problems]


def refusal(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read(data, "名簿")
    return caught.value


# ------------------------------------------------------------------ encodings


@pytest.mark.parametrize(
    ("encoding", "form"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp932", "cp932"), ("utf-16", "utf-16")],
)
def test_each_encoding_is_read_and_named_and_names_keep_their_characters(encoding: str, form: str) -> None:
    roster = read(f"{HEADINGS}\r\n{ROW}\r\n".encode(encoding), "名簿.csv")
    assert roster.source.form == form
    (person,) = roster.people
    assert (person.code, person.name, person.kana) == ("0012", "髙橋 № 一郎", "ﾀｶﾊｼ ｲﾁﾛｳ")
    assert (person.department, person.post) == (("総務部", "総務課", "第①係"), "Ⅱ種主任")


def test_big_endian_utf16_separated_by_tabs_is_read_as_excels_unicode_text() -> None:
    text = "\ufeff" + f"{HEADINGS}\r\n{ROW}\r\n".replace(",", "\t")
    assert read(text.encode("utf-16-be"), "名簿.txt").people[0].name == "髙橋 № 一郎"


@pytest.mark.parametrize(
    ("data", "line", "encoding"),
    [
        (csv(HEADINGS) + b"\r\n0001,\xff\xfe\x81", 2, "utf-8"),
        (csv(HEADINGS).decode().encode("cp932") + "\r\n0001,山田".encode("cp932") + b"\x80,,a,", 2, "cp932"),
        (csv(HEADINGS).decode().encode("cp932") + "\r\n\r\n0001,山田".encode("cp932") + b"\x81", 3, "cp932"),
        (b"\xef\xbb\xbf" + csv(HEADINGS) + b"\r\n0001,\x8e\x52", 2, "utf-8-sig"),
        ("\ufeff職員".encode("utf-16-le") + b"\x00", 1, "utf-16"),
    ],
)
def test_a_byte_that_fits_no_encoding_is_refused_with_its_line(data: bytes, line: int, encoding: str) -> None:
    error = refusal(data)
    assert error.key == "office.unknown_encoding"
    assert error.values == {"line": line, "encoding": encoding}


@given(st.binary(max_size=300))
def test_whatever_the_bytes_are_the_answer_is_a_refusal_or_a_roster(data: bytes) -> None:
    with pytest.raises(Refused):
        read(data, "名簿")


@given(st.binary(max_size=300))
def test_bytes_after_good_headings_never_raise_anything_but_a_refusal(data: bytes) -> None:
    try:
        roster = read(csv(HEADINGS, "") + data, "名簿")
    except Refused:
        return
    assert all(person.code and person.name and person.department for person in roster.people)


# ------------------------------------------------------------------- headings


@pytest.mark.parametrize(
    ("headings", "cells", "department"),
    [
        ("社員番号,名前,部署", "1,山田,総務課", ("総務課",)),
        ("職員コード（必須）,氏　名,所属部等名", "1,山田,総務部＞総務課", ("総務部", "総務課")),
        ("※職員番号,職員氏名,部,課,係", "1,山田,総務部,総務課,", ("総務部", "総務課")),
        ("職員番号,氏名,部名,課名,係名", "1,山田,総務部,,秘書係", ("総務部", "秘書係")),
        ("ｼｮｸｲﾝ,職員番号,氏名,課名", "x,1,山田,総務課", ("総務課",)),
        ("職員番号,氏名,所属,部,課", "1,山田,出向中,,", ("出向中",)),
        ("職員番号,,氏名,所属", "1,x,山田,総務課", ("総務課",)),
    ],
)
def test_headings_are_known_by_their_synonyms(headings: str, cells: str, department: tuple[str, ...]) -> None:
    (person,) = read(csv(headings, cells), "名簿").people
    assert (person.code, person.name, person.department) == ("1", "山田", department)


def test_titles_above_blank_rows_between_and_headings_on_every_page_are_passed_over() -> None:
    data = csv(
        "令和6年度 職員名簿", "", "4月1日現在,,,", HEADINGS, ROW, "", ",,,,", HEADINGS, ROW.replace("0012", "0013")
    )
    assert [(person.code, person.row) for person in read(data, "名簿").people] == [("0012", 5), ("0013", 9)]


def test_columns_that_mean_nothing_are_named() -> None:
    assert read(csv("職員番号,氏名,所属,採用日,内線", "1,山田,総務課,x,123"), "名簿").ignored == ("採用日", "内線")


def test_without_headings_for_number_and_name_the_file_is_refused() -> None:
    assert refusal(csv("氏名,所属", "山田,総務課")).key == "roster.no_headings"
    assert refusal(b"").key == "roster.no_headings"
    assert refusal(xlsx(["氏名", "所属"])).key == "roster.no_headings"


def test_two_columns_of_one_meaning_and_a_missing_department_are_problems() -> None:
    assert problems(csv("職員番号,社員番号,氏名", "1,1,山田")) == [
        (1, "社員番号", "heading_twice"),
        (1, "所属", "heading_missing"),
    ]


def test_a_blank_department_is_named_by_the_column_that_should_tell_it() -> None:
    assert problems(csv("職員番号,氏名,課名,係名", "1,山田,,")) == [(2, "課名", "blank")]


def test_what_the_file_does_not_speak_of_is_not_said() -> None:
    (person,) = read(csv("職員番号,氏名,所属", "1,山田,総務課"), "名簿").people
    assert dict(person.items()) == {"name": "山田", "department": ("総務課",)}


def test_everything_a_row_can_say_is_taken() -> None:
    data = csv(
        "職員番号,氏名,所属,職位,メール,権限,ログインID,連絡先:mattermost",
        "Ａ－１２,山田,総務部,３級,Ｙａｍａｄａ@example.jp,災害対策本部、管理者,yamada,",
        "A-13,鈴木,総務部,,,sender@総務部/総務課; Approver,,u13",
    )
    one, other = read(data, "名簿").people
    assert dict(one.items()) == {
        "name": "山田",
        "department": ("総務部",),
        "rank": 3,
        "email": "Yamada@example.jp",
        "roles": {"headquarters", "administrator"},
        "address:logochat": "yamada",
        "address:mattermost": "",
    }
    assert one.code == "A-12"
    assert (other.rank, other.email) == (0, "")
    assert other.roles == frozenset({"sender@総務部/総務課", "approver"})


# ------------------------------------------------------------------- problems


def test_every_problem_of_a_file_is_listed_with_row_and_column() -> None:
    data = csv(
        "職員番号,氏名,部署,級,メール,役割,ログインID",
        ",山田,総務課,,,,",
        "2 3,,,,,,a",
        "4,鈴木,総務課,三,x,かかりいん,a",
        "4,鈴木\ue000,総務課,1000,a@b,,b",
        '5,"a\x07b",1/2/3/4/5/6/7/8/9,,,,' + "c" * 201,
    )
    assert problems(data) == [
        (2, "職員番号", "blank"),
        (3, "職員番号", "bad_code"),
        (3, "氏名", "blank"),
        (3, "部署", "blank"),
        (4, "級", "bad_rank"),
        (4, "メール", "bad_email"),
        (4, "役割", "bad_role"),
        (4, "ログインID", "address_twice"),
        (5, "氏名", "private_character"),
        (5, "職員番号", "code_twice"),
        (5, "級", "bad_rank"),
        (5, "メール", "bad_email"),
        (6, "氏名", "control_character"),
        (6, "ログインID", "too_long"),
        (6, "部署", "too_deep"),
    ]


def test_of_very_many_problems_a_hundred_are_listed_and_the_rest_counted() -> None:
    with pytest.raises(BrokenRoster, match="row 2, column 氏名") as caught:
        read(csv("職員番号,氏名,所属", *(f"{number},,総務課" for number in range(250))), "名簿")
    assert (len(caught.value.problems), caught.value.more) == (reading.MAX_PROBLEMS, 150)
    assert caught.value.problems[0] == Problem(2, "氏名", "roster.blank", {})


def test_a_quotation_mark_out_of_place_is_refused_with_its_line() -> None:
    error = refusal(csv(HEADINGS, '1,"山"田,a,総務課,'))
    assert (error.key, error.values) == ("office.broken_csv", {"line": 2})


def test_rows_are_counted_as_excel_shows_them_when_a_cell_has_a_line_break() -> None:
    (person,) = read(csv('"職員\n番号",氏名,所属', '1,山田,"総務部\n総務課"'), "名簿").people
    assert (person.row, person.department) == (2, ("総務部", "総務課"))


# ----------------------------------------------------------------------- XLSX


def test_a_workbook_keeps_leading_zeros_and_reads_numbers_and_dates_as_people_see_them() -> None:
    def zeros(sheet: Any) -> None:
        sheet["A3"].number_format = "0000"

    data = xlsx(
        ["職員番号", "氏名", "所属", "役職", "級"],
        ["0012", "髙橋", "総務部/総務課", date(2024, 4, 1), 3.0],
        [34, "鈴木", "総務部", 1.5, None],
        [56.0, "佐藤", "総務部", None, 2],
        change=zeros,
    )
    people = read(data, "名簿.xlsx").people
    assert [(person.code, person.post, person.rank) for person in people] == [
        ("0012", "2024-04-01", 3),
        ("0034", "1.5", 0),
        ("56", "", 2),
    ]


def test_the_sheet_with_the_headings_is_found_behind_a_cover() -> None:
    book = Workbook()
    book.worksheets[0].append(["表紙"])
    book.create_sheet("名簿").append(["職員番号", "氏名", "所属"])
    book.worksheets[1].append(["1", "山田", "総務課"])
    buffer = io.BytesIO()
    book.save(buffer)
    assert len(read(buffer.getvalue(), "名簿.xlsx").people) == 1


def test_error_values_and_formulas_nobody_computed_are_problems_but_blank_cells_are_not() -> None:
    def spoil(sheet: Any) -> None:
        sheet["D2"] = "#N/A"
        sheet["D2"].data_type = "e"
        sheet["B3"] = "=A3"

    data = xlsx(["職員番号", "氏名", "所属", "役職"], ["1", "山田", "総務課"], ["2", None, "総務課"], change=spoil)
    assert problems(data) == [(2, "役職", "cell_error"), (3, "氏名", "cell_error"), (3, "氏名", "blank")]


def test_a_row_of_nothing_but_uncomputed_formulas_is_not_taken_for_a_blank_one() -> None:
    def spoil(sheet: Any) -> None:
        sheet["A2"] = "=ROW()"

    data = xlsx(["職員番号", "氏名", "所属"], [], change=spoil)
    assert (2, "職員番号", "cell_error") in problems(data)


def test_the_cached_value_of_a_formula_is_taken() -> None:
    data = xlsx(["職員番号", "氏名", "所属"], ["1", "=B9", "総務課"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert b"<f>B9</f><v />" in content or b"<f>B9</f><v></v>" in content
                content = content.replace(b'<c r="B2">', b'<c r="B2" t="str">')
                content = content.replace(b"<v />", "<v>山田</v>".encode()).replace(b"<v></v>", "<v>山田</v>".encode())
            new.writestr(name, content)
    assert read(buffer.getvalue(), "名簿.xlsx").people[0].name == "山田"


def test_a_protected_workbook_reads_like_any_other() -> None:
    book = Workbook()
    book.security = WorkbookProtection(lockStructure=True)
    book.worksheets[0].append(["職員番号", "氏名", "所属"])
    buffer = io.BytesIO()
    book.save(buffer)
    assert read(buffer.getvalue(), "名簿.xlsx").people == ()


@pytest.mark.parametrize("cut", [30, 200, -30])
def test_a_workbook_cut_short_is_refused(cut: int) -> None:
    assert refusal(xlsx(["職員番号", "氏名", "所属"])[:cut]).key == "office.broken_xlsx"


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)  # openpyxl takes its time
def test_a_workbook_with_damaged_bytes_is_a_roster_or_refused(damage: list[tuple[int, int]]) -> None:
    data = bytearray(xlsx(["職員番号", "氏名", "所属"], ["1", "山田", "総務課"]))
    for place, byte in damage:
        data[place % len(data)] = byte
    with suppress(Refused):
        read(bytes(data), "名簿.xlsx")


def test_an_archive_that_is_no_workbook_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert refusal(buffer.getvalue()).key == "office.broken_xlsx"


def test_an_old_or_encrypted_excel_file_is_refused_with_the_way_out() -> None:
    assert refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100).key == "office.old_excel"


def test_a_file_of_bytes_that_are_no_text_is_refused() -> None:
    assert refusal("職員番号".encode("utf-16-le") + b"\0\0").key in {"office.no_text", "office.unknown_encoding"}
    assert refusal(b"a\0b").key == "office.no_text"


# --------------------------------------------------------------------- limits


def test_a_workbook_that_unpacks_to_more_than_the_limit_is_refused_unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 2**20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (2**20 + 1))
    assert len(buffer.getvalue()) < 5000
    assert refusal(buffer.getvalue()).key == "office.too_large_unpacked"


def test_too_many_bytes_rows_or_columns_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "MAX_ROWS", 3)
    monkeypatch.setattr(limits, "MAX_COLUMNS", 5)
    assert refusal(csv(HEADINGS, ROW, ROW, ROW)).key == "office.too_many_rows"
    assert refusal(csv(HEADINGS + ",x")).key == "office.too_many_columns"
    assert refusal(xlsx(["a"] * 6)).key == "office.too_many_columns"
    monkeypatch.setattr(limits, "MAX_BYTES", 10)
    assert refusal(csv(HEADINGS)).key == "office.too_large"
    (tmp_path / "名簿.csv").write_bytes(csv(HEADINGS))
    with pytest.raises(Refused, match="too_large"):
        read_file(tmp_path / "名簿.csv")


def test_a_file_is_read_by_its_path_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "名簿.csv").write_bytes(csv(HEADINGS, ROW))
    assert read_file(tmp_path / "名簿.csv").source.name == "名簿.csv"
    with pytest.raises(Refused, match="no_file"):
        read_file(tmp_path / "無い.csv")


# ------------------------------------------------------------------- formulas


@given(st.text())
def test_a_hardened_cell_starts_no_formula_and_softens_to_what_it_was(text: str) -> None:
    assert harden(text)[:1] not in set("=+-@＝＋－＠\t\r") - {""}
    assert soften(harden(text)) == text
