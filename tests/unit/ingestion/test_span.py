"""A span of time as people write it."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.errors import Malformed
from ingestion.again.span import Span, span

NOW = datetime(2026, 5, 8, 12, tzinfo=UTC)


def test_a_span_is_written_as_moments_or_as_how_long_ago() -> None:
    assert span("7d", None, "UTC", NOW) == Span(NOW - timedelta(days=7), NOW)
    assert span("36h", "30m", "UTC", NOW) == Span(NOW - timedelta(hours=36), NOW - timedelta(minutes=30))
    found = span("2026-05-01", "2026-05-02T10:00:00Z", "America/New_York", NOW)
    assert found == Span(datetime(2026, 5, 1, 4, tzinfo=UTC), datetime(2026, 5, 2, 10, tzinfo=UTC))
    assert found.since in found
    assert found.until not in found
    assert str(found) == "2026-05-01 04:00:00Z to 2026-05-02 10:00:00Z"


@pytest.mark.parametrize("text", ["yesterday", "7", "100000w", "2026-13-01", ""])
def test_what_is_no_moment_is_told(text: str) -> None:
    with pytest.raises(Malformed, match="--since: not a moment; write how long ago"):
        span(text, None, "UTC", NOW)


def test_a_span_ends_after_it_begins() -> None:
    with pytest.raises(Malformed, match="write the earlier moment first"):
        span("1d", "2d", "UTC", NOW)
