"""How the sources are: told to those who answer for them, as JSON and as metrics that Prometheus understands."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from api.http.app import create_app
from ingestion.expected import Freshness
from ingestion.health import VERDICTS, Health, Runs, SourceHealth, Waiting

pytestmark = pytest.mark.anyio
_SAMPLE = re.compile(r'^([a-z_]+)(?:\{([a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*)\})? (-?[\d.]+(?:e[+-]?\d+)?)$')


def health(at: Any, runs: Runs) -> Health:
    web = SourceHealth(
        source="web",
        connector="collector",
        arrived_at=at - timedelta(seconds=90),
        told_at=at - timedelta(days=1),
        run=7,
        run_at=at - timedelta(seconds=60),
        rows=12,
        waiting=Waiting(2, 512, at - timedelta(seconds=5)),
        quarantined=3,
        verdicts={**dict.fromkeys(VERDICTS, 0), "accepted": 40},
        expected=Freshness(warn_after="20h", error_after="3d"),
    )
    new = SourceHealth("new", "files", None, None, None, None, 0, Waiting(), 0, dict.fromkeys(VERDICTS, 0))
    topic = replace(new, source="topic", connector="collector", waiting=Waiting(None, None))
    return Health(at, (web, new, topic), runs)


class Ward:
    """`Tended` with known answers, or a database that is away."""

    def __init__(self, runs: Runs | None = None, *, away: bool = False) -> None:
        self._runs, self._away = runs or Runs(), away

    def health(self, at: Any) -> Health:
        self.runs()
        return health(at, self._runs)

    def runs(self) -> Runs:
        if self._away:
            raise OperationalError("SELECT", {}, Exception("away"))
        return self._runs


@pytest.fixture
def get(town: Any) -> Callable[..., Any]:
    async def ask(path: str, ward: Ward | None, who: str = "admin") -> httpx.Response:
        app = create_app(replace(town.world, sources=ward))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            return await client.get(path, headers=town.bearer(who))

    return ask


async def test_a_source_is_told_with_its_ages(get: Callable[..., Any]) -> None:
    answer = await get("/v1/sources", Ward(Runs(2.5, None, 0, 0)))
    assert answer.status_code == 200
    web, new, topic = answer.json()["sources"]
    assert (web["seconds_since_arrival"], web["last_run"], web["rows_last_run"]) == (90, 7, 12)
    assert web["waiting"]["count"] == 2
    rule = {"of": "moment", "warn_after_seconds": 72_000, "error_after_seconds": 259_200, "state": "late"}
    assert (web["freshness"], new["freshness"]) == (rule, None)
    assert (web["waiting"]["bytes"], web["waiting"]["oldest_seconds"]) == (512, 5)
    assert (web["quarantined_open"], web["verdicts"]["accepted"]) == (3, 40)
    assert (new["newest_arrival"], new["last_run"], new["waiting"]["count"]) == (None, None, 0)
    assert topic["waiting"]["count"] is None
    assert answer.json()["runs"]["trouble"] is None


async def test_others_may_not_ask(get: Callable[..., Any]) -> None:
    assert (await get("/v1/sources", Ward(), "reader")).status_code == 403
    assert (await get("/v1/sources", None)).status_code == 503


def samples(text: str) -> dict[str, list[tuple[str, float]]]:
    """Return the samples by name; each belongs to a name that was described before, once."""
    found: dict[str, list[tuple[str, float]]] = {}
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds, line
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            match = _SAMPLE.match(line)
            assert match, line
            assert match[1] in kinds, line
            assert match[1].endswith("_total") == (kinds[match[1]] == "counter"), line
            found.setdefault(match[1], []).append((match[2] or "", float(match[3])))
    return found


async def test_metrics_are_as_prometheus_reads_them(get: Callable[..., Any]) -> None:
    told = samples((await get("/metrics", Ward(Runs(2.5, None, 1, 4)))).text)
    assert told["kindred_sources_readable"] == [("", 1)]
    assert ('source="web",verdict="accepted"', 40) in told["kindred_ingest_rows_total"]
    assert len(told["kindred_ingest_rows_total"]) == 3 * len(VERDICTS)
    assert told["kindred_source_freshness_seconds"] == [('source="web"', 90)]
    assert told["kindred_source_late"] == [('source="web"', 1)]
    assert told["kindred_source_lag_seconds"] == [('source="web"', 5), ('source="new"', 0)]
    assert told["kindred_source_waiting"] == [('source="web"', 2), ('source="new"', 0)]
    assert ('source="web"', 3) in told["kindred_quarantine_open_rows"]
    assert told["kindred_ingest_last_run_seconds"] == [("", 2.5)]
    assert (told["kindred_ingest_failures_in_a_row"], told["kindred_ingest_run_tries"]) == ([("", 1)], [("", 4)])


async def test_what_cannot_be_read_is_said_and_the_rest_told(get: Callable[..., Any]) -> None:
    answer = await get("/metrics", Ward(away=True))
    told = samples(answer.text)
    assert (answer.status_code, told["kindred_sources_readable"]) == (200, [("", 0)])
    assert "kindred_source_freshness_seconds" not in told
    assert "kindred_audit_waiting" in told


@pytest.mark.parametrize(
    ("ward", "said"),
    [
        (Ward(), "ready"),
        (Ward(Runs(failures=2)), "taking in failed 2 times in a row; `kindred runs` says why"),
        (Ward(Runs(tries=4)), "runners ended over the run under way, 4 tries until now; see state/runner.log"),
        (Ward(away=True), "unknown: OperationalError"),
    ],
)
async def test_readiness_tells_of_a_lake_that_stands_still_and_stays_ready(
    get: Callable[..., Any], ward: Ward, said: str
) -> None:
    answer = await get("/readyz", ward)
    assert (answer.status_code, answer.json()["ingestion"]) == (200, said)
    assert "ingestion" not in (await get("/readyz?part=profiles", ward)).json()
