"""Tables as a workbook with native charts: the simple tables on one sheet, each cross table on its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import xlsxwriter

from bot.texts import Texts
from surveys.exports import layout
from surveys.exports.layout import COUNT_WIDTH, LABEL_WIDTH, ROW_PIXELS
from surveys.exports.paper import HIDDEN, Block, Field, Paper, Share, cross_blocks, head, simple_blocks

FONT = "Yu Gothic"
RULER = {"font_name": "Arial", "font_size": 10}
"""The font in whose digits columns are measured: alike in Excel and, by a font of the same widths, in LibreOffice."""
CHART_COLUMN, CHART_COLUMNS, DEFAULT_COLUMN = 3, 7, 64
ROW_POINTS, LINE_POINTS = 13.5, 15
COMPARED_ROWS = 11
SHADES = ("#1F4E79", "#4472A8", "#7FA3CC", "#B7CCE4", "#E0A030", "#F0CF8E", "#7A9E4F", "#B9CFA0", "#8A98A8", "#C5CED8")
GRID = {"color": "#DBE2E8"}
ROOM = "_ "
"""Behind a number's format: as much room as a space is wide, before the cell's border."""


def to_xlsx(paper: Paper, texts: Texts) -> bytes:
    """The workbook; what people wrote stays text, never a formula or a link."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_format_properties": dict(RULER),  # which the library changes
    }
    with xlsxwriter.Workbook(out, options) as book:
        pen = _Pen(book)
        name = "survey.paper.sheet_months" if paper.blocks else "survey.paper.sheet_simple"
        sheet, row = pen.sheet(texts(name), paper, texts, landscape=bool(paper.blocks))
        starts, across = [], layout.pixels([LABEL_WIDTH, *[COUNT_WIDTH] * 2]) + CHART_COLUMNS * DEFAULT_COLUMN
        for block in simple_blocks(paper, texts):
            starts.append(row)
            row = pen.block(sheet, block, row)
            across = max(across, layout.pixels(layout.widths(block)))
        sheet.set_h_pagebreaks(list(layout.breaks(starts, row, across, landscape=bool(paper.blocks))))
        for number, (counts, shares) in enumerate(cross_blocks(paper, texts), start=1):
            name = texts("survey.paper.sheet_cross", number=number)
            together = layout.fit_together(counts, shares)
            sheet, row = pen.sheet(name, paper, texts, landscape=not together)
            free = pen.block(sheet, counts, row)
            if not together:
                sheet.repeat_rows(row + 1)
                name = texts("survey.paper.sheet_cross_shares", number=number)
                sheet, free = pen.sheet(name, paper, texts, landscape=True)
                sheet.repeat_rows(free + 1)
            below = pen.block(sheet, shares, free)
            if together:
                pen.stack(sheet, shares, free, below)
    return out.getvalue()


