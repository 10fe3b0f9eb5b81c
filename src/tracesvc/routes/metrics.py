"""GET /metrics: this process's counters, and what waits and runs now, in Prometheus' text format."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from redis.exceptions import RedisError

from tracesvc import meters
from tracesvc.redis_clients import each_node
from tracesvc.routes.deps import PROBE_SECONDS, Service, Svc

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Figures for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def get_metrics(svc: Svc) -> Response:
    """The process's own counters; and, read from Redis now, what all processes share (max over processes)."""
    registry = CollectorRegistry()
    up = Gauge("tracesvc_redis_up", "1 when Redis answers.", registry=registry)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await _read(svc, registry)
        up.set(1)
    except (RedisError, OSError):
        up.set(0)
    text = generate_latest(registry) + generate_latest(meters.REGISTRY)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _read(svc: Service, registry: CollectorRegistry) -> None:
    slots = await svc.slots.in_use()
    waiting, oldest = await svc.queue.waiting()
    memory = await svc.redis.info("memory")
    figures = {
        "tracesvc_queue_waiting": ("Jobs that no worker has taken yet.", waiting),
        "tracesvc_queue_oldest_seconds": ("How long the first of them has waited.", oldest),
        "tracesvc_redis_used_bytes": ("Memory that Redis uses.", memory.get("used_memory", 0)),
        "tracesvc_redis_max_bytes": ("Memory that Redis may use; 0: no limit.", memory.get("maxmemory", 0)),
        "tracesvc_database_slots_limit": ("Statements that may run at once.", slots.limit),
        "tracesvc_database_slots_held": ("Statements that run.", slots.held),
        "tracesvc_database_slots_waiting": (
            "Statements that wait for a slot.",
            sum(slots.waiting.values()),
        ),
        "tracesvc_jobs_active": ("Jobs that wait or run.", await svc.queue.active_jobs()),
        "tracesvc_workers": (
            "Workers of the queue heard of within 15 seconds.",
            len(await svc.queue.workers()),
        ),
    }
    for name, (meaning, value) in figures.items():
        Gauge(name, meaning, registry=registry).set(value)
    if svc.results is not svc.redis:
        await _read_results(svc, registry)


async def _read_results(svc: Service, registry: CollectorRegistry) -> None:
    """The memory of the results' own Redis, node by node."""
    used = Gauge(
        "tracesvc_results_redis_used_bytes", "Memory that the results use.", ["node"], registry=registry
    )
    most = Gauge(
        "tracesvc_results_redis_max_bytes",
        "Memory that the results may use; 0: no limit.",
        ["node"],
        registry=registry,
    )
    for name, at in await each_node(svc.results):
        memory = await svc.results.info("memory", **at)
        used.labels(name).set(memory.get("used_memory", 0))
        most.labels(name).set(memory.get("maxmemory", 0))
