"""How each operation stands in the OpenAPI description: what it takes, what it answers with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tracesvc.query import TraceQuery
from tracesvc.routes.schemas import (
    Accepted,
    AccessDocument,
    Cancelled,
    CatalogueDocument,
    Coverage,
    CoveragePage,
    JobDocument,
    JobList,
    Page,
    WholeResult,
)
from tracesvc.routes.stage_schemas import LineageDocument, SeedsDocument
from tracesvc.stage_query import LineageRequest, SeedRequest

NDJSON = "application/x-ndjson"
ZSTD = "application/zstd"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of an operation that are problem documents."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    titles = {
        401: "A credential is needed, or this one is not valid",
        403: "The credential does not allow this",
        404: "Unknown, expired or deleted",
        406: "Accept admits nothing that is served",
        409: "Not finished",
        413: "Too large",
        415: "Not application/json",
        422: "Malformed",
        429: "Too many requests, or too many jobs",
        431: "The head of the request is too large",
        500: "Internal error, or a damaged chunk",
        503: "Redis or the source is not available",
        504: "The source took too long",
        507: "Redis is out of memory",
    }
    everywhere = {401, 403, 429, 431, *statuses}
    return {status: {"description": titles[status], "content": content} for status in sorted(everywhere)}


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
    }


def _stream(*, zstd: bool) -> dict[str, Any]:
    line = {"itemSchema": {"$ref": "#/components/schemas/Line"}}
    content: dict[str, Any] = {NDJSON: line}
    if zstd:
        content[ZSTD] = {"schema": {"type": "string", "format": "binary"}}
    return content


_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": Accepted,
        "description": "Runs as a job",
        "headers": {"Location": {"schema": {"type": "string"}}},
    },
    **problems(406, 413, 415, 422, 429, 500, 503, 504, 507),
}
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "respond-async: run as a job, however small (RFC 7240)",
    "schema": {"type": "string"},
    "example": "respond-async",
}
EVENTS: dict[str, Any] = {
    "openapi_extra": {"requestBody": _body(TraceQuery), "parameters": [PREFER]},
    "response_model": None,
    "responses": {
        200: {
            "model": WholeResult,
            "description": "Answered at once, as lines or one document",
            "content": _stream(zstd=False),
        },
        **_ACCEPTED,
    },
}
SEEDS: dict[str, Any] = {
    "openapi_extra": {"requestBody": _body(SeedRequest)},
    "response_model": None,
    "responses": {200: {"model": SeedsDocument, "description": "The seeds"}, **_ACCEPTED},
}
LINEAGE: dict[str, Any] = {
    "openapi_extra": {"requestBody": _body(LineageRequest)},
    "response_model": None,
    "responses": {200: {"model": LineageDocument, "description": "The lineage"}, **_ACCEPTED},
}
JOBS: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": JobList}, **problems(422, 500, 503)},
}
STATUS: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": JobDocument}, **problems(404, 422, 500, 503)},
}
DELETE: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {"model": Cancelled},
        202: {"model": Cancelled, "description": "Still stopping"},
        **problems(404, 422, 500, 503),
    },
}
STREAM: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {
            "description": "One line after the other; the last is complete or error",
            "content": _stream(zstd=True),
        },
        **problems(404, 406, 409, 422, 500, 503),
    },
}
RESULT: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {"model": Page | WholeResult | SeedsDocument | LineageDocument},
        **problems(404, 409, 422, 500, 503),
    },
}
COVERAGE: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": Coverage | CoveragePage}, **problems(404, 422, 500, 503)},
}
CATALOGUE: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": CatalogueDocument}, **problems(500)},
}
ACCESS: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"model": AccessDocument}, **problems(500)},
}
