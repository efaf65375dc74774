"""Training sets: nothing of the future in any row, and for now the very rows that are served."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.spark
FEATURES = """\
feature_set: everything
purpose: {purpose}
features:
  - {{name: orders, field: traits.orders, type: whole, default: 0}}
  - {{name: orders_30d, field: traits.orders_30d, type: whole, default: 0}}
  - {{name: spend_90d, field: traits.spend_90d, type: money}}
  - {{name: events, field: traits.events, type: whole, default: 0}}
  - {{name: idle, field: traits.days_since_order, type: whole}}
  - {{name: last_seen, field: traits.last_seen, type: time}}
  - {{name: likes, field: traits.favourite_departments, type: list, default: []}}
  - {{name: channel, field: traits.channel, type: text, default: none}}
  - {{name: given_name, field: attributes.given_name, type: text}}
  - {{name: city, field: attributes.city, type: text, max_age_hours: 1200}}
  - {{name: email, field: attributes.email, type: text}}
"""
PEOPLE = ("r1", "r5", "i1")


def rows_of(runtime: Any, labels: list[tuple[str, datetime, int]], purpose: str) -> list[dict[str, Any]]:
    """Return a training set's rows, as they stand in its file."""
    from profiles.features.training import training_set

    root: Path = runtime.workspace.root
    (root / "features").mkdir(exist_ok=True)
    (root / "features" / "everything.yaml").write_text(FEATURES.format(purpose=purpose))
    text = "profile_id,at,label\n" + "".join(f"{who},{at.isoformat()},{label}\n" for who, at, label in labels)
    (root / "labels.csv").write_text(text)
    out = root / "out.parquet"
    arguments = {"feature_set": "everything", "labels": str(root / "labels.csv"), "out": str(out)}
    told = training_set(runtime, arguments, runtime.run.started_at)
    found: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    assert told["rows"] == len(found)
    assert out.stat().st_mode & 0o777 == 0o600
    assert not (root / "state" / "work" / "training").exists()
    return found


def random_labels(seed: int, day: Callable[[int], datetime]) -> list[tuple[str, datetime, int]]:
    draw = Random(seed)  # noqa: S311 - a seeded choice of moments
    hours = [draw.randrange(-24, 24 * 62) for _ in range(40)]
    # Some at the very moment of an event: what happens then has not happened before.
    moments = [day(0) + timedelta(hours=one) for one in hours] + [day(n) for n in (10, 12, 40, 41, 42, 43)]
    return [(draw.choice(PEOPLE), at, n) for n, at in enumerate(moments)]


def test_now_is_what_is_served_and_the_future_changes_nothing(
    shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent.overlay import DenyOverlay
    from profiles.jobs import build, publish

    # The shop's own facts, as they are written into the lake.
    facts: dict[str, Any] = shop.__globals__
    day, order_line, event = facts["day"], facts["order_line"], facts["event"]
    first = shop(1)
    (first.workspace.root / ".env").write_text("KINDRED_TOKEN_KEY=" + "k" * 40 + "\n")  # pragma: allowlist secret
    build(first, {})
    publish(first, {})
    now = datetime(2026, 3, 2, tzinfo=UTC)
    labels = [*random_labels(7, day), *((who, now, 100 + n) for n, who in enumerate(PEOPLE))]
    before = rows_of(first, labels, "profiling")
    assert [one["label"] for one in before] == [n for _, _, n in labels]
    assert len({one["orders"] for one in before}) > 2
    see_moments(before, labels, day)
    assert by_person(before[-3:]) == served(first, "profiling", now)
    # Masked for this purpose are emails, and the others never said yes.
    personal = by_person(rows_of(first, labels[-3:], "personalization"))
    assert personal == served(first, "personalization", now)
    assert set(personal) == {"r1"}
    # Whatever happens at or after a moment, and is observed then, changes nothing of the rows up to it.
    cut = day(35)
    later = [order_line(100 + n, who, f"x{n}", 35 + n, "cheese", 50.0) for n, who in enumerate(["r4", "r2", "r5"])] + [
        event(200, "r6", "Page Viewed", 60, "web")
    ]
    monkeypatch.setitem(facts, "EVENTS", [*facts["EVENTS"], *later])
    renamed = {"observed_at": cut, "sequence": 99, "attributes": {"given_name": "Zoe", "city": "Ulm"}}
    monkeypatch.setitem(facts, "RECORDS", [*facts["RECORDS"], {**facts["RECORDS"][0], **renamed}])
    second = shop(2)
    build(second, {})
    overlay = DenyOverlay.open(second.workspace.serving_path)
    overlay.restrict(["1:email:bob@example.net"], ["profiling"], at=second.run.started_at, sequence=9)  # type: ignore[list-item]
    overlay.close()
    after = {one["label"]: one for one in rows_of(second, labels, "profiling")}
    kept = [one for one in before if one["at"] <= cut and one["profile_id"] != "r5"]
    assert len(kept) > 10
    assert all(after[one["label"]] == one for one in kept)
    assert any(after[one["label"]] != one for one in before if one["label"] in after)
    # Who refused since the build is in no row, whatever was allowed at the time.
    assert {one["profile_id"] for one in after.values()} == {"r1", "i1"}


def by_person(rows: list[dict[str, Any]]) -> dict[str, Any]:
    apart = ("profile_id", "at", "label")
    return {one["profile_id"]: {n: v for n, v in one.items() if n not in apart} for one in rows}


def served(runtime: Any, purpose: str, at: datetime) -> dict[str, Any]:
    """Return the rows that are answered for the same set now."""
    from consent.overlay import DenyOverlay
    from profiles.features.declared import load_features
    from profiles.features.vector import row
    from profiles.serving import ProfileReader, Published

    overlay = DenyOverlay.open(runtime.workspace.serving_path)
    reader = ProfileReader(Published(runtime.workspace.serving_path, time.monotonic), overlay)
    declared, found = load_features(runtime.workspace)["everything"], {}
    for who in PEOPLE:
        body = reader.view(who, purpose)  # type: ignore[arg-type]
        if body is not None:
            filled = row(declared, orjson.loads(body), at, at)
            names = [one.name for one in declared.features]
            found[who] = {**dict(zip(names, filled.values, strict=True)), "status": filled.status}
    overlay.close()
    return found


def see_moments(
    rows: list[dict[str, Any]], labels: list[tuple[str, datetime, int]], day: Callable[[int], datetime]
) -> None:
    """Look at rows whose values can be told by hand."""
    at = {(who, moment): one for (who, moment, _), one in zip(labels, rows, strict=True)}
    for (who, moment), one in at.items():
        if who != "r1":
            continue
        orders = [d for d in (10, 40, 41) if day(d) < moment]
        assert one["orders"] == len(orders)
        assert one["last_seen"] == (None if not orders else day(orders[-1]).strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert one["given_name"] == ("Ann" if moment > day(0) else None)
        stale = moment - day(9) > timedelta(hours=1200)
        assert one["city"] in ({None} if stale else {"Dover"} if moment > day(9) else {"Akron", None})
        assert (one["status"][9] == "s") == stale
        assert set(one["status"]) <= set("pds")
