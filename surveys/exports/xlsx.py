"""Tables as a workbook with native charts: the simple tables on one sheet, each cross table on its own."""

from __future__ import annotations

import io
from typing import Any

import xlsxwriter

from bot.texts import Texts
from surveys.exports.paper import Block, Field, Paper, cross_blocks, head, simple_blocks

FONT = "Yu Gothic"
CHART_COLUMN = 5
LABEL_WIDTH, COUNT_WIDTH = 34, 11


def to_xlsx(paper: Paper, texts: Texts) -> bytes:
    """The workbook; what people wrote stays text, never a formula or a link."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        pen = _Pen(book)
        sheet, row = pen.sheet(texts("survey.paper.sheet_simple"), paper, texts)
        for block in simple_blocks(paper, texts):
            row = pen.block(sheet, block, row)
        for number, block in enumerate(cross_blocks(paper, texts), start=1):
            sheet, row = pen.sheet(texts("survey.paper.sheet_cross", number=number), paper, texts)
            pen.block(sheet, block, row)
    return out.getvalue()


class _Pen:
    """A workbook's formats, and the two things that are drawn with them."""

    def __init__(self, book: Any) -> None:
        def style(**look: object) -> Any:
            return book.add_format({"font_name": FONT, "font_size": 10, "valign": "vcenter", **look})

        self._book = book
        self._title = style(bold=True, font_size=14)
        self._heading = style(bold=True, font_size=11)
        self._plain = style()
        self._header = style(bold=True, border=1, bg_color="#E7EEF7", text_wrap=True, align="center")
        self._label = style(border=1, text_wrap=True)
        self._count = style(border=1, num_format="#,##0.##")
        self._share = style(border=1, num_format="0.0%")

    def sheet(self, name: str, paper: Paper, texts: Texts) -> tuple[Any, int]:
        """A sheet with the paper's head, ready to print on A4; the first free row."""
        sheet = self._book.add_worksheet(name)
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        sheet.set_column(0, 0, LABEL_WIDTH)
        sheet.write_string(0, 0, paper.title, self._title)
        for row, (label, field) in enumerate(head(paper, texts), start=1):
            sheet.write_string(row, 0, label, self._plain)
            sheet.write(row, 1, field, self._plain)
        return sheet, len(head(paper, texts)) + 2

    def block(self, sheet: Any, block: Block, row: int) -> int:
        """A table and its chart; the first free row below both."""
        sheet.set_column(1, block.labels - 1, LABEL_WIDTH) if block.labels > 1 else None
        sheet.set_column(block.labels, max(len(block.header) - 1, block.labels), COUNT_WIDTH)
        sheet.write_string(row, 0, block.title, self._heading)
        sheet.write_row(row + 1, 0, block.header, self._header)
        first = row + 2
        for offset, fields in enumerate(block.lines):
            for column, field in enumerate(fields):
                sheet.write(first + offset, column, field, self._look(column, block, field))
        free = first + len(block.lines) + 1
        if block.chart is None:
            return free
        chart = self._book.add_chart({"type": "bar"})
        start, stop = block.chart
        chart.add_series(
            {
                "categories": [sheet.name, first + start, 0, first + stop - 1, 0],
                "values": [sheet.name, first + start, 1, first + stop - 1, 1],
                "fill": {"color": "#4472A8"},
                "gap": 60,
                "data_labels": {"value": True},
            }
        )
        chart.set_title({"name": block.title.splitlines()[-1][:60], "name_font": {"size": 10, "name": FONT}})
        chart.set_legend({"none": True})
        chart.set_y_axis({"reverse": True, "num_font": {"name": FONT}})
        chart.set_x_axis({"major_gridlines": {"visible": False}, "num_format": "0"})
        height = max(6, stop - start + 3)
        chart.set_size({"width": 460, "height": height * 20})
        sheet.insert_chart(row, CHART_COLUMN, chart)
        return max(free, row + height + 2)

    def _look(self, column: int, block: Block, field: Field) -> Any:
        if column < block.labels or isinstance(field, str):
            return self._label
        # Shares stand in the third column of a simple table; a cross table has counts alone.
        return self._share if block.chart is not None and column == 2 else self._count
