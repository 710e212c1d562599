"""Matrix's names on one side, the house's on the other: what our messages and polls look like, what an event says.

Buttons are a poll (MSC3381) that follows the text: one event holds all choices, and an answer names the choice itself.
The text comes first and as an ordinary message, because Synapse's push rules know nothing of polls and some clients
do not show them; a number that somebody types does the same.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from bot.events import Location
from bot.messages import Button, Message

POLL = "org.matrix.msc3381.poll.start"
"""What clients send and understand today; the stable name `m.poll.start` is read as well."""
POLLS = frozenset({POLL, "m.poll.start"})
POLL_RESPONSES = frozenset({"org.matrix.msc3381.poll.response", "m.poll.response"})
POLL_ANSWERS = 20
"""Choices in one poll at most (MSC3381)."""
MESSAGE = "m.room.message"
MEMBER = "m.room.member"
REDACTION = "m.room.redaction"
ENCRYPTED = "m.room.encrypted"
ENCRYPTION = "m.room.encryption"
"""The state by which a room is encrypted from then on; it cannot be taken back."""
TOMBSTONE = "m.room.tombstone"
"""The state of a room that another has taken the place of."""
READABLE = (MESSAGE, MEMBER, REDACTION, ENCRYPTED, ENCRYPTION, TOMBSTONE, *sorted(POLLS), *sorted(POLL_RESPONSES))
"""The kinds that are asked for when the homeserver is asked what happened."""
SAID = (MESSAGE, *sorted(POLLS))
"""The kinds of events by which the bot says something."""
REFERENCE = "kairanban.reference"
"""Our field in a message's content: what it belongs to (`broadcast:12`)."""
FILES = frozenset({"m.file", "m.image", "m.video", "m.audio"})

Content = dict[str, Any]

_USER = re.compile(r"@[^\s:]+:\S+")
_GEO = re.compile(r"geo:(?P<latitude>-?\d+(\.\d+)?),(?P<longitude>-?\d+(\.\d+)?)")
_QUOTED = re.compile(r"> (?:\* ?)?<@[^\s>]+:[^\s>]+>")
_MAC_LENGTH = 16
_AFTER_NAME = frozenset({"", " ", "　", ":", "：", ",", "、", "\n"})


def is_user(id: str) -> bool:
    """Whether this is the full id of somebody, on whatever homeserver: `@yamada:example.lg.jp`."""
    return _USER.fullmatch(id) is not None


def message_id(room: str, event: str) -> str:
    """The house's id of a message: a Matrix event can be named only together with its room."""
    return f"{room}/{event}"


def room_and_event(id: str) -> tuple[str, str]:
    """The opposite; an event id begins with a dollar sign, and no room id has a slash."""
    room, _, event = id.partition("/")
    return room, event


def place(room: str, event: str, content: Mapping[str, Any]) -> str:
    """Where something was said, for the answer: the room, and the thread if it was in one."""
    relation = content.get("m.relates_to")
    if isinstance(relation, dict) and relation.get("rel_type") == "m.thread":
        root = relation.get("event_id")
        if isinstance(root, str) and root and not {" ", "\n"} & {*root, *room, *event}:
            return f"{room} {root} {event}"
    return room


def room_of(place: str) -> str:
    """The room of a `place`."""
    return place.partition(" ")[0]


def in_thread(content: Content, place: str) -> Content:
    """What is said, in the thread of a `place` if it has one."""
    match place.split(" "):
        case [_, root, event]:
            answered = {"m.in_reply_to": {"event_id": event}, "is_falling_back": True}
            return content | {"m.relates_to": {"rel_type": "m.thread", "event_id": root, **answered}}
    return content


# ---------------------------------------------------------------- outgoing


def message_content(message: Message, *, urgent: bool = False) -> Content:
    """The content of the `m.room.message`; what is `urgent` mentions the whole room.

    `m.text`, not the `m.notice` that bots are advised to use: clients do not ring for a notice, and an alarm must ring,
    also with those who have a room ring only when they are meant.
    """
    content: Content = {"msgtype": "m.text", "body": message.as_plain_text(), "m.mentions": {}}
    if message.mentions:
        content["m.mentions"]["user_ids"] = list(message.mentions)
    if urgent:
        content["m.mentions"]["room"] = True
    if message.reference is not None:
        content[REFERENCE] = message.reference
    if message.quote is not None:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": room_and_event(message.quote)[1]}}
    return content


def poll_content(buttons: Sequence[Button], question: str, room: str, event: str, key: bytes) -> Content:
    """The content of the poll that carries the buttons of the message `event`.

    Undisclosed: clients show nobody's choice while the poll is open.
    """
    choices = "\n".join(f"{number}. {button.label}" for number, button in enumerate(buttons, start=1))
    return {
        POLL: {
            "kind": "org.matrix.msc3381.poll.undisclosed",
            "max_selections": 1,
            "question": {"org.matrix.msc1767.text": question},
            "answers": [
                {"id": answer_id(room, event, button.data, key), "org.matrix.msc1767.text": button.label}
                for button in buttons[:POLL_ANSWERS]
            ],
        },
        "org.matrix.msc1767.text": f"{question}\n{choices}",
        "m.relates_to": {"rel_type": "m.reference", "event_id": event},
    }


