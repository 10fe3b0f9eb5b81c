"""The OpenAPI description: 3.2 with the stream's item schema, and 3.1 derived from it for generators."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from tracesvc.lines import LINE
from tracesvc.query import TraceQuery
from tracesvc.routes.analysis_schemas import AnalysisFilters
from tracesvc.routes.examples import EXAMPLES
from tracesvc.routes.schemas import Problem
from tracesvc.stage_query import LineageRequest, SeedRequest

REF: Final = "#/components/schemas/{model}"
BINARY: Final = {"type": "string", "format": "binary"}
VERSION_32: Final = "3.2.0"
VERSION_31: Final = "3.1.0"


def document_routes(app: FastAPI) -> None:
    """Serve `/openapi.json` (3.2) and `/openapi-3.1.json`."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe_32(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_32() -> JSONResponse:
        return JSONResponse(describe())

    @app.get("/openapi-3.1.json", include_in_schema=False)
    async def openapi_31() -> JSONResponse:
        return JSONResponse(derive_31(describe()))


def describe_32(app: FastAPI) -> dict[str, Any]:
    """The description in OpenAPI 3.2: each line type a component, their union the stream's `itemSchema`."""
    description = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
        openapi_version=VERSION_31,
    )
    components = description.setdefault("components", {}).setdefault("schemas", {})
    line = LINE.json_schema(ref_template=REF, mode="serialization")
    components.update(line.pop("$defs"))
    components["Line"] = {
        "title": "Line",
        "description": "One line of the stream, told apart by `type`.",
        **line,
    }
    for model in (TraceQuery, SeedRequest, LineageRequest, AnalysisFilters, Problem):
        components.update(_components(model))
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for name, example in EXAMPLES.items():
        components[name]["examples"] = [example]
    _say_problem(description)
    _say_ok(description)
    description["openapi"] = VERSION_32
    return description


def _components(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=REF)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _say_problem(description: dict[str, Any]) -> None:
    """FastAPI describes its own 422 where a route names none; ours is a problem document everywhere."""
    content = {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}}
    for path in description["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                operation["responses"]["422"]["content"] = content


def _say_ok(description: dict[str, Any]) -> None:
    """Where a route says nothing better, its summary tells what a 200 holds."""
    for path in description["paths"].values():
        for operation in path.values():
            found = operation["responses"].get("200", {})
            if found.get("description") == "Successful Response":
                found["description"] = operation["summary"]


def derive_31(description: dict[str, Any]) -> dict[str, Any]:
    """The same description without what only 3.2 knows: `itemSchema` becomes the media type's `schema`.

    A file in one of many formats becomes plain bytes: a generated method has one type.
    """
    derived = copy.deepcopy(description)
    derived["openapi"] = VERSION_31
    for path in derived["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                for media in content.values():
                    if "itemSchema" in media:
                        media["schema"] = media.pop("itemSchema")
                if len(content) > 1 and all(media["schema"] == BINARY for media in content.values()):
                    response["content"] = {"application/octet-stream": {"schema": BINARY}}
    return derived


def as_text(description: dict[str, Any]) -> str:
    """A description as `docs/openapi.json` holds it."""
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"
