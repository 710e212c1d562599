"""`evaluation.xlsx`: the judgement on the first sheet, a sheet a chapter, native charts; ready to print on A4."""

from __future__ import annotations

import io
from datetime import datetime, time
from typing import Any

import xlsxwriter

from trial.evaluation import wording
from trial.evaluation.figures import Unit
from trial.evaluation.paper import Paper
from trial.evaluation.table import Cell, Chapter, Kind, Table

FONT = "Yu Gothic"
FORMATS: dict[Kind, str] = {
    "text": "@",
    "count": "#,##0",
    "share": "0.0%",
    "minutes": "#,##0",
    "hours": "#,##0.0",
    "yen": "#,##0",
    "points": "#,##0.00",
}
COLOURS = ("#2F6F8F", "#E0A030", "#7A9E4F")
LABEL_WIDTH, NUMBER_WIDTH = 30, 13
ROW_HEIGHT = 20  # pixels


def to_xlsx(paper: Paper) -> bytes:
    """The workbook; what people wrote stays text, never a formula or a link. The same paper gives the same bytes."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        # Not the time of writing: the file would differ each time.
        book.set_properties({"title": paper.texts("title"), "created": datetime.combine(paper.ends, time())})
        pen = _Pen(book, paper)
        pen.judgement()
        for chapter in paper.chapters:
            pen.chapter(chapter)
    return out.getvalue()


class _Pen:
    """A workbook's formats, and how a judgement and a table are drawn with them."""

    def __init__(self, book: Any, paper: Paper) -> None:
        def style(**look: object) -> Any:
            return book.add_format({"font_name": FONT, "font_size": 10, "valign": "vcenter", **look})

        self._book, self._paper, self._texts = book, paper, paper.texts
        self._title = style(bold=True, font_size=14)
        self._heading = style(bold=True, font_size=11)
        self._about = style(font_size=9, font_color="#5A6B79", text_wrap=True, valign="top")
        self._notice = style(font_color="#7A4B00", bg_color="#FFF6E3", text_wrap=True)
        self._header = style(bold=True, border=1, bg_color="#E7EEF7", text_wrap=True, align="center")
        self._label = style(border=1, text_wrap=True)
        self._dash = style(border=1, align="right")
        self._numbers = {kind: style(border=1, num_format=form) for kind, form in FORMATS.items()}
        self._verdicts = {
            "met": style(border=1, align="center", bg_color="#E5F4EC", font_color="#14603A"),
            "missed": style(border=1, align="center", bg_color="#FDECEA", font_color="#A3341F"),
            "unknown": style(border=1, align="center", font_color="#5A6B79"),
        }

    def judgement(self) -> None:
        texts, paper = self._texts, self._paper
        sheet, row = self._sheet(texts("criteria"), texts("title"), 6)
        sheet.set_column(1, 1, LABEL_WIDTH)
        sheet.set_column(2, 3, 16)
        sheet.set_column(4, 5, NUMBER_WIDTH)
        names = ("criterion", "figure", "value", "bar", "verdict")
        sheet.write_row(row, 0, [texts(f"judged.{name}") for name in names], self._header)
        sheet.write_string(row, 5, texts("words"), self._header)
        for each in paper.judgements:
            row += 1
            sheet.write_string(row, 0, each.criterion.name, self._label)
            sheet.write_string(row, 1, texts(f"figure.{each.figure.key}.label"), self._label)
            self._figure(sheet, row, 2, each.figure.value, each.figure.unit)
            sheet.write_string(row, 3, wording.bar(each.criterion, texts), self._dash)
            sheet.write_string(row, 4, texts(f"verdict.{each.verdict}"), self._verdicts[each.verdict])
            sheet.write_string(row, 5, wording.mark(each.figure.nature, paper.simulated, texts), self._label)
            sheet.set_row_pixels(row, 2 * ROW_HEIGHT)
        row += 2
        sheet.write_string(row, 0, texts("figures"), self._heading)
        row += 1
        sheet.write_row(row, 0, [texts("judged.figure"), texts("definition"), texts("judged.value")], self._header)
        sheet.merge_range(row, 3, row, 5, texts("source"), self._header)
        for figure in paper.figures.values():
            row += 1
            sheet.write_string(row, 0, texts(f"figure.{figure.key}.label"), self._label)
            sheet.write_string(row, 1, texts(f"figure.{figure.key}.definition"), self._label)
            self._figure(sheet, row, 2, figure.value, figure.unit)
            sheet.merge_range(row, 3, row, 5, texts(f"figure.{figure.key}.source"), self._label)
            sheet.set_row_pixels(row, 3 * ROW_HEIGHT)

    def chapter(self, chapter: Chapter) -> None:
        width = max([2, *(len(table.columns) for table in chapter.tables)])
        sheet, row = self._sheet(chapter.title, chapter.title, width)
        if width > 6:
            sheet.set_landscape()
        if not chapter.tables:
            sheet.write_string(row, 0, self._texts("empty"))
        for table in chapter.tables:
            row = self._table(sheet, table, row, width)

    def _sheet(self, name: str, title: str, width: int) -> tuple[Any, int]:
        """A sheet with the title and whose figures these are; the first free row."""
        sheet = self._book.add_worksheet(name[:31])
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        sheet.set_footer("&C&P / &N")
        sheet.set_column(0, 0, LABEL_WIDTH)
        sheet.set_column(1, max(1, width - 1), NUMBER_WIDTH)
        sheet.write_string(0, 0, title, self._title)
        period = self._texts("until", starts=self._paper.starts, ends=self._paper.ends)
        sheet.write_string(1, 0, period, self._about)
        sheet.merge_range(2, 0, 2, max(1, width - 1), self._paper.notice, self._notice)
        sheet.set_row_pixels(2, 2 * ROW_HEIGHT)
        return sheet, 4

    def _table(self, sheet: Any, table: Table, row: int, width: int) -> int:
        """A table with what it means, and its chart below; the first free row."""
        texts = self._texts
        mark = wording.mark(table.nature, self._paper.simulated, texts)
        sheet.write_string(row, 0, f"{table.title}〔{mark}〕", self._heading)
        about = f"{texts('definition')}: {table.definition}\n{texts('source')}: {table.source}"
        if table.note:
            about += f"\n{table.note}"
        sheet.merge_range(row + 1, 0, row + 1, width - 1, about, self._about)
        sheet.set_row_pixels(row + 1, ROW_HEIGHT * (2 + len(about) // (8 * width)))
        header = row + 2
        for place, column in enumerate(table.columns):
            sheet.write_string(header, place, self._titled(column.title, column.kind), self._header)
        for offset, cells in enumerate(table.rows, start=1):
            for place, cell in enumerate(cells):
                self._cell(sheet, header + offset, place, cell, table.columns[place].kind)
        free = header + len(table.rows) + 2
        if not table.charted or not table.rows:
            return free
        return free + self._chart(sheet, table, header, free)

    def _chart(self, sheet: Any, table: Table, header: int, at: int) -> int:
        """A native chart of the table's charted columns; how many rows it takes."""
        chart = self._book.add_chart({"type": "column"})
        last = header + len(table.rows)
        for number, place in enumerate(table.charted):
            chart.add_series(
                {
                    "name": [sheet.name, header, place],
                    "categories": [sheet.name, header + 1, 0, last, 0],
                    "values": [sheet.name, header + 1, place, last, place],
                    "fill": {"color": COLOURS[number % len(COLOURS)]},
                    "gap": 60,
                }
            )
        share = table.columns[table.charted[0]].kind == "share"
        chart.set_title({"name": table.title[:60], "name_font": {"size": 10, "name": FONT}, "overlay": False})
        chart.set_x_axis({"num_font": {"name": FONT, "size": 8}})
        chart.set_y_axis(
            {
                "min": 0,
                "num_format": "0%" if share else "#,##0",
                "major_gridlines": {"visible": True, "line": {"color": "#DBE2E8"}},
            }
            | ({"max": 1} if share else {})
        )
        if len(table.charted) > 1:
            chart.set_legend({"position": "bottom", "font": {"name": FONT}})
        else:
            chart.set_legend({"none": True})
        height = 11
        chart.set_size({"width": 640, "height": height * ROW_HEIGHT})
        sheet.insert_chart(at, 0, chart, {"object_position": 1, "description": table.title})
        return height + 2

    def _cell(self, sheet: Any, row: int, place: int, cell: Cell, kind: Kind) -> None:
        if cell is None:
            sheet.write_string(row, place, wording.MISSING, self._dash)
        elif isinstance(cell, str):
            sheet.write_string(row, place, cell, self._label)
        else:
            sheet.write_number(row, place, cell, self._numbers[kind])

    def _figure(self, sheet: Any, row: int, place: int, value: float | None, unit: Unit) -> None:
        self._cell(sheet, row, place, value, "points" if unit == "minutes" else unit)

    def _titled(self, title: str, kind: Kind) -> str:
        """A column's title with the unit that the bare numbers below it are in."""
        return self._texts(f"titled.{kind}", title=title) if kind in {"minutes", "hours", "yen"} else title
