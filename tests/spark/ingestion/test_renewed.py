"""An id that counts for a while: the plan says what the rule says, however the rows are cut into runs."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from infra.log.segments import line
from infra.workspace import Workspace
from ingestion.renewed import renewed
from ingestion.repeats import Said, firsts
from ingestion.tables import EVENTS
from ingestion.transforms import current_events

pytestmark = pytest.mark.spark

START = datetime(2026, 1, 1, tzinfo=UTC)
SEED = Random().randrange(10**6) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 7  # noqa: S311 - no secret
KNOWN = "source string, message_id string, received_at timestamp, version bigint"
JUDGED = (
    "source string, key string, received timestamp, file string, position bigint, status string, verdict string, "
    "changed boolean, turn bigint, known_sequence bigint"
)
WINDOWS = {f"s{number}": timedelta(minutes=5 * number + 1) for number in range(30)}
# Of each source the ids that came, and in which minute, in the order of their arrival.
Rows = dict[str, list[tuple[str, int]]]
Places = dict[tuple[str, int], int]


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def by_the_rule(rows: Rows) -> Places:
    """Return the version that each row becomes; rows that are repetitions are left out."""
    found: Places = {}
    for source, came in rows.items():
        for key in {key for key, _ in came}:
            mine = [n for n, (name, _) in enumerate(came) if name == key]
            told = firsts([Said(came[n][1], "", sure=False) for n in mine], WINDOWS[source] // timedelta(minutes=1))
            taken = [n for n, first in zip(mine, told, strict=True) if first is None]
            found |= {(source, n): version for version, n in enumerate(taken)}
    return found


@pytest.fixture(scope="module")
def plan(spark: Any) -> Any:
    """Return what tells which rows are taken in as which version, beside those that are."""

    def run(rows: Rows, known: Places, fresh: list[tuple[str, int]]) -> Places:
        there = [(s, rows[s][n][0], at(rows[s][n][1]), version) for (s, n), version in known.items()]
        newest: dict[tuple[str, str], int] = {}
        for source, key, _, version in there:
            newest[source, key] = max(version, newest.get((source, key), 0))
        lines, seen = [], set[tuple[str, str]]()
        for source, number in fresh:
            key, minute = rows[source][number]
            again = (source, key) in seen or (source, key) in newest
            verdict, stood = "duplicate" if again else "accepted", newest.get((source, key))
            seen.add((source, key))
            lines.append((source, key, at(minute), "a", number, "accepted", verdict, False, number + 1, stood))
        judged, events = spark.createDataFrame(lines, JUDGED), spark.createDataFrame(there, KNOWN)
        found = renewed(judged, events, WINDOWS, START, lambda frame: frame).where("verdict = 'accepted'").collect()
        twice = {one for one in newest if any((s, rows[s][n][0]) == one for s, n in fresh)}
        for row in found:
            assert row["changed"] == ((row["source"], row["key"]) in twice or row["turn"] > 1) or row["turn"] > 1
        seldom = {(s, k) for s, k in ((s, rows[s][n][0]) for s, n in fresh)}
        count = {one: sum((s, rows[s][n][0]) == one for s, n in fresh) + (one in newest) for one in seldom}
        return {
            (row["source"], row["position"]): 0
            if count[row["source"], row["key"]] == 1
            else (-1 if row["known_sequence"] is None else row["known_sequence"]) + row["turn"]
            for row in found
        }

    return run


def test_the_plan_says_what_the_rule_says_however_the_rows_are_cut(plan: Any) -> None:
    random = Random(SEED)  # noqa: S311 - a seed, no secret
    rows: Rows = {
        source: sorted(
            ((random.choice("abc"), random.randrange(400)) for _ in range(random.randrange(4, 30))),
            key=lambda one: one[1],
        )
        for source in WINDOWS
    }
    wanted = by_the_rule(rows)
    places = [(source, number) for source, came in rows.items() for number in range(len(came))]
    assert plan(rows, {}, places) == wanted, SEED
    cuts = {source: random.randrange(len(came) + 1) for source, came in rows.items()}
    first = [(source, number) for source, number in places if number < cuts[source]]
    early = plan(rows, {}, first)
    late = plan(rows, early, [one for one in places if one not in first])
    assert early | late == wanted, SEED
    assert sum(version > 0 for version in wanted.values()) > len(WINDOWS)
    assert len(places) > len(wanted) + len(WINDOWS)


@pytest.mark.nightly  # by day the plan above is held to the rule
def test_an_id_that_comes_again_when_its_window_is_over_is_a_new_version(shop: Any) -> None:
    shop.declare(
        "web",
        "source: web\nconnector: {type: collector}\nidentifiers: {customer: userId}\n"
        "duplicates: {by: id, within: 30d}\n",
    )
    folder: Path = Workspace.open(shop.root).log_path / "web"
    folder.mkdir(parents=True)

    def seal(moment: int, *came: tuple[str, int]) -> None:
        lines = []
        for key, day in came:
            moment_of = (datetime(2026, 8, 1, tzinfo=UTC) + timedelta(days=day)).isoformat().replace("+00:00", "Z")
            event = {"type": "track", "event": f"Day {day}", "userId": "C1", "timestamp": moment_of}
            lines.append({"r": moment_of, "m": key, "s": None, "e": event})
        bodies = b"".join(line(json.dumps(one).encode()) for one in lines)
        (folder / f"{moment}-0000000a.ndjson").write_bytes(bodies)

    def names(frame: Any) -> list[str]:
        return sorted(row["name"] for row in frame.collect())

    seal(1793440740000, ("m1", 0), ("m2", 0), ("m1", 10), ("m1", 31))
    account = shop.run()["web"]
    assert (account["accepted"], account["duplicate"], account["changed"]) == (3, 1, 1)
    seal(1793440741000, ("m1", 60), ("m2", 29), ("m1", 62), ("m3", 60))
    account = shop.run()["web"]
    assert (account["accepted"], account["duplicate"], account["changed"]) == (2, 2, 1)
    assert names(shop.read(EVENTS)) == ["Day 0", "Day 0", "Day 31", "Day 60", "Day 62"]
    assert names(current_events(shop.read(EVENTS))) == ["Day 0", "Day 60", "Day 62"]
    versions = {(row["message_id"], row["version"]) for row in shop.read(EVENTS).collect()}
    assert versions == {("m1", 0), ("m1", 1), ("m1", 2), ("m2", 0), ("m3", 0)}
    before = sorted(map(str, shop.read(EVENTS).collect()))
    again = shop.again(since=-3000)["web"]
    assert (again["read"], again["accepted"], again["duplicate"]) == (8, 0, 8)
    assert sorted(map(str, shop.read(EVENTS).collect())) == before