def button_key(token: str) -> bytes:
    """The key that marks our choices, made of a secret that the homeserver and the bot share."""
    return hmac.digest(token.encode(), b"kairanban: the choices of a poll", hashlib.sha256)


def answer_id(room: str, event: str, data: str, key: bytes) -> str:
    """A choice: the button's data with the message it belongs to, under a mark.

    A client may answer a poll with any text it likes. Without the mark, whoever can write an event by hand could press
    a button that they were never shown.
    """
    return f"{_mark(room, event, data, key)}{event}/{data}"


def pressed(answer: object, room: str, key: bytes) -> tuple[str, str] | None:
    """The message and the data of a choice that we offered in this room; None for anything else."""
    if not isinstance(answer, str) or "/" not in answer:
        return None
    mark, (event, _, data) = answer[:_MAC_LENGTH], answer[_MAC_LENGTH:].partition("/")
    genuine = hmac.compare_digest(mark.encode("utf-8", "replace"), _mark(room, event, data, key).encode())
    return (event, data) if genuine and data else None


def _mark(room: str, event: str, data: str, key: bytes) -> str:
    # A slash would be the first one of the id, which is where the data begins: hence the alphabet for URLs.
    digest = hmac.digest(key, "\0".join((room, event, data)).encode("utf-8", "replace"), hashlib.sha256)
    return urlsafe_b64encode(digest[:12]).decode()


# ---------------------------------------------------------------- incoming


def choices(content: Mapping[str, Any], room: str, key: bytes) -> tuple[str, tuple[str, ...]] | None:
    """The message of one of our own polls, and the data of its choices in their order."""
    poll = next((content[name] for name in POLLS if isinstance(content.get(name), dict)), None)
    answers = poll.get("answers") if poll else None
    if not isinstance(answers, list):
        return None
    found = [pressed(answer.get("id"), room, key) for answer in answers if isinstance(answer, dict)]
    known = [each for each in found if each is not None]
    return (known[0][0], tuple(data for _, data in known)) if known else None


def chosen(content: Mapping[str, Any]) -> object:
    """The first answer of a poll's response; None where the vote was taken back."""
    for name in POLL_RESPONSES:
        response = content.get(name)
        answers = response.get("answers") if isinstance(response, dict) else None
        if answers is None and name == "m.poll.response":
            answers = content.get("m.selections")
        if isinstance(answers, list) and answers:
            return answers[0]
    return None


def number(text: str) -> int | None:
    """The position, from 0, of the choice that a message of nothing but a number names."""
    plain = unicodedata.normalize("NFKC", text).strip()
    return int(plain) - 1 if plain.isdecimal() and len(plain) <= 2 and int(plain) >= 1 else None


def without_quotation(body: str, content: Mapping[str, Any]) -> str:
    """What somebody says in a reply, without what they reply to, which many clients put before it line by line.

    Source: the client-server API, "Fallbacks for rich replies" (in force up to version 1.12).
    """
    relation = content.get("m.relates_to")
    is_reply = isinstance(relation, dict) and "m.in_reply_to" in relation
    if not body.startswith(">") or not (is_reply or _QUOTED.match(body)):
        return body
    lines = body.split("\n")
    own = next((number for number, line in enumerate(lines) if not line.startswith(">")), len(lines))
    return "\n".join(lines[own:])


def said_to(content: Mapping[str, Any], bot: str, name: str, *, direct: bool) -> str | None:
    """What somebody says to the bot, without its name in front; None for talk that is not addressed to it.

    `!` and `！` at the beginning stand for a slash: many clients keep `/` for commands of their own.
    """
    body = content.get("body")
    text = without_quotation(body, content).strip() if isinstance(body, str) else ""
    mentions = content.get("m.mentions")
    named = mentions.get("user_ids") if isinstance(mentions, dict) else None
    mentioned = isinstance(named, list) and bot in named
    for begin in (bot, f"@{name}", name):
        rest = text.removeprefix(begin)
        if rest != text and rest[:1] in _AFTER_NAME:  # also nothing at all; but not a longer word that begins alike
            text, mentioned = rest.lstrip("".join(_AFTER_NAME)), True
            break
    if not direct and not mentioned:
        return None
    return "/" + text[1:] if text[:1] in {"!", "！"} else text


def location(content: Mapping[str, Any]) -> Location | None:
    """The place in an `m.location`, if it is one on this earth."""
    found = _GEO.match(uri) if isinstance(uri := content.get("geo_uri"), str) else None
    if found is None:
        return None
    latitude, longitude = float(found["latitude"]), float(found["longitude"])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    label = content.get("body")
    return Location(latitude=latitude, longitude=longitude, label=label if isinstance(label, str) else "")


def is_edit(content: Mapping[str, Any]) -> bool:
    """Whether a message only replaces an earlier one."""
    relation = content.get("m.relates_to")
    return isinstance(relation, dict) and relation.get("rel_type") == "m.replace"


def receipts_in(ephemeral: object) -> int:
    """How many receipts a transaction brings at most, without a look at what they say."""
    contents = (
        (each.get("content") for each in ephemeral if isinstance(each, dict)) if isinstance(ephemeral, list) else ()
    )
    kinds = (kind for content in contents if isinstance(content, dict) for kind in content.values())
    return sum(
        len(people) for each in kinds if isinstance(each, dict) for people in each.values() if isinstance(people, dict)
    )
