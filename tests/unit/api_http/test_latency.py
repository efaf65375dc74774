"""Latency by route and purpose, as Prometheus reads it."""

from typing import Any

import httpx
import pytest

from api.http.metrics import BOUNDS, Metrics

ANNA = "a" * 32


def test_buckets_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.00001, 0.0001, 0.003, 60.0):
        metrics.of("/x").add(200, seconds, "service")
    metrics.of("/x").add(404, 0.5)
    text = metrics.text()
    labels = 'route="/x",purpose="service"'
    told = [line for line in text.splitlines() if line.startswith(f"kindred_http_request_seconds_bucket{{{labels}")]
    counts = [int(line.rpartition(" ")[2]) for line in told]
    assert len(told) == len(BOUNDS) + 1
    assert counts == sorted(counts)
    assert (counts[0], counts[1], counts[-2], counts[-1]) == (1, 2, 3, 4)
    assert told[-1].startswith(f'kindred_http_request_seconds_bucket{{{labels},le="+Inf"}}')
    assert f"kindred_http_request_seconds_count{{{labels}}} 4" in text
    assert f"kindred_http_request_seconds_sum{{{labels}}} 60.003110" in text
    assert 'kindred_http_requests_total{route="/x",status="200"} 4' in text


@pytest.mark.anyio
async def test_a_purpose_that_no_key_carries_is_no_label(asking: httpx.AsyncClient, town: Any) -> None:
    for purpose in ("service", "service", "personalization", "anna", "advertising"):
        await asking.get(f"/v1/profiles/{ANNA}?purpose={purpose}", headers=town.bearer())
    await asking.get(f"/v1/profiles/{ANNA}/events?purpose=service", headers=town.bearer())
    text = town.world.metrics.text()
    name = "kindred_http_request_seconds_count"
    assert f'{name}{{route="/v1/profiles/{{profile_id}}",purpose="service"}} 2' in text
    assert f'{name}{{route="/v1/profiles/{{profile_id}}",purpose="personalization"}} 1' in text
    assert f'{name}{{route="/v1/profiles/{{profile_id}}",purpose=""}} 2' in text
    assert f'{name}{{route="/v1/profiles/{{profile_id}}/events",purpose="service"}} 1' in text
    assert "anna" not in text
    assert "advertising" not in text
