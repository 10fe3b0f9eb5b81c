"""What the routes of the analysis take and answer, as models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from tracesvc.analysis_document import AnalysisDocument
from tracesvc.lines import JsonValue
from tracesvc.routes.operations import problems


class AnalysisFilters(BaseModel):
    """What to narrow the analysis to. A list that is left out is the trace's own; an empty one means all."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    loss_reasons: list[StrictStr] | None = Field(
        None, max_length=1000, description="mask detection defects; a lot stays in every denominator"
    )
    pj_types: list[StrictStr] | None = Field(None, max_length=1000, description="lots of these types only")
    packages: list[StrictStr] | None = Field(None, max_length=1000, description="lots of these packages only")


class DetailQuery(AnalysisFilters):
    """Which rows, in which order and form. `offset` and `limit` cut a page; a file has all rows."""

    model_config = ConfigDict(extra="ignore")

    offset: int = Field(0, ge=0, le=2**53)
    limit: int = Field(5000, ge=1, le=50_000)
    sort: str = Field("container_name", max_length=64, description="a column of the rows")
    order: Literal["asc", "desc"] = "asc"
    format: Literal["json", "csv"] | None = Field(None, description="wins over Accept")


class Analysis(BaseModel):
    """The analysis under the filters asked for."""

    job_id: str
    data: AnalysisDocument


class DetailPage(BaseModel):
    """Some rows behind the charts, in the order of one column."""

    job_id: str
    complete: bool
    offset: int
    limit: int
    count: int
    total: int
    next_offset: int | None
    sort: str
    order: Literal["asc", "desc"]
    data: list[dict[str, JsonValue]]


AGGREGATE: dict[str, Any] = {
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AnalysisFilters"}}},
        }
    },
    "response_model": None,
    "responses": {200: {"model": Analysis}, **problems(404, 409, 413, 415, 422, 500, 503)},
}
DETAIL: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {
            "model": DetailPage,
            "description": "A page as JSON, or all rows as CSV",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        **problems(404, 406, 409, 422, 500, 503),
    },
}
