"""Workbooks (XLSX, transitional and strict ISO/IEC 29500): its sheets in order, each read when asked for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from bot.errors import Refused
from bot.office import limits
from bot.office.archive import Archive
from bot.office.parts import Book, Relation, Relations, Strings, Styles
from bot.office.sheet import Sheet
from bot.office.worksheet import Worksheet

_LEAF = limits.MAX_LEAF_BYTES


def read_workbook(data: bytes) -> Iterator[Sheet]:
    """The sheets of a workbook; Refused with what to mend if it is damaged, locked, too large or of another kind."""
    try:
        with Archive(data) as archive:
            yield from _sheets(archive)
    except (Refused, GeneratorExit):
        raise
    except Exception as error:  # zipfile, zlib and expat meet a damaged file with whatever their parts raise
        raise Refused("office.broken_xlsx") from error


def _sheets(archive: Archive) -> Iterator[Sheet]:
    main = next(
        (relation.target for relation in _relations(archive, "").values() if relation.kind == "officeDocument"),
        "xl/workbook.xml",
    )
    if main.lower().endswith(".bin") or "xl/workbook.bin" in archive or "content.xml" in archive:
        raise Refused("office.other_form")
    book = Book()
    archive.read(main, book, _LEAF)
    relations = _relations(archive, main)
    strings, styles = Strings(), Styles()
    for relation in relations.values():
        if relation.kind == "sharedStrings" and relation.target in archive:
            archive.read(relation.target, strings)
        elif relation.kind == "styles" and relation.target in archive:
            archive.read(relation.target, styles, _LEAF)
    formats = styles.formats()
    for tab in book.tabs:
        found = relations.get(tab.relation)
        if found is not None and found.kind != "worksheet":
            continue  # a sheet that is one chart, a dialogue or a macro
        worksheet = Worksheet(strings.found, formats, since_1904=book.since_1904)
        archive.read(relations[tab.relation].target, worksheet)
        yield worksheet.finished(tab)


def _relations(archive: Archive, part: str) -> dict[str, Relation]:
    """What a part points to, with targets as names in the archive."""
    folder, name = posixpath.split(part)
    listed = posixpath.join(folder, "_rels", f"{name}.rels")
    if listed not in archive:
        return {}
    relations = Relations()
    archive.read(listed, relations, _LEAF)
    return {
        identity: Relation(relation.kind, _target(folder, relation.target))
        for identity, relation in relations.found.items()
    }


def _target(folder: str, target: str) -> str:
    target = target.replace("\\", "/")
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
