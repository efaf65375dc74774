"""Whether the server lives, whether it can answer, and how much it has answered."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from api.http.keys import Credential
from api.http.ports import Json, Tended
from api.http.privacy.office import Office
from api.http.problems import problem
from api.http.routes.doors import WorldDep, needs, problems
from api.http.sources import metrics as source_metrics
from api.http.sources import trouble, unreadable
from api.http.world import World
from consent.requests.clocks import metrics as request_metrics
from infra.errors import KindredError

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Alive?")
async def healthz() -> dict[str, str]:
    """Answer as long as the process can."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Ready?",
    response_model=dict[str, str],
    responses={503: problems()[503], 422: problems()[422]},
)
async def readyz(
    world: WorldDep,
    part: Annotated[
        Literal["profiles", "collector"] | None,
        Query(description="Ask for this part alone, as a balancer of it would."),
    ] = None,
) -> Response | dict[str, str]:
    """Answer 200 once all parts do their work: profiles are published, the event log takes events in.

    The parts fail apart: where nothing is published yet the collector may be ready, and where the log is full
    profiles are still read. The answer names what is missing; `part` asks for one of them.
    """
    published, database = _published(world), await run_in_threadpool(_database, world)
    ready, missing = {"status": "ready"}, [] if database else ["the database cannot be read"]
    if part != "collector":
        ready |= {"generation": published or ""}
        missing += [] if published else ["a published generation cannot be read"]
        age = _age(world) if published else None
        if age is not None:
            ready |= {"age_seconds": f"{age.total_seconds():.0f}"}
            missing += _stale(age, world.stale_after)
    if world.collector is not None and part != "profiles":
        log = world.collector.log.state()
        ready |= {"collector": "ready"}
        missing += [] if log.ready else [f"the event log takes nothing in: {log.because}"]
    elif part == "collector":
        missing.append("this server runs without a collector")
    if world.online is not None and part != "collector":
        ready |= {"online": _online(world.online)}
    if not missing:
        if world.sources is not None and part != "profiles":
            # Told and no reason to send callers away: what is accepted meanwhile is durable and waits in the log.
            ready |= await run_in_threadpool(_taking_in, world.sources)
        return ready
    return problem(503, f"not ready: {'; '.join(missing)}", headers={"retry-after": "1"})


@router.get(
    "/metrics",
    summary="Counts in Prometheus' format",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}}, **problems(body=False, asked=False)},
)
async def metrics(world: WorldDep, _caller: Annotated[Credential, Depends(needs("admin"))]) -> Response:
    """Return requests by route and status, events by source and verdict; no label is a person, a key or a path."""
    age = _age(world)
    aged = {} if age is None else {"served_age_seconds": age.total_seconds()}
    text_ = world.metrics.text(audit_waiting=world.audit.waiting(), **aged)
    if world.collector is not None:
        text_ += world.collector.counts.text(world.collector.log.state())
    if world.online is not None:
        text_ += _followed(world.online())
    if world.privacy is not None:
        text_ += await run_in_threadpool(_clocks, world.privacy, world.clock())
    if world.sources is not None:
        text_ += await run_in_threadpool(_sources, world.sources, world.clock())
    return Response(text_, media_type="text/plain; version=0.0.4")


def _followed(told: Json) -> str:
    """Return how the online path is, as gauges: how far it is behind, and whether it works at all."""
    ails = int(bool(told["trouble"]))
    return (
        f"# TYPE kindred_online_behind_seconds gauge\nkindred_online_behind_seconds {told['behind_seconds']}\n"
        f"# TYPE kindred_online_events_total counter\nkindred_online_events_total {told['applied']}\n"
        f"# TYPE kindred_online_waits gauge\nkindred_online_waits {ails}\n"
    ) + _unread(told["waiting"])


def _unread(waiting: Mapping[str, int]) -> str:
    """Return how many entries of each partition of the log are not served yet; nothing for a log that has none."""
    if not waiting:
        return ""
    lines = [
        f'kindred_online_unread_entries{{source="{source}",partition="{number}"}} {count}\n'
        for source, _, number, count in ((*part.partition("/"), count) for part, count in sorted(waiting.items()))
    ]
    return "# TYPE kindred_online_unread_entries gauge\n" + "".join(lines)


def _taking_in(sources: Tended) -> dict[str, str]:
    try:
        return {"ingestion": trouble(sources.runs()) or "ready"}
    except SQLAlchemyError as error:
        return {"ingestion": f"unknown: {type(error).__name__}"}


def _online(asked: Callable[[], Json]) -> str:
    """Return how far behind what is served is: no reason to send readers away, for a publication serves them too."""
    told = asked()
    if told["trouble"]:
        return f"waits: {told['trouble']}"
    waiting = told["waiting"]
    unread = f", {sum(waiting.values()):,} entries of {len(waiting)} partitions unread" if waiting else ""
    return f"{told['behind_seconds']:.3f} s behind{unread}"


def _sources(sources: Tended, at: datetime) -> str:
    """Return what the books tell of the sources; where they cannot be read, that, for the rest is told nevertheless."""
    try:
        return source_metrics(sources.health(at))
    except (KindredError, SQLAlchemyError):
        return unreadable()


def _clocks(privacy: Office, at: datetime) -> str:
    """Return how urgent the open privacy requests are; where they cannot be read, nothing, which is an alarm too."""
    try:
        return request_metrics(privacy.clocks(at))
    except SQLAlchemyError:
        return ""


def _published(world: World) -> str | None:
    try:
        return world.profiles.generation()
    except KindredError:
        return None


def _age(world: World) -> timedelta | None:
    """Return how long ago the served build judged what people allow, or None where its manifest does not say."""
    try:
        judged = None if world.built is None else world.built()
    except KindredError:
        return None
    return None if judged is None else max(world.clock() - judged, timedelta())


def _stale(age: timedelta, limit: timedelta | None) -> list[str]:
    if limit is None or age <= limit:
        return []
    hours = age.total_seconds() / 3600
    return [f"what is served was built {hours:.1f} hours ago; run `kindred run`, or set serving.stale_after higher"]


def _database(world: World) -> bool:
    try:
        with world.database.connect() as connection:
            return connection.execute(text("SELECT 1")).scalar() == 1
    except SQLAlchemyError:
        return False
