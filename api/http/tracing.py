"""Traces of requests for OpenTelemetry, where a workspace asks for them: a span a request, and nothing personal in it.

A span holds method, route template, status and purpose. A path, a query, a body, a header or an address never gets in:
each may be somebody. The context of whoever calls (W3C `traceparent`) is taken in and passed on; their baggage is not,
for it may hold anything.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from api.http.asgi import AsgiApp, Message, Receive, Scope, Send
from api.http.collector.paths import found
from api.http.fastpath import BY_ID, LOOKUP, PREFIX
from api.http.middleware import PURPOSE
from api.http.world import BATCH
from infra.serving_settings import TracingSettings

_CONTEXT: Final = TraceContextTextMapPropagator()
_KEPT: Final = (b"traceparent", b"tracestate")
UNMATCHED: Final = "unmatched"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def provider(settings: TracingSettings) -> TracerProvider:
    """Return what makes spans and sends them to the collector of the settings, in batches and beside the requests."""
    made = TracerProvider(
        resource=Resource({"service.name": "kindred"}), sampler=ParentBased(TraceIdRatioBased(settings.share))
    )
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    return made


class Traced:
    """An application whose every request is a span."""

    def __init__(self, app: AsgiApp, spans: TracerProvider) -> None:
        self._app, self._spans, self._tracer = app, spans, spans.get_tracer("kindred.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is not sent when the server ends is sent then."""
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                self._spans.shutdown()
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = self._tracer.start_span(method, _CONTEXT.extract(_told(scope)), SpanKind.SERVER)
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                await self._app(scope, receive, noted)
            finally:
                route = _route(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": route,
                        "http.response.status_code": status,
                        "kindred.purpose": scope.get(PURPOSE, ""),
                    }
                )
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))


def passed_on() -> Mapping[str, str]:
    """Return the headers by which a request of ours to others belongs to the trace of the request that it serves."""
    carried: dict[str, str] = {}
    _CONTEXT.inject(carried)
    return carried


def _told(scope: Scope) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _KEPT}


def _route(scope: Scope) -> str:
    """Return the template under which a request was answered; what the caller wrote is never one."""
    matched = getattr(scope.get("route"), "path", None)
    if matched is not None:
        return str(matched)
    path: str = scope["path"]
    if path in (LOOKUP, BATCH):
        return path
    if path.startswith(PREFIX) and "/" not in path[len(PREFIX) :]:
        return BY_ID
    place = found(path)
    return UNMATCHED if place is None else place[0].template
