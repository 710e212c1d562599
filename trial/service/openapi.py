"""The OpenAPI 3.1 document, made from the table of routes and the models, so that it cannot drift from them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot.adapters import logochat_wire as wire
from trial.service import models
from trial.service.calls import DOWNLOAD, JSON, UPLOAD, Caller, Route
from trial.service.problems import CONTENT_TYPE

NOTICE = (
    "The vendor of LoGoチャット publishes no API. This contract is Kairanban's own, made for rehearsals: it says "
    "nothing about the real service, and no real service needs to follow it."
)

_FRAMES: tuple[type[BaseModel], ...] = (
    models.Ready,
    models.ProblemFrame,
    models.MessageFrame,
    models.ReadFrame,
    models.DeletedFrame,
    models.MemberFrame,
    models.NoteFrame,
)
_REFUSALS: dict[Caller, tuple[int, ...]] = {
    "anyone": (400, 401, 413, 422, 429),
    "person": (400, 401, 403, 404, 409, 413, 422, 429),
    "bot": (400, 401, 403, 404, 409, 413, 422, 429),
    "admin": (400, 401, 404, 413, 422),
}
_FILES = {
    "type": "object",
    "description": "Each part with a filename is a file, at most 10 and 200 MB together.",
    "properties": {"file": {"type": "array", "maxItems": 10, "items": {"type": "string", "format": "binary"}}},
}
_FORMS = {"sha256": {"pattern": "^[0-9a-f]{64}$"}}
_REFERENCE = "#/components/schemas/{model}"


@cache
def document(routes: tuple[Route, ...]) -> bytes:
    """The document as JSON."""
    schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "A chat service in the manner of LoGoChat, for rehearsals",
                "version": "1",
                "description": NOTICE,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": paths,
            "webhooks": {"callback": {"post": _callback()}},
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    caller: {"type": "http", "scheme": "bearer", "description": f"The token of a {caller}."}
                    for caller in ("person", "bot", "admin")
                },
            },
        }
    )


def _operation(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        answer["content"] = _content(route.answer)
    elif route.gives == DOWNLOAD:
        answer["content"] = {DOWNLOAD: {}}
    refusals = {str(status): _problem(status) for status in _REFUSALS[route.caller]}
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "tags": [route.caller],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "security": [] if route.caller == "anyone" else [{route.caller: []}],
        "responses": {str(route.status): answer, **refusals},
    }
    if route.method == "POST" and (not route.special or route.takes == UPLOAD):
        operation["parameters"].append(
            {
                "name": wire.IDEMPOTENCY_HEADER,
                "in": "header",
                "description": "The same key with the same body gets the first answer again, for 24 hours.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"},
            }
        )
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    elif route.takes == DOWNLOAD:
        operation["requestBody"] = {"required": True, "content": {DOWNLOAD: {}}}
    elif route.takes == UPLOAD:
        operation["requestBody"] = {"required": True, "content": {UPLOAD: {"schema": _FILES}}}
    if route.handler.__doc__:
        operation["description"] = inspect.cleandoc(route.handler.__doc__)
    return operation


def _callback() -> dict[str, Any]:
    return {
        "operationId": "callback",
        "summary": "What a bot is told; sent again with backoff until it is answered 2xx, for 24 hours",
        "parameters": [
            {
                "name": wire.SIGNATURE_HEADER,
                "in": "header",
                "required": True,
                "description": "sha256= and the HMAC-SHA256 of the raw body under the bot's secret, in hexadecimal.",
                "schema": {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"},
            }
        ],
        "requestBody": {"required": True, "content": _content(wire.Callback)},
        "responses": {"200": {"description": "Taken; it is not sent again."}},
    }


def _schemas(routes: Sequence[Route]) -> dict[str, Any]:
    bodies = [(route.body, "validation") for route in routes if route.body is not None]
    answers = [(route.answer, "serialization") for route in routes if route.answer is not None]
    others = [(model, "serialization") for model in (*_FRAMES, wire.Callback, wire.Problem)]
    # One name for one model: those that are only sent and those that are only answered never mix.
    pairs: Iterable[Any] = dict.fromkeys([*bodies, *answers, *others])
    _, definitions = models_json_schema(list(pairs), ref_template=_REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=wire.Problem.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {CONTENT_TYPE: {"schema": schema}}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | _FORMS.get(name, {})}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in route.query.model_json_schema()["properties"].items()
    ]


def _name(route: Route) -> str:
    words = re.findall(r"\w+", route.path)
    return "_".join([route.method.lower(), *words])
