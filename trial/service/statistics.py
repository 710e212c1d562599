"""What the service counts, from what its members see: the witness for what the bot says it did."""

from __future__ import annotations

from trial.service.change import Change
from trial.service.models import ReferenceCount, RoomCount, Statistics

_SECONDS_TO_TOKYO = 9 * 3_600
"""Japan has kept one offset, without summer time, since 1952."""


def count(change: Change) -> Statistics:
    """Everything as it stands now; deleted messages are not seen and not counted."""
    users, pairs, messages, files = change.row(
        "SELECT (SELECT COUNT(*) FROM people), (SELECT COUNT(*) FROM rooms WHERE kind = 'pair'),"
        " (SELECT COUNT(*) FROM messages WHERE NOT deleted), (SELECT COUNT(*) FROM files)"
    )
    groups, largest = change.row(
        "SELECT COUNT(*), COALESCE(MAX(size), 0) FROM (SELECT COUNT(members.member) AS size FROM rooms"
        " LEFT JOIN members ON room = rooms.id AND member >= 'u' WHERE kind = 'group' GROUP BY rooms.id)"
    )
    return Statistics(
        users=users,
        rooms=RoomCount(count=groups, largest=largest, pairs=pairs),
        messages=messages,
        files=files,
        references=_references(change),
        active=dict(_active(change)),
    )


def _references(change: Change) -> dict[str, ReferenceCount]:
    rows = change.rows(
        "SELECT reference, COUNT(DISTINCT member), COUNT(DISTINCT CASE WHEN since < id THEN member END),"
        " COALESCE(SUM(since < id), 0) FROM messages LEFT JOIN members ON members.room = messages.room"
        " AND member >= 'u' WHERE reference IS NOT NULL AND NOT deleted GROUP BY reference ORDER BY MIN(id)"
    )
    return {
        reference: ReferenceCount(members=members, delivered=delivered, copies=copies, duplicates=copies - delivered)
        for reference, members, delivered, copies in rows
    }


def _active(change: Change) -> list[tuple[str, int]]:
    month = "strftime('%Y-%m', {} / 1000000 + " + str(_SECONDS_TO_TOKYO) + ", 'unixepoch')"
    acts = (("messages", "sender", "sent_at"), ("presses", "member", "at"), ("read_marks", "member", "at"))
    # A union of what is distinct in each already: the marks are by far the most.
    union = " UNION ".join(
        f"SELECT {month.format(at)} AS month, {who} AS who FROM {table} WHERE {who} >= 'u'"  # noqa: S608 # our own names
        for table, who, at in acts
    )
    return change.rows(f"SELECT month, COUNT(*) FROM ({union}) GROUP BY month ORDER BY month")  # noqa: S608 # as above
