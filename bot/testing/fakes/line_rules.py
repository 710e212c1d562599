"""LINE's published rules for a call that sends messages, as checks; a broken rule is a `Problem`, LINE's answer to it.

Written from LINE's reference and not from our adapter's constants, so that a mistake there is found here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Json = Mapping[str, Any]


class Problem(Exception):
    """An answer other than success; `details` are LINE's own: what is wrong, and at which place."""

    def __init__(
        self, status: int, message: str, details: tuple[dict[str, str], ...] = (), headers: Mapping[str, str] = {}
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = {"message": message, **({"details": list(details)} if details else {})}
        super().__init__(message)


def wrong(place: str, message: str) -> Problem:
    """The 400 for one mistake in a body."""
    return Problem(400, "The request body has 1 error(s)", ({"message": message, "property": place},))


def check_messages(body: Json) -> list[dict[str, Any]]:
    """The message objects of a call: one to five, each in order."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= 5:
        raise wrong("messages", "Size must be between 1 and 5")
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if not isinstance(message, dict):
            raise wrong(place, "Must be an object")
        check = _KINDS.get(str(message.get("type")))
        if check is None:
            raise wrong(f"{place}.type", "Must be one of the following values: " + str(sorted(_KINDS)))
        check(message, place)
        if "quickReply" in message:
            _check_quick_reply(message["quickReply"], f"{place}.quickReply")
    return messages


def check_recipients(body: Json) -> list[str]:
    """The people of a multicast: 1 to 500 ids of users, no rooms."""
    people = body.get("to")
    if not isinstance(people, list) or not 1 <= len(people) <= 500:
        raise wrong("to", "Size must be between 1 and 500")
    for number, person in enumerate(people):
        if not isinstance(person, str) or not re.fullmatch("U[0-9a-f]{32}", person):
            raise Problem(400, f"The property, 'to[{number}]', in the request body is invalid (line: -, column: -)")
    return people


def check_recipient(body: Json) -> str:
    """Whom a push goes to: one user, group or multi-person chat."""
    to = body.get("to")
    if not isinstance(to, str) or not re.fullmatch("[UCR][0-9a-f]{32}", to):
        raise Problem(400, "The property, 'to', in the request body is invalid (line: -, column: -)")
    return to


def check_retry_key(value: str) -> str:
    """A retry key is a UUID in hexadecimal digits."""
    if not re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        raise Problem(400, "Invalid 'X-Line-Retry-Key' header")
    return value.lower()


def _text(value: object, place: str, most: int, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= _units(value) <= most:
        raise wrong(place, f"Length must be between {least} and {most}")
    return value


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _check_text(message: Json, place: str) -> None:
    if not _text(message.get("text"), f"{place}.text", 5_000).strip():
        raise wrong(f"{place}.text", "May not be empty")


def _check_flex(message: Json, place: str) -> None:
    _text(message.get("altText"), f"{place}.altText", 400)
    contents = message.get("contents")
    if not isinstance(contents, dict) or contents.get("type") not in {"bubble", "carousel"}:
        raise wrong(f"{place}.contents", "Must be a bubble or a carousel")
    if len(str(contents).encode()) > 30_000:
        raise wrong(f"{place}.contents", "A bubble has at most 30 KB")
    if contents["type"] == "bubble" and not {"header", "hero", "body", "footer"} & contents.keys():
        raise wrong(f"{place}.contents", "A bubble needs at least one block")
    _check_components(contents, f"{place}.contents")


def _check_components(component: object, place: str) -> None:
    if isinstance(component, list):
        for number, each in enumerate(component):
            _check_components(each, f"{place}[{number}]")
    elif isinstance(component, dict):
        if component.get("type") == "button":
            _check_action(component.get("action"), f"{place}.action", label=40)
            return
        if component.get("type") == "box" and not component.get("contents"):
            raise wrong(f"{place}.contents", "May not be empty")
        for name, each in component.items():
            _check_components(each, f"{place}.{name}")


def _check_action(action: object, place: str, *, label: int) -> None:
    if not isinstance(action, dict) or action.get("type") not in {"postback", "message", "uri"}:
        raise wrong(place, "Must be an action")
    _text(action.get("label"), f"{place}.label", label)
    if action["type"] == "postback":
        _text(action.get("data"), f"{place}.data", 300)
        _text(action.get("displayText", "-"), f"{place}.displayText", 300)


def _check_quick_reply(quick_reply: object, place: str) -> None:
    items = quick_reply.get("items") if isinstance(quick_reply, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= 13:
        raise wrong(f"{place}.items", "Size must be between 1 and 13")
    for number, item in enumerate(items):
        if not isinstance(item, dict) or item.get("type") != "action":
            raise wrong(f"{place}.items[{number}].type", "Must be action")
        _check_action(item.get("action"), f"{place}.items[{number}].action", label=20)


_KINDS: dict[str, Callable[[Json, str], None]] = {"text": _check_text, "flex": _check_flex}
"""The kinds of messages that this LINE knows: those that a notice or a survey can be made of."""
