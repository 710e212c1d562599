"""Why a request was refused, as RFC 9457 problem documents.

- `Problem`: the root; `detail` is a sentence that says what to mend.
  - `BadRequest` 400: the body or the query cannot be read.
  - `Unauthorized` 401, `Forbidden` 403, `NotFound` 404, `MethodNotAllowed` 405, `Conflict` 409,
    `TooLarge` 413.
  - `Unprocessable` 422: readable, but it asks for what cannot be.
  - `TooManyRequests` 429: with `Retry-After` in seconds.

A refused request has changed nothing: problems are raised inside its transaction, which is rolled back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from http import HTTPStatus

import orjson
from aiohttp import web
from pydantic import ValidationError

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal with its status; `errors` names fields, `headers` go with the answer."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, *, errors: Iterable[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers: dict[str, str] = {}

    def response(self) -> web.Response:
        """The answer that says so."""
        document: dict[str, object] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return web.Response(
            body=orjson.dumps(document), status=self.status, content_type=CONTENT_TYPE, headers=self.headers
        )


class BadRequest(Problem):
    status = HTTPStatus.BAD_REQUEST


class Unauthorized(Problem):
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(Problem):
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not for this address; use {' or '.join(allowed)}.")
        self.headers = {"Allow": ", ".join(allowed)}


class Conflict(Problem):
    status = HTTPStatus.CONFLICT


class TooLarge(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unprocessable(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TooManyRequests(Problem):
    """`after` is how long to wait, in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, after: float) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(max(1, math.ceil(after)))}


def from_validation(error: ValidationError) -> Problem:
    """400 for what is no JSON, 422 that names each wrong field; never repeats the values, which may be secret."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return BadRequest("The body is no valid JSON: " + details[0]["msg"])
    errors = [
        {"field": ".".join(map(str, detail["loc"])) or "(body)", "detail": detail["msg"]} for detail in details[:20]
    ]
    sentence = "; ".join(f"{one['field']}: {one['detail']}" for one in errors[:3])
    return Unprocessable(f"Mend these fields and send again: {sentence}.", errors=errors)
