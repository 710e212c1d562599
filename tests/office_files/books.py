"""Workbooks written by hand, as other programs write them and openpyxl does not."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
STRICT_MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
STRICT_RELATIONS = "http://purl.oclc.org/ooxml/officeDocument/relationships"


def book(
    *sheets: str,
    styles: str = "",
    strings: str = "",
    strict: bool = False,
    names: Sequence[str] = (),
    states: Sequence[str] = (),
    encoding: str = "utf-8",
) -> bytes:
    """An XLSX whose sheets hold the given XML between <worksheet> and </worksheet>."""
    main, relations = (STRICT_MAIN, STRICT_RELATIONS) if strict else (MAIN, RELATIONS)
    tabs, links = [], []
    parts: dict[str, str] = {}
    for number, body in enumerate(sheets, 1):
        name = names[number - 1] if names else f"Sheet{number}"
        state = f' state="{states[number - 1]}"' if states and states[number - 1] else ""
        tabs.append(f'<sheet name="{name}" sheetId="{number}"{state} r:id="rId{number}"/>')
        links.append(_link(f"rId{number}", f"{relations}/worksheet", f"worksheets/sheet{number}.xml"))
        parts[f"xl/worksheets/sheet{number}.xml"] = f'<worksheet xmlns="{main}">{body}</worksheet>'
    if styles:
        links.append(_link("rId901", f"{relations}/styles", "styles.xml"))
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{main}">{styles}</styleSheet>'
    if strings:
        links.append(_link("rId902", f"{relations}/sharedStrings", "/xl/sharedStrings.xml"))
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{strings}</sst>'
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{"".join(tabs)}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{"".join(links)}</Relationships>'
    parts["_rels/.rels"] = (
        f'<Relationships xmlns="{PACKAGE}">{_link("rId1", f"{relations}/officeDocument", "xl/workbook.xml")}'
        "</Relationships>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, xml in parts.items():
            archive.writestr(part, f'<?xml version="1.0" encoding="{encoding}"?>{xml}'.encode(encoding))
    return buffer.getvalue()


def text(place: str, words: str) -> str:
    """A cell with its words in itself."""
    return f'<c r="{place}" t="inlineStr"><is><t>{words}</t></is></c>'


def row(*cells: str) -> str:
    """A row that says neither its number nor its cells' places."""
    return f"<row>{''.join(cells)}</row>"


def data(*rows: str) -> str:
    """Rows as the body of a sheet."""
    return f"<sheetData>{''.join(rows)}</sheetData>"


def styled(*codes: str) -> str:
    """Styles whose number n shows with the n-th format code."""
    formats = "".join(f'<numFmt numFmtId="{200 + n}" formatCode="{code}"/>' for n, code in enumerate(codes))
    cells = "".join(f'<xf numFmtId="{200 + n}"/>' for n in range(len(codes)))
    return f'<numFmts>{formats}</numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs>{cells}</cellXfs>'


def _link(identity: str, kind: str, target: str) -> str:
    return f'<Relationship Id="{identity}" Type="{kind}" Target="{target}"/>'
