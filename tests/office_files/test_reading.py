"""Office files as other programs write them: read as a person sees them, or refused with what to mend."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from bot.errors import Refused
from bot.office import Sheet, limits, read_sheets
from bot.texts import Texts
from tests.office_files import books

CASES = Path(__file__).parent / "cases"
MERGED = (2, 0, 3, 0)


def only(data: bytes) -> Sheet:
    (sheet,) = read_sheets(data)
    return sheet


def rows(data: bytes) -> list[list[str]]:
    return [list(cells) for cells in only(data).rows]


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        list(read_sheets(data))
    for language in ("ja", "en"):
        assert Texts("bot", language=language)(caught.value.key, **caught.value.values)
    return caught.value.key


# ------------------------------------------------------------------ workbooks


def test_rows_beyond_the_extent_that_a_sheet_claims_are_read() -> None:
    assert len(rows((CASES / "survey_two_dimension_short.xlsx").read_bytes())) == 4
    wrong = '<dimension ref="A1"/>' + books.data(books.row(books.text("A1", "一")), books.row(books.text("C2", "二")))
    assert rows(books.book(wrong)) == [["一"], ["", "", "二"]]


def test_cells_are_shown_as_a_reader_sees_them() -> None:
    assert rows((CASES / "survey_percent.xlsx").read_bytes()) == [["在宅勤務の割合", "内線"], ["50%", "0123"]]
    codes = (
        "0%",
        "000000",
        "yyyy/m/d",
        'ggge"年"m"月"d"日"',
        "#,##0&quot;円&quot;",
        "000-0000",
        "[&lt;=999]000;000-00",
        "h:mm",
    )
    escaped = [code.replace('"', "&quot;") for code in codes]
    values = ("0.5", "101", "45108", "45108", "1234567", "1234567", "31201", "0.375")
    cells = "".join(f'<c s="{n}"><v>{value}</v></c>' for n, value in enumerate(values))
    sheet = only(books.book(books.data(books.row(cells, '<c t="b"><v>1</v></c>')), styles=books.styled(*escaped)))
    assert sheet.rows[0] == [
        "50%", "000101", "2023/7/1", "令和5年7月1日", "1,234,567円", "123-4567", "312-01", "9:00", "TRUE"
    ]  # fmt: skip
    assert sheet.plain(1, 2) == sheet.plain(1, 3) == "2023-07-01"
    assert (sheet.plain(1, 0), sheet.plain(1, 4)) == ("0.5", "1234567")
    assert sheet.values[1, 2] == date(2023, 7, 1)


def test_a_number_without_a_format_is_shown_without_the_noise_of_its_storage() -> None:
    numbers = ("3.0", "0.30000000000000004", "1E3", "123456789012", "-0.5")
    assert rows(books.book(books.data(books.row(*(f"<c><v>{number}</v></c>" for number in numbers))))) == [
        ["3", "0.3", "1000", "123456789012", "-0.5"]
    ]


def test_both_forms_of_the_standard_and_every_encoding_of_xml_are_read() -> None:
    body = books.data(books.row(books.text("A1", "氏名")), books.row('<c t="d" s="0"><v>2023-07-01</v></c>'))
    for strict in (False, True):
        for encoding in ("utf-8", "utf-16"):
            made = books.book(body, styles=books.styled("yyyy/m/d"), strict=strict, encoding=encoding)
            assert rows(made) == [["氏名"], ["2023/7/1"]]


def test_escapes_readings_and_pieces_of_a_string_are_one_text() -> None:
    strings = (
        "<si><t>一行目_x000D_&#10;二行目</t></si>"
        "<si><r><t>髙</t></r><r><t>橋</t></r><rPh sb='0' eb='2'><t>タカハシ</t></rPh></si>"
        "<si><t>_x005F_x000D_</t></si>"
    )
    body = books.data(books.row(*(f'<c t="s"><v>{n}</v></c>' for n in range(3))))
    assert rows(books.book(body, strings=strings)) == [["一行目\n二行目", "髙橋", "_x000D_"]]


def test_styled_empty_cells_to_the_end_of_the_sheet_are_nothing() -> None:
    blank = "".join(f'<row r="{n}"><c r="A{n}" s="1"/><c r="XFD{n}" s="1"/></row>' for n in range(2, 150_002))
    assert rows(books.book(books.data(books.row(books.text("A1", "氏名")), blank))) == [["氏名"]]


def test_sheets_come_with_name_state_and_merged_cells() -> None:
    first, second = books.data(books.row(books.text("A1", "控え"))), books.data(
        books.row(books.text("A1", "部")), books.row(books.text("A2", "総務部")), books.row(books.text("B3", "人事課"))
    )  # fmt: skip
    merged = '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>'
    made = books.book(first, second + merged, names=("旧", "職員"), states=("hidden", ""))
    found = list(read_sheets(made))
    assert [(sheet.name, sheet.hidden, sheet.merged) for sheet in found] == [
        ("旧", True, ()),
        ("職員", False, (MERGED,)),
    ]
    hidden, shown = read_sheets((CASES / "roster_hidden_first.xlsx").read_bytes())
    assert (hidden.hidden, shown.hidden) == (True, False)


def test_a_formula_that_was_never_computed_and_an_error_are_marked() -> None:
    body = books.data(
        books.row(
            "<c><f>A2</f></c>",
            '<c t="e"><v>#REF!</v></c>',
            '<c t="str"><f>A2</f><v></v></c>',
            "<c><f>1</f><v>1</v></c>",
        )
    )
    sheet = only(books.book(body))
    assert sheet.broken == {(1, 0), (1, 1)}
    assert sheet.rows == [["", "#REF!", "", "1"]]


# ----------------------------------------------------------------- text files


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("氏名,内線\r\n髙橋,0123\r\n\x1a".encode("cp932"), [["氏名", "内線"], ["髙橋", "0123"]]),
        ("sep=;\r\n氏名;内線\r\n髙橋;0123".encode("cp932"), [[], ["氏名", "内線"], ["髙橋", "0123"]]),
        ("氏名\t内線\r\n髙橋\t0,1".encode(), [["氏名", "内線"], ["髙橋", "0,1"]]),
        ("氏名;内線\r\n髙橋;0123".encode(), [["氏名", "内線"], ["髙橋", "0123"]]),
        ("道具,班\nチャット;メール;,\nメール;,3".encode(), [["道具", "班"], ["チャット;メール;"], ["メール;", "3"]]),
        ("道具\nチャット;メール;\nメール;".encode(), [["道具"], ["チャット;メール;"], ["メール;"]]),
        ("\ufeff\ufeff氏名,内線".encode(), [["氏名", "内線"]]),
        ("氏名\r内線".encode("iso2022_jp"), [["氏名"], ["内線"]]),
        (b"", []),
    ],
)
def test_text_files_are_read_by_their_own_signs(data: bytes, expected: list[list[str]]) -> None:
    assert rows(data) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_with_its_mark_and_without(encoding: str) -> None:
    assert rows("氏名\t所属\r\n髙橋\u3000一郎\t総務部\r\n".encode(encoding)) == [
        ["氏名", "所属"],
        ["髙橋\u3000一郎", "総務部"],
    ]


# ----------------------------------------------------------- what is refused


def test_damaged_locked_and_other_files_are_refused_with_what_to_mend() -> None:
    whole = books.book(books.data(books.row(books.text("A1", "氏名"))))
    assert refusal((CASES / "survey_two_truncated.xlsx").read_bytes()) == "office.broken_xlsx"
    for cut in range(4, len(whole), 97):
        assert refusal(whole[:cut]) == "office.broken_xlsx"
    for place in range(0, len(whole), 61):
        damaged = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        with suppress(Refused):  # some bytes matter to nobody; anything else than a refusal is a fault
            list(read_sheets(damaged))
    assert refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99) == "office.old_excel"
    assert refusal(b"<html><table><tr><td>1</td></tr></table></html>") == "office.web_page"
    assert refusal(b"a,b\x80\n") == "office.unknown_encoding"
    assert refusal(books.book(books.data(books.row('<c t="s"><v>7</v></c>')))) == "office.broken_xlsx"
    assert refusal(books.book(books.data(books.row("<c><v>NaN</v></c>")))) == "office.broken_xlsx"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("content.xml", "<a/>")
    assert refusal(buffer.getvalue()) == "office.other_form"


def test_what_would_fill_the_memory_is_refused() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]>'
    assert refusal(_with(bomb)) == "office.broken_xlsx"
    many = "<xf numFmtId='0'/>" * 2_000_000
    assert refusal(books.book(books.data(), styles=f"<cellXfs>{many}</cellXfs>")) == "office.too_large_unpacked"
    assert refusal(b"a" * (limits.MAX_CELL + 1)) == "office.cell_too_long"
    far = books.data('<row r="1048576"><c r="A1048576"><v>1</v></c></row>')
    assert refusal(books.book(far)) == "office.too_many_rows"
    assert refusal(books.book(books.data('<row r="1"><c r="XFD1"><v>1</v></c></row>'))) == "office.too_many_columns"


def _with(prologue: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", prologue + "<workbook/>")
    return buffer.getvalue()


def test_what_the_usual_library_writes_comes_back() -> None:
    written = [["職員番号", "氏名"], ["0012", "髙橋 一郎"], ["x", "a\nb"]]
    made = Workbook()
    for line in written:
        made.worksheets[0].append(line)
    buffer = io.BytesIO()
    made.save(buffer)
    assert rows(buffer.getvalue()) == written
