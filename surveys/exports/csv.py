"""Tables as CSV: UTF-8 with a byte order mark, or CP932 for older office software."""

from __future__ import annotations

import csv
import io
from typing import Literal

from bot.office.cp932 import to_cp932
from bot.roster.cells import harden
from bot.texts import Texts
from surveys.exports.paper import Field, Paper, all_blocks, head

Encoding = Literal["utf-8-sig", "cp932"]


def to_csv(paper: Paper, texts: Texts, encoding: Encoding = "utf-8-sig") -> tuple[bytes, tuple[str, ...]]:
    """The file, and the characters that CP932 does not have, each once; a plain form or 〓 stands there."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([paper.title])
    for line in head(paper, texts):
        writer.writerow([harmless(field) for field in line])
    for block in all_blocks(paper, texts):
        writer.writerow([])
        writer.writerow([harmless(block.title)])
        writer.writerow([harmless(field) for field in block.header])
        for fields in block.lines:
            writer.writerow([harmless(field) for field in fields])
        for remark in block.remarks:
            writer.writerow([remark])
    return encode(out.getvalue(), encoding)


def encode(text: str, encoding: Encoding) -> tuple[bytes, tuple[str, ...]]:
    """`text` as bytes, and what had to be replaced."""
    return to_cp932(text) if encoding == "cp932" else (text.encode(encoding), ())


def harmless(field: Field) -> Field:
    """What somebody wrote, so that a spreadsheet shows it and never runs it as a formula."""
    if isinstance(field, str):
        return harden(field)
    return round(field, 4) if isinstance(field, float) else field