class _Pen:
    """A workbook's formats, and the things that are drawn with them."""

    def __init__(self, book: Any) -> None:
        def style(**look: object) -> Any:
            return book.add_format({"font_name": FONT, "font_size": 10, "valign": "vcenter"} | look)

        box = {"border": 1, "border_color": "#9AA7B4"}
        sum_up = {**box, "bold": True, "top": 2, "bg_color": "#F5F7FA"}
        self._book = book
        self._title = style(bold=True, font_size=14, bottom=2, bottom_color="#2F5D8C")
        self._rule = style(bottom=2, bottom_color="#2F5D8C")
        self._heading = style(bold=True, font_size=11, font_color="#1F3F66")
        self._plain = style(align="left")
        self._remark = style(italic=True, font_color="#4A5663")
        self._header = style(**box, bold=True, bg_color="#E7EEF7", text_wrap=True, align="center")
        self._group = style(**box, text_wrap=True, valign="top", align="left", indent=1)
        self._looks = {
            (total, kind): style(**(sum_up if total else box), **look)
            for total in (False, True)
            for kind, look in (
                ("label", {"text_wrap": True, "align": "left", "indent": 1}),
                ("count", {"num_format": "#,##0" + ROOM, "align": "right"}),
                ("mean", {"num_format": "#,##0.0###" + ROOM, "align": "right"}),
                ("share", {"num_format": "0.0%" + ROOM, "align": "right"}),
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
        sheet.set_default_row(ROW_POINTS)
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
        for column, width in enumerate(layout.widths(block)):
            sheet.set_column(column, column, width)
        sheet.write_string(row, 0, " ".join(block.title.split()), self._heading)
        sheet.write_row(row + 1, 0, block.header, self._header)
        sheet.set_row(row + 1, LINE_POINTS * layout.header_lines(block))
        free = row + 2
        for number, fields in enumerate(block.lines):
            for column, field in enumerate(fields):
                sheet.write(
                    free, column, field, self._look(column, block, field, number in block.totals | block.subtotals)
                )
            free += 1
        for column in range(block.labels - 1):
            for start, stop in _spans(block, column):
                label = block.lines[start][column]
                sheet.merge_range(row + 2 + start, column, row + 2 + stop, column, label, self._group)
        for remark in block.remarks:
            sheet.write_string(free, 0, remark, self._remark)
            free += 1
        if block.compared:
            free = self._beside_each_other(sheet, block, row, free)
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

    def _beside_each_other(self, sheet: Any, block: Block, row: int, free: int) -> int:
        """Below the table at `row`, a group of bars for each of its lines, one for each month; the row below."""
        lines = min(block.totals)  # what stands below them sums them up
        chart = self._book.add_chart({"type": "column"})
        for place, column in enumerate(block.compared):
            chart.add_series(
                {
                    "name": [sheet.name, row + 1, column],
                    "categories": [sheet.name, row + 2, 0, row + 1 + lines, 0],
                    "values": [sheet.name, row + 2, column, row + 1 + lines, column],
                    "fill": {"color": SHADES[place % len(SHADES)]},
                    "gap": 60,
                }
            )
        font = {"name": FONT, "size": 8}
        chart.set_legend({"position": "bottom", "font": font})
        chart.set_x_axis({"num_font": font, "major_tick_mark": "none"})
        chart.set_y_axis(
            {"min": 0, "num_font": font, "num_format": "0%", "major_gridlines": {"visible": True, "line": GRID}}
        )
        chart.set_chartarea({"border": {"color": "#C5CED8"}})
        chart.set_size({"width": layout.pixels(layout.widths(block)), "height": COMPARED_ROWS * ROW_PIXELS})
        sheet.insert_chart(free, 0, chart, {"y_offset": 6, "object_position": 2, "description": block.title})
        return free + COMPARED_ROWS + 1

    def stack(self, sheet: Any, block: Block, row: int, free: int) -> None:
        """Below the shares of a cross table at `row`, a bar for each of its lines, all of the same length."""
        lines = [line for number, line in enumerate(block.lines) if number not in block.totals]
        if any(HIDDEN in line[block.labels :] for line in lines):
            return
        first, last = row + 2, row + 1 + len(lines)
        chart = self._book.add_chart({"type": "bar", "subtype": "percent_stacked"})
        for place, column in enumerate(range(block.labels, len(block.header))):
            chart.add_series(
                {
                    "name": [sheet.name, row + 1, column],
                    "categories": [sheet.name, first, 0, last, block.labels - 1],
                    "values": [sheet.name, first, column, last, column],
                    "fill": {"color": SHADES[place % len(SHADES)]},
                    "gap": 40,
                }
            )
        font = {"name": FONT, "size": 8}
        chart.set_legend({"position": "bottom", "font": font})
        chart.set_y_axis({"reverse": True, "num_font": font, "major_tick_mark": "none", "interval_unit": 1})
        chart.set_x_axis({"num_font": font, "num_format": "0%", "major_gridlines": {"visible": True, "line": GRID}})
        chart.set_chartarea({"border": {"color": "#C5CED8"}})
        chart.set_size({"width": layout.pixels(layout.widths(block)), "height": layout.stack_pixels(block)})
        sheet.insert_chart(free, 0, chart, {"object_position": 2, "description": block.title})

    def _look(self, column: int, block: Block, field: Field, total: bool) -> Any:
        if column < block.labels or (isinstance(field, str) and field != HIDDEN):
            return self._looks[total, "label"]
        kind = "share" if isinstance(field, Share) else "mean" if isinstance(field, float) else "count"
        return self._looks[total, kind]


def _spans(block: Block, column: int) -> Iterator[tuple[int, int]]:
    """First and last line of each label of an outer question that stands for several lines."""
    starts = [number for number, line in enumerate(block.lines) if line[column] != ""]
    for start, following in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        if following - start > 1 and start not in block.totals:
            yield start, following - 1
