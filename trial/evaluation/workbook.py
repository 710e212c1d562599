"""`evaluation.xlsx`: the judgement on the first sheet, a sheet a chapter, native charts; ready to print on A4."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, time
from itertools import pairwise
from typing import Any

import xlsxwriter

from trial.evaluation import wording
from trial.evaluation.measure import LINE, PADDING, pixels, wide
from trial.evaluation.measure import height as height_of
from trial.evaluation.paper import Paper
from trial.evaluation.table import Cell, Chapter, Kind, Table

FONT = "Yu Gothic"
RULER = {"font_name": "Arial", "font_size": 10}
"""The font in whose digits columns are measured: alike in Excel and, by a font of the same widths, in LibreOffice."""
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
ROOM = "_ "
"""Behind a number's format: as much room as a space is wide, before the cell's border."""
COLOURS = ("#2F6F8F", "#E0A030", "#7A9E4F")
LABEL_WIDTH, NARROWEST, WIDEST, WORDS_WIDTH = 24, 9, 30, 44  # characters of the sheet's own font
JUDGEMENT_WIDTHS = (32, 38, 14, 15, 13, 18)
EDGE, DEFAULT_ROW = 5, 20  # pixels around a cell's text, and of a row left alone
CHART_WIDTH, CHART_HEIGHT, GAP = (440, 860), 200, 16  # pixels: narrowest and widest, height, beside a table
PORTRAIT, LANDSCAPE = (700, 980), (1_030, 640)
"""Pixels of an A4 page between its margins, wide and high, at full size."""
WIDE = 1.7
"""Times the width of a page held upright, from which a sheet lies down rather than becoming small print."""
LARGEST = 0.8
"""The scale of print on sheets that are narrow, so that it is about the same on all."""
PACKED = 0.94
"""How much of a page is filled before a break: programs differ in how high they draw a row."""


def to_xlsx(paper: Paper) -> bytes:
    """The workbook; what people wrote stays text, never a formula or a link. The same paper gives the same bytes."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_format_properties": dict(RULER),  # which the library changes
    }
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
        box = {"border": 1, "border_color": "#9AA7B4"}
        right = {**box, "align": "right"}
        self._title = style(bold=True, font_size=14, font_color="#1F3F66", bottom=2, bottom_color="#2F6F8F")
        self._heading = style(bold=True, font_size=11, font_color="#1F3F66")
        self._plain = style(font_color="#5A6B79", valign="top")
        self._about = style(font_size=9, font_color="#5A6B79", text_wrap=True, valign="top")
        self._notice = style(font_color="#7A4B00", bg_color="#FFF6E3", text_wrap=True, indent=1)
        self._header = style(**box, bold=True, bg_color="#E7EEF7", text_wrap=True, align="center")
        self._label = style(**box, text_wrap=True, align="left", indent=1)
        self._dash = style(**right, indent=1)
        self._numbers = {kind: style(**right, num_format=form + ROOM) for kind, form in FORMATS.items()}
        self._verdicts = {
            "met": style(**box, bold=True, align="center", bg_color="#E5F4EC", font_color="#14603A"),
            "missed": style(**box, bold=True, align="center", bg_color="#FDECEA", font_color="#A3341F"),
            "unknown": style(**box, align="center", font_color="#5A6B79"),
        }

    def judgement(self) -> None:
        """The first sheet: every criterion, then every figure that one may name."""
        texts, paper = self._texts, self._paper
        widths = JUDGEMENT_WIDTHS
        sheet, row = self._sheet(texts("title"), len(widths), texts("criteria"))
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
        sheet.merge_range(row, 3, row, 4, names[3], self._header)
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
            sheet.set_row_pixels(row, max(height, height_of(source, widths[3] + widths[4]) + EDGE))

    def chapter(self, chapter: Chapter) -> None:
        """A sheet with the chapter's tables; a second one from where sentences among the figures begin or end.

        Sentences need wide columns, which would tear the tables of figures above or below them apart.
        """
        wordy = [any(column.kind == "words" for column in table.columns[1:]) for table in chapter.tables]
        turns = [place for place, (before, here) in enumerate(pairwise(wordy), start=1) if before != here]
        turn = turns[-1] if turns else len(wordy)
        self._tables(chapter.title, chapter.tables[:turn])
        if turn < len(wordy):
            self._tables(self._texts("continued", chapter=chapter.title), chapter.tables[turn:])

    def _tables(self, title: str, tables: Sequence[Table]) -> None:
        """A sheet with tables, each with its chart, none cut in two where it fits on a page."""
        widths = self._widths(tables)
        sheet, row = self._sheet(title, len(widths))
        for place, width in enumerate(widths):
            sheet.set_column(place, place, width)
        across = sum(pixels(width) for width in widths)
        page = LANDSCAPE if across > PORTRAIT[0] * WIDE else PORTRAIT
        if page is LANDSCAPE:
            sheet.set_landscape()
        scale = min(LARGEST, page[0] / across)
        if scale == LARGEST and across * scale < PACKED * page[0]:
            sheet.set_print_scale(round(100 * scale))
        high = PACKED * page[1] / scale
        if not tables:
            sheet.write_string(row, 0, self._texts("empty"))
        used, breaks = 5 * (LINE + EDGE), []
        for table in tables:
            begins = row
            row, height = self._table(sheet, table, row, widths)
            if used + height > high and begins > 4:
                breaks.append(begins)
                used = 2 * (LINE + EDGE)  # the title, which stands on every page
            used += height
        sheet.set_h_pagebreaks(breaks)

    def _sheet(self, title: str, width: int, name: str | None = None) -> tuple[Any, int]:
        """A sheet with the title and whose figures these are; the first free row."""
        sheet = self._book.add_worksheet((name or title)[:31])
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
        sheet.hide_gridlines(2)
        sheet.set_footer("&C&P / &N")
        sheet.repeat_rows(0, 1)
        for column in range(1, width):
            sheet.write_blank(0, column, None, self._title)
        sheet.write_string(0, 0, title, self._title)
        sheet.set_row_pixels(0, 2 * LINE)
        sheet.set_row_pixels(1, LINE + 2 * EDGE)
        period = self._texts("until", starts=self._paper.starts, ends=self._paper.last_day)
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
        height = 2 * LINE + sum(height_of(line, sum(widths)) for line in about)
        sheet.set_row_pixels(row, 2 * LINE - EDGE)
        sheet.set_row_pixels(row + 1, height - 2 * LINE + EDGE)
        header = row + 2
        titles = [self._titled(column.title, column.kind) for column in table.columns]
        tall = self._row(sheet, header, [(title, self._header) for title in titles], widths)
        for offset, cells in enumerate(table.rows, start=1):
            looks = [(cell, self._look(cell, column.kind)) for cell, column in zip(cells, table.columns, strict=True)]
            tall += self._row(sheet, header + offset, looks, widths)
        free = header + len(table.rows) + 1
        rows = self._place_chart(sheet, table, header, tall, widths) if table.charted and table.rows else 1
        for blank in range(rows):
            # Said aloud, because programs do not agree how high a row is that nobody has said anything about.
            sheet.set_row_pixels(free + blank, DEFAULT_ROW)
        return free + rows, height + tall + rows * DEFAULT_ROW

    def _place_chart(self, sheet: Any, table: Table, header: int, tall: int, widths: Sequence[int]) -> int:
        """The chart beside its table of `tall` pixels if there is room, else below; how many rows it takes below."""
        chart = self._chart(sheet, table, header)
        look = {"object_position": 2, "description": table.title}
        beside = sum(map(pixels, widths[len(table.columns) :])) - GAP
        if beside >= CHART_WIDTH[0]:
            high = max(CHART_HEIGHT, min(tall, 2 * CHART_HEIGHT))
            chart.set_size({"width": min(beside, CHART_WIDTH[1]), "height": high})
            sheet.insert_chart(header, len(table.columns), chart, look | {"x_offset": GAP})
            return max(0, -(-(high - tall) // DEFAULT_ROW)) + 1
        across = sum(map(pixels, widths))
        chart.set_size({"width": min(max(across, CHART_WIDTH[0]), CHART_WIDTH[1]), "height": CHART_HEIGHT})
        sheet.insert_chart(header + len(table.rows) + 1, 0, chart, look | {"y_offset": GAP // 2})
        return -(-(CHART_HEIGHT + GAP) // DEFAULT_ROW) + 1

    def _widths(self, tables: Sequence[Table]) -> list[int]:
        """Characters of each column of a sheet: as its widest cell in any of the tables needs.

        A narrow sheet gets an empty column at its right, so that all are about as wide as a page.
        """
        widths = [LABEL_WIDTH, *[NARROWEST] * (max([2, *(len(table.columns) for table in tables)]) - 1)]
        for table in tables:
            for place, column in enumerate(table.columns):
                title = self._titled(column.title, column.kind)
                cells = [wide(self._printed(row[place], column.kind)) for row in table.rows]
                needed = min(max([-(-wide(title) // 2), *cells]) + PADDING, WIDEST)
                widths[place] = max(widths[place], WORDS_WIDTH if column.kind == "words" else needed)
        left = int(PORTRAIT[0] * PACKED / LARGEST) - sum(map(pixels, widths))
        return [*widths, left // 7] if left > 0 else widths

    def _row(self, sheet: Any, row: int, cells: Sequence[tuple[Cell, Any]], widths: Sequence[int]) -> int:
        """A row of cells, as high as its longest text needs: not every program finds that out by itself."""
        height = LINE + EDGE
        for place, (cell, look) in enumerate(cells):
            sheet.write(row, place, wording.MISSING if cell is None else cell, look)
            if isinstance(cell, str):
                height = max(height, height_of(cell, widths[place]) + EDGE)
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
        chart.set_chartarea({"border": {"color": "#C5CED8"}})
        return chart

    def _look(self, cell: Cell, kind: Kind) -> Any:
        if cell is None:
            return self._dash
        return self._label if isinstance(cell, str) else self._numbers[kind]

    @staticmethod
    def _printed(cell: Cell, kind: Kind) -> str:
        """What the cell's format shows, to measure."""
        if not isinstance(cell, int | float):
            return cell or wording.MISSING
        return {"share": "100.0%", "points": f"{cell:,.2f}", "hours": f"{cell:,.1f}"}.get(kind, f"{cell:,.0f}")

    def _titled(self, title: str, kind: Kind) -> str:
        """A column's title with the unit that the bare numbers below it are in."""
        return self._texts(f"titled.{kind}", title=title) if kind in {"minutes", "hours", "yen"} else title
