"""People and bots: who they are, how they sign in, how a call is known to be theirs.

Only hashes of tokens are stored: whoever reads the file can call nothing. A random token of 256 bits needs no slow
hash; SHA-256 finds it by key.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from trial.service import rooms
from trial.service.change import Change
from trial.service.ids import number
from trial.service.models import BotAccess, Me, NewUser, User, UserId, UserIds, Users
from trial.service.problems import NotFound, Unprocessable


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def person_with(change: Change, token: str) -> str | None:
    """Whose session this is."""
    row = change.row("SELECT person FROM sessions WHERE token = ?", token_hash(token))
    return None if row is None else f"u{row[0]}"


def bot_with(change: Change, token: str) -> str | None:
    """Which bot's token this is."""
    row = change.row("SELECT id FROM bots WHERE token = ?", token_hash(token))
    return None if row is None else f"b{row[0]}"


def open_session(change: Change, person: int) -> str:
    """A new token; it lives until its person signs out or gets another password."""
    token = secrets.token_urlsafe(32)
    values = (token_hash(token), person, change.at)
    change.db.execute("INSERT INTO sessions (token, person, opened_at) VALUES (?, ?, ?)", values)
    return token


def close_session(change: Change, token: str) -> None:
    """Sign out."""
    change.db.execute("DELETE FROM sessions WHERE token = ?", (token_hash(token),))


def put_people(change: Change, people: Sequence[NewUser], hashes: Sequence[str | None]) -> tuple[UserIds, list[str]]:
    """Make or change people by their logins; a new hash signs out wherever the old password was used.

    Returns the ids of all, and of those who were signed out.
    """
    signed_out: list[str] = []
    everybody = rooms.announcements(change)
    answer: list[UserId] = []
    for person, password in zip(people, hashes, strict=True):
        known = change.row("SELECT id FROM people WHERE login = ?", person.login)
        if known is None:
            identifier = change.insert(
                "INSERT INTO people (login, name, department, password, can_broadcast) VALUES (?, ?, ?, ?, ?)",
                person.login,
                person.name,
                person.department,
                password,
                person.can_broadcast,
            )
            last = change.row("SELECT last_message FROM rooms WHERE id = ?", everybody)[0]
            change.insert(
                "INSERT INTO members (room, member, since, read_upto, counts) VALUES (?, ?, ?, 0, 0)",
                everybody,
                f"u{identifier}",
                last,
            )
        else:
            identifier = known[0]
            change.db.execute(
                "UPDATE people SET name = ?, department = ?, can_broadcast = ?, password = COALESCE(?, password)"
                " WHERE id = ?",
                (person.name, person.department, person.can_broadcast, password, identifier),
            )
            if password is not None:
                change.db.execute("DELETE FROM sessions WHERE person = ?", (identifier,))
                signed_out.append(f"u{identifier}")
        answer.append(UserId(login=person.login, user_id=f"u{identifier}"))
    return UserIds(users=answer), signed_out


def me(change: Change, person: str) -> Me:
    row = change.row("SELECT login, name, department, can_broadcast FROM people WHERE id = ?", number("u", person))
    return Me(user_id=person, login=row[0], name=row[1], department=row[2], can_broadcast=bool(row[3]))


def people(change: Change, query: str, limit: int, cursor: str | None) -> Users:
    """People by their ids, after `cursor`, whose name, login or department contains `query`."""
    after = 0
    if cursor is not None:
        try:
            after = number("u", cursor)
        except NotFound:
            raise Unprocessable("cursor: send the next_cursor of the page before, as it came.") from None
    found = change.rows(
        "SELECT id, login, name, department FROM people WHERE id > ? AND (? = '' OR instr(name, ?) OR instr(login, ?)"
        " OR instr(department, ?)) ORDER BY id LIMIT ?",
        after,
        query,
        query,
        query,
        query,
        limit + 1,
    )
    users = [User(user_id=f"u{row[0]}", login=row[1], name=row[2], department=row[3]) for row in found[:limit]]
    return Users(users=users, next_cursor=users[-1].user_id if len(found) > limit else None)


def put_bot(change: Change, name: str, callback_url: str) -> BotAccess:
    """Make a bot or, by its name, give a known one this address and a new token; its secret stays."""
    token = secrets.token_urlsafe(32)
    known = change.row("SELECT id, secret FROM bots WHERE name = ?", name)
    if known is None:
        secret = secrets.token_urlsafe(32)
        identifier = change.insert(
            "INSERT INTO bots (name, callback_url, token, secret) VALUES (?, ?, ?, ?)",
            name,
            callback_url,
            token_hash(token),
            secret,
        )
    else:
        identifier, secret = known
        values = (callback_url, token_hash(token), identifier)
        change.db.execute("UPDATE bots SET callback_url = ?, token = ? WHERE id = ?", values)
    return BotAccess(bot_id=f"b{identifier}", token=token, secret=secret)


def move_bot(change: Change, bot: str, callback_url: str) -> int:
    """Give a bot another address; its number."""
    identifier = _bot(change, bot)
    change.db.execute("UPDATE bots SET callback_url = ? WHERE id = ?", (callback_url, identifier))
    return identifier


def reset_token(change: Change, bot: str) -> str:
    """A new token; the old one is worth nothing from here on."""
    identifier = _bot(change, bot)
    token = secrets.token_urlsafe(32)
    change.db.execute("UPDATE bots SET token = ? WHERE id = ?", (token_hash(token), identifier))
    return token


def _bot(change: Change, bot: str) -> int:
    identifier = number("b", bot)
    if change.row("SELECT 1 FROM bots WHERE id = ?", identifier) is None:
        raise NotFound(f"There is no bot {bot}.")
    return identifier
