"""A purpose whose period is over sees a record no longer, with all that happened at it; others see it as before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.spark
RULES = """rules:
- {table: records, source: crm, purpose: analytics, keep: 55d, counted_from: received, because: counted}
- {table: records, purpose: analytics, keep: 1y, counted_from: received, because: counted}
- {table: records, purpose: service, keep: 17d, counted_from: last_activity, because: served}
- {table: records, source: newsletter, keep: 1d, counted_from: received, because: gone with the next maintenance}
"""


@pytest.mark.nightly  # by day test_retention_laws.py
def test_a_record_is_withheld_from_the_purpose_whose_period_is_over(shop: Callable[..., Any]) -> None:
    from consent.config import load_policy
    from identity.tables import RESOLUTION
    from profiles.jobs import build
    from profiles.retention import withheld
    from profiles.tables import PROFILE_GRAPH

    runtime = shop(1)
    lake, policy = runtime.lake, load_policy(runtime.workspace)
    assert withheld(runtime, policy) is None
    lake.ensure([RESOLUTION])
    row = (1, "", "", "", 0, True, 0, runtime.run.started_at - timedelta(days=1))
    lake.append(RESOLUTION, lake.spark.createDataFrame([row], lake.schema(RESOLUTION)))
    (runtime.workspace.root / "consent/retention.yaml").write_text(RULES)
    found = {(row["record_key"], row["purpose"]) for row in withheld(runtime, policy).collect()}
    # Ann ordered more than 17 days ago, Bob looked at a page since; a rule without a purpose withholds nothing
    ann = {(key, "service") for key in ("r1", "r2", "r4")}
    assert found == {("r1", "analytics"), ("r5", "analytics"), *ann}
    build(runtime, {})
    seen = {
        one["record_key"]: set(one["purposes"]) & {"service", "analytics"}
        for row in lake.read(PROFILE_GRAPH).select("records").collect()
        for one in row["records"]
    }
    assert seen["r1"] == set()
    assert seen["r2"] == seen["r4"] == {"analytics"}
    assert seen["r5"] == {"service"}
    assert seen["r6"] == {"service", "analytics"}
