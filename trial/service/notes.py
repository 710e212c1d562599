"""Notes: what must not drown in the conversation, such as schedules, minutes, progress, tasks.

Every member of a room may read, rewrite and take away its notes, whatever history they may see.
"""

from __future__ import annotations

from typing import Any

from trial.service import rooms
from trial.service.change import Change
from trial.service.ids import moment, number
from trial.service.models import Note, NoteFrame, Notes, RewriteNote, WriteNote
from trial.service.problems import Conflict, NotFound

_COLUMNS = "id, room, author, kind, title, text, version, updated_at"


def write(change: Change, author: str, room: int, note: WriteNote) -> Note:
    """Add a note to a room."""
    identifier = change.insert(
        "INSERT INTO notes (room, author, kind, title, text, version, updated_at) VALUES (?, ?, ?, ?, ?, 1, ?)",
        room,
        author,
        note.kind,
        note.title,
        note.text,
        change.at,
    )
    return _tell(change, identifier)


def rewrite(change: Change, member: str, identifier: str, note: RewriteNote) -> Note:
    """Replace a note; 409 if it is not the `version` any more that the writer had read."""
    found = _find(change, member, identifier)
    if note.version is not None and note.version != found.version:
        raise Conflict(f"Note {identifier} is at version {found.version} by now; read it again and rewrite that.")
    row = number("n", identifier)
    change.db.execute(
        "UPDATE notes SET kind = ?, title = ?, text = ?, version = version + 1, updated_at = ? WHERE id = ?",
        (note.kind, note.title, note.text, change.at, row),
    )
    return _tell(change, row)


def take_away(change: Change, member: str, identifier: str) -> None:
    """Delete a note."""
    found = _find(change, member, identifier)
    change.db.execute("DELETE FROM notes WHERE id = ?", (number("n", identifier),))
    readers = rooms.people(change, number("r", found.room_id))
    change.push(readers, NoteFrame(room_id=found.room_id, note_id=identifier, note=None))


def in_room(change: Change, room: int) -> Notes:
    """The notes of a room, oldest first."""
    found = change.rows(f"SELECT {_COLUMNS} FROM notes WHERE room = ? ORDER BY id", room)  # noqa: S608 # our own names
    return Notes(notes=[_note(row) for row in found])


def _find(change: Change, member: str, identifier: str) -> Note:
    row = change.row(
        f"SELECT {_COLUMNS} FROM notes WHERE id = ? AND EXISTS"  # noqa: S608 # our own names
        " (SELECT 1 FROM members WHERE members.room = notes.room AND member = ?)",
        number("n", identifier),
        member,
    )
    if row is None:
        raise NotFound(f"There is no note {identifier} that you can see.")
    return _note(row)


def _tell(change: Change, identifier: int) -> Note:
    note = _note(change.row(f"SELECT {_COLUMNS} FROM notes WHERE id = ?", identifier))  # noqa: S608 # our own names
    readers = rooms.people(change, number("r", note.room_id))
    change.push(readers, NoteFrame(room_id=note.room_id, note_id=note.note_id, note=note))
    return note


def _note(row: Any) -> Note:
    identifier, room, author, kind, title, text, version, updated_at = row
    return Note(
        note_id=f"n{identifier}",
        room_id=f"r{room}",
        author=author,
        kind=kind,
        title=title,
        text=text,
        version=version,
        updated_at=moment(updated_at),
    )
