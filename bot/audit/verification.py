"""Reading the chain: walk it row by row and say what was changed, removed, put in or put elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from sqlalchemy import BigInteger, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.audit.chain import GENESIS, Head, digest, head
from bot.audit.tables import audit_log

_NEIGHBOURS = 8  # how far from its place a row is looked for before it counts as changed
_FINDINGS = 100  # nobody reads more, and a chain that is rubbish throughout must not fill the memory

Kind = Literal["changed", "missing", "inserted", "moved", "unlinked", "head"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the rows `first` to `last`.

    - `changed`: their contents do not fit their hash.
    - `missing`: they are gone, in the middle or at the end.
    - `inserted`: they were put in, or hung on behind the head.
    - `moved`: genuine rows, but under another number than they were written with.
    - `unlinked`: the row does not continue the one before it: one of the two was replaced.
    - `head`: the head is lost, or names another hash than the row does; so does a noted head of the row it names.
    """

    kind: Kind
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the chain saw: how many rows, the head as the rows give it, and what is wrong."""

    count: int
    head: Head
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


async def verify(db: AsyncConnection, *noted: Head | None) -> Verification:
    """Walk the whole chain and say what is wrong; `noted` are heads that were once written down elsewhere.

    Rows are streamed, so the memory needed does not grow with the log. After 100 findings the walk stops. Give it a
    fresh `Database.snapshot()`: what is appended meanwhile must not look like rows that the head does not know.
    """
    if db.dialect.name == "postgresql" and not db.in_transaction():
        await db.execution_options(isolation_level="REPEATABLE READ")
    walk = _Walk([each for each in noted if each is not None])
    # The moment as it lies there: one that somebody has spoiled must not stop the walk.
    columns = [type_coerce(column, BigInteger) if column.name == "at" else column for column in audit_log.c]
    query = select(*columns).order_by(audit_log.c.seq).execution_options(yield_per=2000)
    async with db.stream(query) as rows:
        async for row in rows:
            walk.see(row)
            if len(walk.findings) >= _FINDINGS:
                break
        else:
            walk.finish(await head(db))
    return Verification(walk.count, Head(walk.seq, walk.hash), tuple(walk.findings))


class _Walk:
    """Where the walk stands; `see()` takes the rows in the order of their numbers."""

    def __init__(self, noted: Sequence[Head]) -> None:
        self.findings: list[Finding] = []
        self.count = 0
        self.seq = 0  # the number of the row seen last
        self.hash = GENESIS  # and its hash
        self._hash_before = ""  # and the hash of the row before it
        self._shift = 0  # by how much the rows here were renumbered
        self._noted: dict[int, set[str]] = {}
        for each in noted:
            self._noted.setdefault(each.count, set()).add(each.hash)
        self._longest = max(noted, key=lambda each: each.count, default=None)

    def see(self, row: Sequence[Any]) -> None:
        seq, previous_hash, sealed = row[0], row[-2], row[-1]
        gap = seq > self.seq + 1
        if gap:
            self._find("missing", self.seq + 1, seq - 1)
        origin = self._origin(row)
        if origin is None:
            self._find("changed", seq)
        elif origin != seq:
            self._find("moved", seq)
        if previous_hash != self.hash:
            if previous_hash == self._hash_before:
                self._find("inserted", self.seq)
            elif origin is not None and not gap:
                self._find("unlinked", seq)
        if (known := self._noted.get(seq)) is not None and known != {sealed}:
            self._find("head", seq)
        self.count += 1
        self.seq, self.hash, self._hash_before = seq, sealed, self.hash

    def finish(self, kept: Head | None) -> None:
        """Compare the end with the head that was kept and the one that was noted."""
        for known in (kept, self._longest):
            if known is not None and known.count > self.seq:
                self._find("missing", self.seq + 1, known.count)
        if kept is None:
            if self.count:
                self._find("head", self.seq)
        elif kept.count < self.seq:
            self._find("inserted", kept.count + 1, self.seq)
        elif kept.count == self.seq and kept.hash != self.hash:
            self._find("head", self.seq)

    def _origin(self, row: Sequence[Any]) -> int | None:
        """The number the row was written with: its own, a neighbouring one if it was renumbered, None if changed."""
        seq, *rest, sealed = row
        if not all(isinstance(value, int | str) for value in row):
            return None  # SQLite lets bytes and fractions into any column
        for shift in chain((0, self._shift), *((-step, step) for step in range(1, _NEIGHBOURS + 1))):
            if digest(seq + shift, *rest) == sealed:
                self._shift = shift
                return int(seq + shift)
        return None

    def _find(self, kind: Kind, first: int, last: int | None = None) -> None:
        """Add a finding, or widen one of the last few by it: a renumbered chain is one finding, not a million."""
        last = first if last is None else last
        for position in range(max(0, len(self.findings) - 3), len(self.findings)):
            known = self.findings[position]
            if known.kind == kind and known.first <= first <= known.last + 1:
                self.findings[position] = Finding(kind, known.first, max(last, known.last))
                return
        self.findings.append(Finding(kind, first, last))
