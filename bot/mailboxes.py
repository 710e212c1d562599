"""Addresses of e-mail that a server takes as they are (RFC 5321, 4.1.2: dot-string, host name), and what ails others.

Quoted local parts, address literals, display names and lists are refused: programs on the way shorten or split them,
and somebody else gets the mail.
"""

from __future__ import annotations

import re
from typing import Literal

LOCAL_LENGTH = 64
LENGTH = 254
"""RFC 5321, 4.5.3.1, without the brackets that a path stands in."""

Fault = Literal[
    "blank_inside", "unseen", "several", "no_at", "two_at", "brackets", "not_ascii", "dots", "host", "sign", "length"
]

_LOCAL = re.compile(r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~.-]+")
_LABEL = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?")


def fault(address: str, *, host_alone: bool = False) -> Fault | None:
    """What keeps mail from an address; None: nothing. `host_alone` takes a host without a dot (in the house)."""
    local, _, host = address.rpartition("@")
    labels = host.split(".")
    checks: tuple[tuple[Fault, bool], ...] = (
        ("blank_inside", any(letter.isspace() for letter in address)),
        ("unseen", not address.isprintable()),
        ("brackets", any(sign in address for sign in '<>()[]"')),
        ("several", any(sign in address for sign in ",;、；，")),
        ("no_at", not local or not host),
        ("two_at", "@" in local),
        ("not_ascii", not address.isascii()),
        ("dots", local[:1] == "." or local[-1:] == "." or ".." in address or host[:1] == "." or host[-1:] == "."),
        ("sign", _LOCAL.fullmatch(local) is None),
        ("length", len(local) > LOCAL_LENGTH or len(address) > LENGTH),
        ("host", not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit()),
        ("host", len(labels) < 2 and not host_alone),
    )
    return next((name for name, wrong in checks if wrong), None)
