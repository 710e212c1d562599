"""`evaluation.xlsx`: the judgement on the first sheet, a sheet a chapter, native charts; ready to print on A4."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

import xlsxwriter

from trial.evaluation import wording
from trial.evaluation.paper import Paper
from trial.evaluation.table import Cell, Chapter, Kind, Table

FONT = "Yu Gothic"
FORMATS: dict[Kind, str] = {
    "text": "@",
    "words": "@",
    "count": "#,##0",
    "share": "0.0%",
    "minutes": "#,##0",
    "hours": "#,##0.0",
    "yen": "#,##0",
    "points": "#,##0.00",
}
COLOURS = ("#2F6F8F", "#E0A030", "#7A9E4F")
LABEL_WIDTH, NUMBER_WIDTH, WORDS_WIDTH = 30, 13, 34  # characters of the sheet's own font
LINE, EDGE, DEFAULT_ROW = 17, 6, 20  # pixels of a line of text, around it, and of a row left alone
CHART_WIDTH, CHART_HEIGHT = 640, 240
PORTRAIT, LANDSCAPE = (700, 980), (1_030, 640)
"""Pixels of an A4 page between its margins, wide and high, at full size."""
PACKED = 0.9
"""How much of a page is filled before a break: programs differ in how high they draw a row."""


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
        self._plain = style(font_color="#5A6B79")
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
        """The first sheet: every criterion, then every figure that one may name."""
        texts, paper = self._texts, self._paper
        widths = (LABEL_WIDTH, LABEL_WIDTH, 15, 15, 13, 16)
        sheet, row = self._sheet(texts("criteria"), texts("title"), len(widths))
        for place, width in enumerate(widths):
            sheet.set_column(place, place, width)
        names = [texts(f"judged.{name}") for name in ("criterion", "figure", "value", "bar", "verdict", "nature")]
        self._row(sheet, row, [(name, self._header) for name in names], widths)
        for each in paper.judgements:
            row += 1
            cells = [
                (each.criterion.name, self._label),
                (texts(f"figure.{each.figure.key}.label"), self._label),
                (wording.figure(each.figure, texts), self._dash),
                (wording.bar(each.criterion, texts), self._dash),
                (texts(f"verdict.{each.verdict}"), self._verdicts[each.verdict]),
                (wording.mark(each.figure.nature, paper.simulated, texts), self._label),
            ]
            self._row(sheet, row, cells, widths)
        row += 2
        sheet.write_string(row, 0, texts("figures"), self._heading)
        row += 1
        names = [texts(f"judged.{name}") for name in ("figure", "definition", "value", "source", "nature")]
        self._row(sheet, row, [(name, self._header) for name in (*names[:4], "", names[4])], widths)
        for figure in paper.figures.values():
            row += 1
            source = texts(f"figure.{figure.key}.source")
            cells = [
                (texts(f"figure.{figure.key}.label"), self._label),
                (texts(f"figure.{figure.key}.definition"), self._label),
                (wording.figure(figure, texts), self._dash),
                ("", self._label),
                ("", self._label),
                (wording.mark(figure.nature, paper.simulated, texts), self._label),
            ]
            height = self._row(sheet, row, cells, widths)
            sheet.merge_range(row, 3, row, 4, source, self._label)
            sheet.set_row_pixels(row, max(height, _height(source, widths[3] + widths[4]) + EDGE))

    def chapter(self, chapter: Chapter) -> None:
        """A sheet with the chapter's tables, each with its chart, none cut in two where it fits on a page."""
        most = max([2, *(len(table.columns) for table in chapter.tables)])
        widths = [LABEL_WIDTH] + [NUMBER_WIDTH] * (most - 1)
        for table in chapter.tables:
            for place, column in enumerate(table.columns):
                if column.kind == "words":
                    widths[place] = WORDS_WIDTH
        sheet, row = self._sheet(chapter.title, chapter.title, most)
        for place, width in enumerate(widths):
            sheet.set_column(place, place, width)
        across = sum(_pixels(width) for width in widths)
        page = LANDSCAPE if across > PORTRAIT[0] * 1.8 else PORTRAIT
        if page is LANDSCAPE:
            sheet.set_landscape()
        high = PACKED * page[1] * max(1.0, across / page[0])
        if not chapter.tables:
            sheet.write_string(row, 0, self._texts("empty"))
        used, breaks = 5 * (LINE + EDGE), []
        for table in chapter.tables:
            begins = row
            row, height = self._table(sheet, table, row, widths)
            if used + height > high and begins > 4:
                breaks.append(begins)
                used = 0
            used += height
        sheet.set_h_pagebreaks(breaks)

    def _sheet(self, name: str, title: str, width: int) -> tuple[Any, int]:
        """A sheet with the title and whose figures these are; the first free row."""
        sheet = self._book.add_worksheet(name[:31])
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
        sheet.hide_gridlines(2)
        sheet.set_footer("&C&P / &N")
        sheet.write_string(0, 0, title, self._title)
        period = self._texts("until", starts=self._paper.starts, ends=self._paper.ends)
        sheet.write_string(1, 0, period, self._plain)
        sheet.merge_range(2, 0, 2, max(1, width - 1), self._paper.notice, self._notice)
        sheet.set_row_pixels(2, 2 * LINE + EDGE)
        return sheet, 4

    def _table(self, sheet: Any, table: Table, row: int, widths: Sequence[int]) -> tuple[int, int]:
        """A table with what it means and its chart below; the first free row, and how many pixels all that is high."""
        texts = self._texts
        mark = wording.mark(table.nature, self._paper.simulated, texts)
        sheet.write_string(row, 0, f"{table.title}〔{mark}〕", self._heading)
        about = [f"{texts('definition')}: {table.definition}", f"{texts('source')}: {table.source}"]
        about += [table.note] if table.note else []
        sheet.merge_range(row + 1, 0, row + 1, len(widths) - 1, "\n".join(about), self._about)
        height = 2 * LINE + sum(_height(line, sum(widths)) for line in about)
        sheet.set_row_pixels(row + 1, height - 2 * LINE)
        header = row + 2
        titles = [self._titled(column.title, column.kind) for column in table.columns]
        height += self._row(sheet, header, [(title, self._header) for title in titles], widths)
        for offset, cells in enumerate(table.rows, start=1):
            looks = [(cell, self._look(cell, column.kind)) for cell, column in zip(cells, table.columns, strict=True)]
            height += self._row(sheet, header + offset, looks, widths)
        free = header + len(table.rows) + 2
        if not table.charted or not table.rows:
            return free, height
        rows = -(-CHART_HEIGHT // DEFAULT_ROW)
        sheet.insert_chart(
            free, 0, self._chart(sheet, table, header), {"object_position": 1, "description": table.title}
        )
        return free + rows + 1, height + (rows + 1) * DEFAULT_ROW

    def _row(self, sheet: Any, row: int, cells: Sequence[tuple[Cell, Any]], widths: Sequence[int]) -> int:
        """A row of cells, as high as its longest text needs: not every program finds that out by itself."""
        height = LINE + EDGE
        for place, (cell, look) in enumerate(cells):
            sheet.write(row, place, wording.MISSING if cell is None else cell, look)
            if isinstance(cell, str):
                height = max(height, _height(cell, widths[place]) + EDGE)
        sheet.set_row_pixels(row, height)
        return height

    def _chart(self, sheet: Any, table: Table, header: int) -> Any:
        """A native chart of the table's charted columns."""
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
        chart.set_title({"name": table.title[:60], "name_font": {"size": 10, "name": FONT}})
        chart.set_x_axis({"num_font": {"name": FONT, "size": 8}})
        lines = {"visible": True, "line": {"color": "#DBE2E8"}}
        axis = {"min": 0, "num_format": "0%" if share else "#,##0", "major_gridlines": lines}
        chart.set_y_axis(axis | {"max": 1} if share else axis)
        one = len(table.charted) == 1
        chart.set_legend({"none": True} if one else {"position": "bottom", "font": {"name": FONT}})
        chart.set_size({"width": CHART_WIDTH, "height": CHART_HEIGHT})
        return chart

    def _look(self, cell: Cell, kind: Kind) -> Any:
        if cell is None:
            return self._dash
        return self._label if isinstance(cell, str) else self._numbers[kind]

    def _titled(self, title: str, kind: Kind) -> str:
        """A column's title with the unit that the bare numbers below it are in."""
        return self._texts(f"titled.{kind}", title=title) if kind in {"minutes", "hours", "yen"} else title


def _pixels(width: int) -> int:
    return 7 * width + 5


def _height(text: str, width: int) -> int:
    """Pixels that a text takes in a column of so many characters; Japanese characters are two wide."""
    wide = sum(2 if unicodedata.east_asian_width(sign) in "FWA" else 1 for sign in text)
    return LINE * max(1, -(-wide // max(1, width - 1)))
