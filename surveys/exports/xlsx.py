"""Tables as a workbook with native charts: the simple tables on one sheet, each cross table on its own."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from math import ceil
from typing import Any

import xlsxwriter

from bot.texts import Texts
from surveys.exports.paper import Block, Field, Paper, Share, cross_blocks, head, simple_blocks

FONT = "Yu Gothic"
CHART_COLUMN, CHART_COLUMNS = 3, 7
LABEL_WIDTH, COUNT_WIDTH = 36, 11
ROW_PIXELS, LINE_POINTS = 20, 15


def to_xlsx(paper: Paper, texts: Texts) -> bytes:
    """The workbook; what people wrote stays text, never a formula or a link."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        pen = _Pen(book)
        name = "survey.paper.sheet_months" if paper.blocks else "survey.paper.sheet_simple"
        sheet, row = pen.sheet(texts(name), paper, texts, landscape=bool(paper.blocks))
        for block in simple_blocks(paper, texts):
            row = pen.block(sheet, block, row)
        for number, pair in enumerate(cross_blocks(paper, texts), start=1):
            sheet, row = pen.sheet(texts("survey.paper.sheet_cross", number=number), paper, texts, landscape=True)
            shares = pen.block(sheet, pair[0], row)
            pen.block(sheet, pair[1], shares)
            sheet.set_h_pagebreaks([shares])
    return out.getvalue()


class _Pen:
    """A workbook's formats, and the things that are drawn with them."""

    def __init__(self, book: Any) -> None:
        def style(**look: object) -> Any:
            return book.add_format({"font_name": FONT, "font_size": 10, "valign": "vcenter"} | look)

        box = {"border": 1, "border_color": "#8A98A8"}
        sum_up = {**box, "bold": True, "top": 2, "bg_color": "#F5F7FA"}
        self._book = book
        self._title = style(bold=True, font_size=14, bottom=2, bottom_color="#2F5D8C")
        self._rule = style(bottom=2, bottom_color="#2F5D8C")
        self._heading = style(bold=True, font_size=11, font_color="#1F3F66")
        self._plain = style(align="left")
        self._remark = style(italic=True, font_color="#4A5663")
        self._header = style(**box, bold=True, bg_color="#E7EEF7", text_wrap=True, align="center")
        self._group = style(**box, text_wrap=True, valign="top")
        self._looks = {
            (total, kind): style(**(sum_up if total else box), **look)
            for total in (False, True)
            for kind, look in (
                ("label", {"text_wrap": True}),
                ("count", {"num_format": "#,##0.##", "align": "right"}),
                ("share", {"num_format": "0.0%", "align": "right"}),
            )
        }

    def sheet(self, name: str, paper: Paper, texts: Texts, *, landscape: bool = False) -> tuple[Any, int]:
        """A sheet with the paper's head, ready to print on A4; the first free row."""
        sheet = self._book.add_worksheet(name)
        sheet.set_paper(9)
        sheet.set_landscape() if landscape else sheet.set_portrait()
        sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&C&P / &N")
        sheet.hide_gridlines(2)
        sheet.set_column(0, 0, LABEL_WIDTH)
        sheet.set_row(0, 26)
        sheet.write_string(0, 0, paper.title, self._title)
        for column in range(1, CHART_COLUMN + CHART_COLUMNS):
            sheet.write_blank(0, column, None, self._rule)
        lines = head(paper, texts)
        for row, (label, field) in enumerate(lines, start=1):
            sheet.write_string(row, 0, label, self._plain)
            sheet.write(row, 1, field, self._plain)
        return sheet, len(lines) + 2

    def block(self, sheet: Any, block: Block, row: int) -> int:
        """A table, its remarks and its chart; the first free row below them."""
        if block.labels > 1:
            sheet.set_column(0, block.labels - 2, LABEL_WIDTH // 2)
            sheet.set_column(block.labels - 1, block.labels - 1, LABEL_WIDTH)
        sheet.set_column(block.labels, max(len(block.header) - 1, block.labels), COUNT_WIDTH)
        sheet.write_string(row, 0, " ".join(block.title.split()), self._heading)
        sheet.write_row(row + 1, 0, block.header, self._header)
        longest = _width(str(block.header[block.labels - 1])) / LABEL_WIDTH
        sheet.set_row(row + 1, LINE_POINTS * max(ceil(longest), 1))
        free = row + 2
        for number, fields in enumerate(block.lines):
            for column, field in enumerate(fields):
                sheet.write(free, column, field, self._look(column, block, field, number in block.totals))
            free += 1
        for column in range(block.labels - 1):
            for start, stop in _spans(block, column):
                label = block.lines[start][column]
                sheet.merge_range(row + 2 + start, column, row + 2 + stop, column, label, self._group)
        for remark in block.remarks:
            sheet.write_string(free, 0, remark, self._remark)
            free += 1
        return max(free, self._chart(sheet, block, row)) + 1

    def _chart(self, sheet: Any, block: Block, row: int) -> int:
        """A bar for each answer, beside the table; the row below it."""
        if block.chart is None:
            return row
        start, stop = block.chart
        first = row + 2
        chart = self._book.add_chart({"type": "bar"})
        chart.add_series(
            {
                "categories": [sheet.name, first + start, 0, first + stop - 1, 0],
                "values": [sheet.name, first + start, 1, first + stop - 1, 1],
                "fill": {"color": "#4472A8"},
                "gap": 50,
                "data_labels": {"value": True, "font": {"name": FONT, "size": 9}},
            }
        )
        chart.set_legend({"none": True})
        chart.set_y_axis({"reverse": True, "num_font": {"name": FONT, "size": 9}, "major_tick_mark": "none"})
        chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
        chart.set_chartarea({"border": {"color": "#C5CED8"}})
        height = max(6, stop - start + 3)
        chart.set_size({"width": 440, "height": height * ROW_PIXELS - 4})
        sheet.insert_chart(row, CHART_COLUMN, chart, {"x_offset": 12, "y_offset": 2, "description": block.title})
        return row + height

    def _look(self, column: int, block: Block, field: Field, total: bool) -> Any:
        if column < block.labels:
            return self._looks[total, "label"]
        return self._looks[total, "share" if isinstance(field, Share) else "count"]


def _spans(block: Block, column: int) -> Iterator[tuple[int, int]]:
    """First and last line of each label of an outer question that stands for several lines."""
    starts = [number for number, line in enumerate(block.lines) if line[column] != ""]
    for start, following in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        if following - start > 1 and start not in block.totals:
            yield start, following - 1


def _width(text: str) -> int:
    """Columns of a fixed font; Japanese signs take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
