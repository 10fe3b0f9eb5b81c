"""What can go wrong, as one tree; a class is a code, an HTTP status and a title (protocol.md, 1, Errors).

TraceError
├── SettingsError, CatalogueError, SourceConfigError     the start is refused
├── BadRequest ── InvalidParams 422 · BodyTooLarge 413 · CidLimitExceeded 413
│                 UnsupportedMediaType 415 · NotAcceptable 406 · MethodNotAllowed 405
├── Unauthenticated 401 · Forbidden 403
├── NotFound 404 ── JobNotFound · DomainNotInJob
├── JobNotComplete 409
├── QueueFull 429 ── ExportsBusy · RateLimited 429
├── Unavailable 503 ── QueueUnavailable · IdentityUnavailable
│                      SourceUnavailable ── SourceTooLarge                         (Retry-After)
├── SourceTimeout 504
├── StoreFull 507
├── JobEnded ── JobFailed · JobTimeout · JobCancelled · WorkerLost · ResultTooLarge
├── ResultDamaged ── ChunkMissing · ChunkCorrupt
└── AskingFailed ── TraceRefused · TraceIncomplete · ServiceAway     what a client raises
"""

from __future__ import annotations

from typing import ClassVar, Literal

Remedy = Literal["again", "split", "none"]
"""What helps a statement that failed: another try, fewer containers at once, or nothing."""


class TraceError(Exception):
    """Something a person can understand went wrong. `detail` never holds SQL, a DSN or a credential."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    remedy: ClassVar[Remedy] = "none"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None, **fields: object) -> None:
        """`fields` are further members of the problem document; `headers` go on the response."""
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.fields = fields
        self.headers = headers or {}


class SettingsError(TraceError):
    title = "A setting is wrong"


class CatalogueError(TraceError):
    title = "The catalogue is broken"


class SourceConfigError(TraceError):
    title = "The source cannot be opened as configured"


class BadRequest(TraceError):
    status = 400
    title = "The request cannot be served as it is"


class InvalidParams(BadRequest):
    code, status, title = "INVALID_PARAMS", 422, "The request is malformed"


class BodyTooLarge(BadRequest):
    code, status, title = "BODY_TOO_LARGE", 413, "The request body is too large"


class CidLimitExceeded(BadRequest):
    code, status, title = "CID_LIMIT_EXCEEDED", 413, "Too many containers to answer at once"


class UnsupportedMediaType(BadRequest):
    code, status, title = "UNSUPPORTED_MEDIA_TYPE", 415, "The body must be application/json"


class NotAcceptable(BadRequest):
    code, status, title = "NOT_ACCEPTABLE", 406, "None of the accepted media types can be served"


class MethodNotAllowed(BadRequest):
    code, status, title = "METHOD_NOT_ALLOWED", 405, "The route does not know this method"


class Unauthenticated(TraceError):
    code, status, title = "UNAUTHENTICATED", 401, "A credential is needed"


class Forbidden(TraceError):
    code, status, title = "FORBIDDEN", 403, "The credential does not allow this"


class NotFound(TraceError):
    code, status, title = "NOT_FOUND", 404, "No such route"


class JobNotFound(NotFound):
    code, title = "JOB_NOT_FOUND", "The job is unknown, expired or deleted"


class DomainNotInJob(NotFound):
    code, title = "DOMAIN_NOT_IN_JOB", "The job has no such domain"


class JobNotComplete(TraceError):
    code, status, title, retryable = "JOB_NOT_COMPLETE", 409, "The job has not finished", True


class QueueFull(TraceError):
    code, status, title, retryable = "QUEUE_FULL", 429, "Too many jobs wait or run", True


class ExportsBusy(QueueFull):
    title = "Too many files are written at once"


class RateLimited(TraceError):
    code, status, title, retryable = "RATE_LIMITED", 429, "Too many requests", True


class Unavailable(TraceError):
    status, retryable = 503, True


class QueueUnavailable(Unavailable):
    code, title = "QUEUE_UNAVAILABLE", "Jobs are not available now"


class IdentityUnavailable(Unavailable):
    code, title = "IDENTITY_UNAVAILABLE", "Tokens cannot be checked now"


class SourceUnavailable(Unavailable):
    code, title = "SOURCE_UNAVAILABLE", "The plant's database cannot be reached"
    remedy: ClassVar[Remedy] = "again"


class SourceTooLarge(SourceUnavailable):
    title = "The plant's database has no room for a statement of this size"
    remedy = "split"


class SourceTimeout(TraceError):
    code, status, title, retryable = "SOURCE_TIMEOUT", 504, "The plant's database took too long", True
    remedy = "split"


class StoreFull(TraceError):
    code, status, title, retryable = "STORE_FULL", 507, "Redis is out of memory", True


class JobEnded(TraceError):
    """A job that ended without being complete; the code stands in its status and on its stream."""


class JobFailed(JobEnded):
    code, title = "JOB_FAILED", "Every domain of the job failed"


class JobTimeout(JobEnded):
    code, title = "JOB_TIMEOUT", "The job ran out of time"


class JobCancelled(JobEnded):
    code, title = "JOB_CANCELLED", "The job was cancelled"


class WorkerLost(JobEnded):
    code, title, retryable = "WORKER_LOST", "The job's workers were lost", True


class ResultTooLarge(JobEnded):
    code, title = "RESULT_TOO_LARGE", "The result is larger than a job may store"


class ResultDamaged(TraceError):
    """A stored chunk did not read back as it was committed; nothing of it is sent."""


class ChunkMissing(ResultDamaged):
    code, title = "CHUNK_MISSING", "A stored chunk is missing"


class ChunkCorrupt(ResultDamaged):
    code, title = "CHUNK_CORRUPT", "A stored chunk is damaged"


class LeaseLost(TraceError):
    """Another worker holds the job now: whoever sees this stops at once and writes nothing."""


class AskingFailed(TraceError):
    """A client did not get what it asked for. `answered` is the answer's code, if there was one."""

    title = "The service did not give what was asked"

    def __init__(
        self, detail: str = "", *, answered: str = "", job_id: str | None = None, **fields: object
    ) -> None:
        """`fields`: what else the answer said."""
        super().__init__(detail)
        self.fields = fields
        self.answered = answered
        self.job_id = job_id


class TraceRefused(AskingFailed):
    title = "The service refused what was asked"


class ServiceAway(AskingFailed):
    title, retryable = "The service cannot be reached", True


class TraceIncomplete(AskingFailed):
    """A stream did not hold everything. `missing` says what, by domain; `resume_after` is where to go on."""

    title = "The trace is not complete"

    def __init__(
        self,
        detail: str,
        *,
        missing: dict[str, str],
        resume_after: str | None = None,
        answered: str = "",
        job_id: str | None = None,
    ) -> None:
        """`missing`: a sentence for each domain that is not whole, and under `""` for the stream itself."""
        super().__init__(detail, answered=answered, job_id=job_id)
        self.missing = missing
        self.resume_after = resume_after
