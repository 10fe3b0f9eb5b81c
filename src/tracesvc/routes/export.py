"""GET /job/{job_id}/export: a stored result as a file."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import Response

from tracesvc.errors import ExportsBusy, JobNotComplete
from tracesvc.files.order import MEDIA_TYPES, FileFormat
from tracesvc.results.export import Export, ExportRequest, export_parts, plan_export
from tracesvc.results.lifetime import prolong
from tracesvc.results.status import JobStatus
from tracesvc.routes import operations
from tracesvc.routes.deps import Svc
from tracesvc.routes.jobs import find_job
from tracesvc.routes.media import Streamed
from tracesvc.routes.stream import Domains, chosen_domains

router = APIRouter(tags=["results"])

FILE_MEDIA = sorted(media.partition(";")[0] for media in MEDIA_TYPES.values())
EXPORT: dict[str, Any] = {
    "response_model": None,
    "response_class": Response,
    "responses": {
        200: {
            "description": "The file, under a name for people",
            "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in FILE_MEDIA},
            "headers": {
                "Content-Disposition": {"schema": {"type": "string"}},
                "X-Trace-Records": {"description": "Records in the file", "schema": {"type": "integer"}},
                "X-Trace-Complete": {
                    "description": "Whether these are all records of all containers",
                    "schema": {"type": "boolean"},
                },
            },
        },
        **operations.problems(404, 409, 422, 429, 500, 503),
    },
}


@router.get("/job/{job_id}/export", operation_id="export_job", summary="The result as a file", **EXPORT)
async def export_job(
    job_id: str,
    svc: Svc,
    *,
    domain: Domains = None,
    format: Annotated[FileFormat, Query()] = "csv",  # noqa: A002 - the contract's name
    bom: bool = True,
    escape_formulas: bool = True,
    partial: bool = False,
) -> Response:
    """One domain as a file; several as a zip of one each, in Excel's format as sheets.

    A job that has not finished is 409, unless `partial` takes what is committed now. CSV begins with a byte
    order mark, and text that a spreadsheet would take for a formula gets a `'` in front; `bom` and
    `escape_formulas` switch this off.
    """
    status = await find_job(svc, job_id)
    domains = chosen_domains(status, domain)
    if status.state != "finished" and not partial:
        raise _not_finished(status)
    job = svc.job(job_id)
    ask = ExportRequest(domains, format, bom=bom, escape_formulas=escape_formulas)
    export = await plan_export(svc.results, job, svc.catalogue, status, ask)
    await prolong(svc.results, job, status, svc.settings.trace_job_ttl_seconds)
    if svc.exports.locked():
        raise ExportsBusy(
            f"This server writes {svc.settings.trace_export_max_concurrent} files now, the most it may. "
            "Try again in a moment.",
            headers={"Retry-After": "5"},
        )
    await svc.exports.acquire()  # it was not locked: at once
    parts = export_parts(svc.results, job, svc.catalogue, status, export)
    response = Streamed(parts, media_type=export.order.media_type, headers=_headers(export))

    async def closing() -> None:
        await parts.aclose()
        svc.exports.release()

    response.closing = closing
    return response


def _headers(export: Export) -> dict[str, str]:
    return {
        "Content-Disposition": _attachment(export.order.file_name),
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
        "X-Trace-Records": str(export.records),
        "X-Trace-Complete": str(export.complete).lower(),
    }


def _attachment(file_name: str) -> str:
    """A file's name for clients that know RFC 8187, and for those that do not."""
    plain = file_name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name)}"


def _not_finished(status: JobStatus) -> JobNotComplete:
    how = "has not finished" if not status.ended else f"ended as {status.state}, and its result is not whole"
    return JobNotComplete(
        f"The job {how}. With partial=true the file holds what is committed now.", job_status=status.state
    )
