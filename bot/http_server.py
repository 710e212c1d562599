"""The HTTP server that strangers reach: nothing they send is unpacked, waited for without an end, or logged.

The body is what came over the line: a signature is over those bytes, and a megabyte that unpacks to a gigabyte stays a
megabyte. None of the platforms compresses what it sends (LINE, LINE WORKS, Matrix, LoGoチャット-compatible services).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

WHOLE_BODY = timedelta(seconds=15)
"""From a request's headers until the last byte of its body."""

_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _WithoutWhatCame(logging.Filter):
    """aiohttp's errors about a request repeat it, and a token may stand in the line that it could not read."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            record.msg, record.args, record.exc_info = "unreadable request: %s", (type(error).__name__,), None
            record.exc_text = None
        return True


_LOG = logging.getLogger("kairanban.http")
_LOG.addFilter(_WithoutWhatCame())

LIMITS: Mapping[str, Any] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": 75.0,  # also ends the headers of a later request that never come to their end
    "lingering_time": 1.0,  # of a body that was refused, no more is read than is under way
    "logger": _LOG,
}
"""What any aiohttp server here is made with, an `AppRunner`'s too."""


class HttpServer(web.Server):
    """aiohttp's low-level server under `LIMITS`, which answers a packed body with 415 and reads no more of it."""

    def __init__(self, handler: _Handler) -> None:
        async def answer_what_is_plain(request: web.BaseRequest) -> web.StreamResponse:
            return packed() if is_packed(request) else await handler(request)

        super().__init__(answer_what_is_plain, **LIMITS)


def is_packed(request: web.BaseRequest) -> bool:
    """Whether a request says that its body is compressed, in whatever way."""
    if "Content-Encoding" not in request.headers:
        return False
    given = ",".join(request.headers.getall("Content-Encoding"))
    return any(each.strip().lower() not in {"", "identity"} for each in given.split(","))


def packed() -> web.Response:
    """415; no more of that request is read than is under way."""
    refused = web.Response(
        status=415, headers={"Accept-Encoding": "identity"}, text="Send the body as it is, without Content-Encoding.\n"
    )
    refused.force_close()
    return refused
