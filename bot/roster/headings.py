"""Which column is which: the headings that Japanese rosters use, in their many spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.roster.model import Problem, folded

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "code": ("職員番号", "職員コード", "職員ID", "職員No", "社員番号", "社員コード", "staff number"),
    "name": ("氏名", "名前", "職員氏名", "職員名", "漢字氏名", "name"),
    "kana": ("フリガナ", "ふりがな", "カナ", "かな", "氏名カナ", "カナ氏名", "氏名(カナ)", "kana"),
    "department": (
        *("所属", "所属名", "所属名称", "所属部等名", "所属部署", "所属部署名", "部署", "部署名", "所属課", "所属組織"),
        *(
            "部課名",
            "部課",
            "部課室名",
            "部課係名",
            "部課係",
            "課係名",
            "組織",
            "組織名",
            "勤務先",
            "配属先",
            "department",
        ),
    ),
    "level0": ("局", "局名", "局等", "所属局", "局区", "第1階層", "所属1", "所属名1"),
    "level1": (
        "部",
        "部名",
        "部局",
        "部局名",
        "部局等",
        "部等",
        "所属部",
        "所属部名",
        "部室",
        "第2階層",
        "所属2",
        "所属名2",
    ),
    "level2": (
        *("課", "課名", "課室", "課室名", "課等", "課等名", "課所", "課所名", "課室等", "所属課名"),
        *("第3階層", "所属3", "所属名3"),
    ),
    "level3": (
        "係",
        "係名",
        "担当",
        "担当名",
        "係等",
        "所属係",
        "所属係名",
        "室",
        "室名",
        "第4階層",
        "所属4",
        "所属名4",
    ),
    "level4": ("班", "班名", "チーム", "チーム名", "第5階層", "所属5", "所属名5"),
    "post": ("役職", "役職名", "職名", "補職", "補職名", "post"),
    "rank": ("職位", "級", "職級", "等級", "rank"),
    "email": ("メール", "メールアドレス", "Eメール", "E-mail", "email", "mail"),
    "roles": ("権限", "役割", "ロール", "roles"),
    "groups": ("グループ", "グループ名", "連絡グループ", "災害連絡グループ", "groups", "group"),
    "address:logochat": ("ログインID", "LoGoチャットID", "チャットID", "login", "logochat"),
    "address:lineworks": ("LINE WORKS ID", "LINEWORKSのID", "LINE WORKS"),
    "address:line": ("LINEのユーザーID", "LINE ID", "LINE"),
    "address:matrix": ("Matrix ID", "MatrixのID", "Matrix"),
}
"""What a heading may be called; the first is the name on exports."""

LEVELS = ("level0", "level1", "level2", "level3", "level4")

_ADDRESS = re.compile(r"(?:連絡先|宛先|address):([a-z][a-z0-9_-]{0,31})")


def _plain(heading: str) -> str:
    """A heading without what only decorates it: blanks, marks for required columns, case."""
    return re.sub(r"[\s*※_・]|必須|任意", "", folded(heading)).replace("()", "").casefold()


_FIELDS = {_plain(heading): field for field, headings in SYNONYMS.items() for heading in headings}


def heading_of(field: str) -> str:
    """What a field's column is called on exports and in messages."""
    if field in SYNONYMS:
        return SYNONYMS[field][0]
    return field.replace("address:", "連絡先:")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each field stands: `at` maps field to column index, `headings` field to the heading in the file."""

    at: Mapping[str, int]
    headings: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def levels(self) -> list[int]:
        return [self.at[level] for level in LEVELS if level in self.at]

    def heading(self, field: str) -> str:
        """The file's own word for a field; for the department, of the column that tells it."""
        if field == "department" and field not in self.headings:
            field = next((level for level in LEVELS if level in self.headings), field)
        return self.headings.get(field, heading_of(field))


def find_columns(cells: Sequence[str], row: int) -> tuple[Columns | None, list[Problem]]:
    """The columns if this row is the headings: it names at least staff number and name. And what is wrong with them."""
    at: dict[str, int] = {}
    headings: dict[str, str] = {}
    ignored: list[str] = []
    problems: list[Problem] = []
    for index, cell in enumerate(cells):
        field = _field(cell)
        if field is None:
            if cell:
                ignored.append(cell)
        elif field in at:
            problems.append(Problem(row, cell, "roster.heading_twice", {"other": headings[field]}))
        else:
            at[field], headings[field] = index, cell
    if "code" not in at or "name" not in at:
        return None, []
    columns = Columns(at, headings, tuple(ignored))
    if "department" not in at and not columns.levels:
        problems.append(Problem(row, heading_of("department"), "roster.heading_missing", {}))
    return columns, problems


def _field(cell: str) -> str | None:
    plain = _plain(cell)
    address = _ADDRESS.fullmatch(plain)
    return f"address:{address[1]}" if address else _FIELDS.get(plain)
