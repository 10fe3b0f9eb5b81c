"""OpenTelemetry: one trace from the request through the queue to the statement. Off without an endpoint.

FastAPI makes the span of the request; the job carries its context in `traceparent` (W3C Trace Context),
beside its other fields in Redis. No attribute holds an id of a container, SQL, or a credential.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tracesvc import __version__
from tracesvc.errors import SettingsError

CARRIED: Final = "traceparent"
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def set_up_spans(endpoint: str, part: str) -> None:
    """Send spans to the OTLP/HTTP collector at `endpoint`; nothing when it is empty.

    Raises `SettingsError` when this installation was made without the exporter (`tracesvc[otel]`).
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "TRACE_OTLP_ENDPOINT is set, but this installation has no exporter: pip install 'tracesvc[otel]'."
        ) from None
    about = {"service.name": f"tracesvc-{part}", "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(about))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextlib.contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """A span around the block, the parent of those inside."""
    named = {f"tracesvc.{key}": value for key, value in attributes.items()}
    with trace.get_tracer("tracesvc", __version__).start_as_current_span(name, attributes=named):
        yield


def carried() -> dict[str, str]:
    """What a job takes along of the span it was asked in; empty when there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return {CARRIED: carrier[CARRIED]} if CARRIED in carrier else {}


@contextlib.contextmanager
def gone_on(fields: Mapping[str, str], name: str, **attributes: str | int) -> Iterator[None]:
    """A span around the block that goes on where `carried` was asked for."""
    named = {f"tracesvc.{key}": value for key, value in attributes.items()}
    carrier = {CARRIED: fields[CARRIED]} if CARRIED in fields else {}
    tracer = trace.get_tracer("tracesvc", __version__)
    with tracer.start_as_current_span(name, context=_PROPAGATOR.extract(carrier), attributes=named):
        yield
