"""Finished sheets in the database: with their participants while a survey is open, by lot once it is closed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import orjson
from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from surveys.definition import Answer, Definition
from surveys.tables import survey_participants, survey_sheets
from surveys.vault import Vault, owner, read_many, read_plain

BATCH = 1_000


async def finished(
    db: AsyncConnection, vault: Vault, survey: Row[Any], definition: Definition
) -> AsyncIterator[list[dict[str, Answer]]]:
    """Every finished sheet of a survey, open or closed, in batches; in no order that means anything."""
    if survey.state == "open":
        async for batch in _with_their_owners(db, vault, survey, _of_participants(survey.id)):
            yield [definition.cleaned(sheet) for _, sheet in batch]
    else:
        bodies = await db.stream_scalars(
            select(survey_sheets.c.body)
            .where(survey_sheets.c.survey_id == survey.id)
            .execution_options(yield_per=BATCH)
        )
        # By batches: to await each row by itself takes longer than all the counting.
        async for partition in bodies.partitions():
            yield read_many(partition)


async def finished_by_member(
    db: AsyncConnection, vault: Vault, survey: Row[Any], definition: Definition
) -> AsyncIterator[list[tuple[int | None, dict[str, Answer]]]]:
    """Like `finished`, each sheet with the id of its member; None where the survey does not keep it."""
    if survey.state == "open":
        async for batch in _with_their_owners(db, vault, survey, _of_participants(survey.id)):
            yield [(member_id, definition.cleaned(sheet)) for member_id, sheet in batch]
        return
    rows = await db.stream(
        select(survey_sheets.c.member_id, survey_sheets.c.body)
        .where(survey_sheets.c.survey_id == survey.id)
        .order_by(survey_sheets.c.member_id)
        .execution_options(yield_per=BATCH)
    )
    async for partition in rows.partitions():
        yield [(member_id, read_plain(body)) for member_id, body in partition]


async def put_away(db: AsyncConnection, vault: Vault, survey: Row[Any], definition: Definition) -> int:
    """Move the finished sheets of a closing survey to where they stay and empty the rest; how many they are.

    For an anonymous survey this cuts the thread: no name, an id drawn by lot, and rows written in the order of the
    lot, as a disk keeps rows in the order in which they came. Sheets that were not finished are dropped: how far
    somebody got can be told from the questions they were sent.
    """
    locked = _of_participants(survey.id).with_for_update()
    rows = [
        {
            "id": secrets.token_hex(16),
            "survey_id": survey.id,
            "member_id": None if definition.anonymous else member_id,
            "body": orjson.dumps(definition.cleaned(sheet)).decode(),
        }
        async for batch in _with_their_owners(db, vault, survey, locked)
        for member_id, sheet in batch
    ]
    await store(db, rows)
    await db.execute(
        update(survey_participants)
        .where(survey_participants.c.survey_id == survey.id)
        .values(sheet=None, awaiting=None, asked_at=None)
    )
    return len(rows)


async def store(db: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Write rows of `survey_sheets` in the order of their ids, which were drawn by lot."""
    rows.sort(key=lambda row: str(row["id"]))
    for start in range(0, len(rows), BATCH):
        await db.execute(insert(survey_sheets), rows[start : start + BATCH])


def _of_participants(survey_id: int) -> Select[Any]:
    return (
        select(survey_participants.c.member_id, survey_participants.c.sheet)
        .where(
            survey_participants.c.survey_id == survey_id,
            survey_participants.c.state == "finished",
            survey_participants.c.sheet.is_not(None),
        )
        .execution_options(yield_per=BATCH)
    )


async def _with_their_owners(
    db: AsyncConnection, vault: Vault, survey: Row[Any], query: Select[Any]
) -> AsyncIterator[list[tuple[int, dict[str, Answer]]]]:
    def opened(row: Row[Any]) -> dict[str, Answer]:
        if survey.vault_key is None:
            return read_plain(row.sheet)
        return vault.unseal(survey.vault_key, owner(survey.id, row.member_id), row.sheet)

    rows = await db.stream(query)
    async for partition in rows.partitions():
        yield [(row.member_id, opened(row)) for row in partition]
