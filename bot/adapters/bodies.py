"""The outermost form of a webhook's body, which most platforms share: JSON, an object, and in it a list of events."""

from __future__ import annotations

from typing import Any

import orjson

from bot.bounds import bounded
from bot.errors import MalformedPayload


def document_in(body: bytes, what: str = "callback") -> Any:
    """What the body of a `what` says in JSON; raises `MalformedPayload` if it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedPayload(f"The body of a {what} must be JSON: {error}.") from None


def events_in(body: bytes, what: str = "callback") -> tuple[list[Any], dict[str, Any]]:
    """The list of `events` in a body, `bounded`, and the object that it stands in.

    Raises `MalformedPayload` if there is none.
    """
    document = document_in(body, what)
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise MalformedPayload(f"A {what} must be an object with a list of `events`.")
    return bounded(events), document
