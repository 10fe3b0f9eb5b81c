"""The analysis of a mid_section_defect job, asked again: summary and charts, and the rows behind them."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from tracesvc.aggregation.detail_columns import COLUMNS
from tracesvc.aggregation.filters import Filters
from tracesvc.aggregation.requests import Question
from tracesvc.errors import InvalidParams, JobNotComplete, NotFound
from tracesvc.params import invalid
from tracesvc.results.analysis_store import about_of
from tracesvc.results.lifetime import prolong
from tracesvc.routes import analysis_schemas
from tracesvc.routes.analysis_schemas import AnalysisFilters, DetailQuery
from tracesvc.routes.deps import Service, Svc, read_json_body
from tracesvc.routes.jobs import find_job
from tracesvc.routes.media import JSON, Streamed, choose

router = APIRouter(tags=["analysis"])

CSV = "text/csv"
NO_STORE = {"Cache-Control": "no-store"}
MAX_BODY_BYTES = 1024 * 1024


@router.post(
    "/job/{job_id}/aggregate",
    operation_id="aggregate_job",
    summary="The analysis with other filters",
    **analysis_schemas.AGGREGATE,
)
async def aggregate_job(request: Request, job_id: str, svc: Svc) -> Response:
    """Summary, charts and trend from the stored result; the plant's database is not touched."""
    body = await read_json_body(request, min(MAX_BODY_BYTES, svc.settings.trace_max_body_bytes))
    asked = _parse(body)
    about = await _find(svc, job_id)
    answer = await svc.analyst.ask(Question(job_id, "aggregate", _filters(about, asked).to_params()))
    head = orjson.dumps({"job_id": job_id})[:-1] + b',"data":'
    return Response(b"".join((head, answer, b"}")), media_type=JSON, headers=NO_STORE)


@router.get(
    "/job/{job_id}/detail",
    operation_id="get_detail",
    summary="The rows behind the charts",
    **analysis_schemas.DETAIL,
)
async def get_detail(
    request: Request, job_id: str, svc: Svc, asked: Annotated[DetailQuery, Query()]
) -> Response:
    """A page of rows, or with `format=csv` or `Accept: text/csv` all of them as a file."""
    media_type = _media_type(request, asked.format)
    about = await _find(svc, job_id)
    columns = COLUMNS[about["scope"]["direction"]]
    if asked.sort not in columns:
        message = f"the rows can be sorted by {', '.join(columns)}"
        raise InvalidParams(message, errors=[{"loc": ["query", "sort"], "msg": message, "type": "sort"}])
    filters = _filters(about, asked).to_params()
    headers = {**NO_STORE, "Vary": "Accept"}
    if media_type == JSON:
        page = asked.model_dump(include={"offset", "limit", "sort", "order"})
        answer = await svc.analyst.ask(Question(job_id, "detail", filters, page))
        return Response(answer, media_type=JSON, headers=headers)
    parts = await svc.analyst.stream(
        Question(job_id, "csv", filters, asked.model_dump(include={"sort", "order"}))
    )
    headers["Content-Disposition"] = f'attachment; filename="{job_id}-detail.csv"'
    response = Streamed(parts, media_type=CSV, headers=headers)
    response.closing = parts.aclose
    return response


def _media_type(request: Request, form: str | None) -> str:
    if form is not None:
        return {"json": JSON, "csv": CSV}[form]
    return choose(request.headers.get("accept"), (JSON, CSV))


def _parse(body: bytes) -> AnalysisFilters:
    try:
        return AnalysisFilters.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        message = f"the body is no JSON in UTF-8: {error.msg}"
        raise InvalidParams(message, errors=[{"loc": [], "msg": message, "type": "json_invalid"}]) from None
    except ValidationError as error:
        raise invalid(error) from None


def _filters(about: dict[str, Any], asked: AnalysisFilters) -> Filters:
    """The trace's own filters, those that are asked for in their place."""
    chosen = {name: values for name in Filters.names() if (values := getattr(asked, name)) is not None}
    return Filters.from_params({**about["filters"], **chosen})


async def _find(svc: Service, job_id: str) -> dict[str, Any]:
    """What the job's analysis is about; raises when it has none, or not yet."""
    status = await find_job(svc, job_id)
    if not status.ended:
        raise JobNotComplete(
            "The job has not finished; its analysis comes at its end.", job_status=status.state
        )
    about = about_of(status)
    if about is None:
        raise NotFound(
            "The job has no analysis. A trace of the profile mid_section_defect has one, once its detection "
            "lots and their lineage were read."
        )
    await prolong(svc.results, svc.job(job_id), status, svc.settings.trace_job_ttl_seconds)
    return about
