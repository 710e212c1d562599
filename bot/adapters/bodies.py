"""The outermost form of a webhook's body, which most platforms share: JSON, an object, and in it a list of events.

One event that is no JSON (half an emoji, a byte that is no UTF-8, a number beyond all bounds) makes the whole body
none. The others beside it are somebody's words all the same: then the body is taken apart at its brackets, and each
event is read by itself.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from bot.bounds import EVENTS_AT_ONCE, bounded
from bot.errors import MalformedPayload
from bot.events import Unreadable

_STRING = rb'"(?:[^"\\]|\\.)*+"?'  # one that does not end goes on to the end: nothing is looked at twice
_TOKEN = re.compile(_STRING + rb"|[\[\]{},]", re.DOTALL)
_NAME = re.compile(rb"\s*(" + _STRING + rb")\s*:", re.DOTALL)
_HALVES = re.compile("[\ud800-\udfff]")
_OPENING, _CLOSING = frozenset((b"[", b"{")), frozenset((b"]", b"}"))
TOKENS = 300_000
"""Brackets, commas and strings that are looked at in a body that is no JSON; about a quarter of a second."""


def document_in(body: bytes, what: str = "callback") -> Any:
    """What the body of a `what` says in JSON; raises `MalformedPayload` if it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedPayload(f"The body of a {what} must be JSON: {error}.") from None


def events_in(body: bytes, what: str = "callback") -> tuple[list[Any], dict[str, Any]]:
    """The list of `events` in a body, `bounded`, and the object that it stands in.

    An event that is no JSON is `Unreadable`, beside those that are. Raises `MalformedPayload` if there is no list.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        document = _parted(body)
        if document is None:
            raise MalformedPayload(f"The body of a {what} must be JSON: {error}.") from None
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise MalformedPayload(f"A {what} must be an object with a list of `events`.")
    return bounded(events), document


def glimpse(document: object) -> dict[str, Any]:
    """What can be made out of an event for those who file it; nothing of one that is no object."""
    if isinstance(document, dict):
        return document
    if not isinstance(document, Unreadable):
        return {}
    try:
        known = json.loads(document.raw.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return {}
    fields = known.items() if isinstance(known, dict) else ()
    return {name: value for name, value in fields if not isinstance(value, str) or not _HALVES.search(value)}


def _parted(body: bytes) -> dict[str, Any] | None:
    """A body that is no JSON as an object of its fields, lists entry by entry; None if its brackets do not fit."""
    fields: dict[str, Any] = {}
    try:
        for member in _split(body.strip(), b"{", b"}"):
            found = _NAME.match(member)
            if found is None:
                return None
            value = member[found.end() :].strip()
            name = orjson.loads(found[1])
            is_list = value.startswith(b"[")
            fields[name] = [_read(each) for each in _split(value, b"[", b"]")] if is_list else _read(value)
    except ValueError:
        return None
    return fields


def _split(raw: bytes, opening: bytes, closing: bytes) -> list[bytes]:
    """What stands between the commas of a list or an object; ValueError if it is none, or too long to look at."""
    pieces: list[bytes] = []
    depth, start, end = 0, 1, -1
    for count, found in enumerate(_TOKEN.finditer(raw)):
        sign = found[0]
        if end >= 0 or count > TOKENS:
            raise ValueError("It goes on behind its end, or is too long.")
        if sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
            if depth == 0:
                end = found.start()
        elif sign == b"," and depth == 1:
            pieces.append(raw[start : found.start()])
            start = found.end()
            if len(pieces) > EVENTS_AT_ONCE:
                raise ValueError("It has too many entries.")
    if raw[:1] != opening or end != len(raw) - 1 or raw[end:] != closing:
        raise ValueError("Its brackets do not fit together.")
    last = raw[start:end]
    return [*pieces, last] if pieces or last.strip() else []


def _read(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Unreadable(raw.strip())
