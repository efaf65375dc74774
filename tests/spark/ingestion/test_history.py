"""The laws of replays, on many random histories at a time: what is as it was stays, what changed comes in once."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pyspark.sql import functions as f

from ingestion.again import history as again
from ingestion.versions import exceptions, fresh_lines, known_lines, shared_slots, verdicts

pytestmark = pytest.mark.spark

START = datetime(2026, 1, 1, tzinfo=UTC)
ROW = (
    "source string, key string, content_hash string, at timestamp, file string, position bigint, arrived timestamp, "
    "dated boolean, once boolean"
)
KNOWN = "source string, key string, content_hash string, at timestamp, sequence bigint, came timestamp"
KINDS = ("dated", "undated", "once", "event")
EACH, BATCHES = 40, 3
SEED = Random().randrange(10**6) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 7  # noqa: S311 - no secret

# What each source said: in which batch, of which key, what, on which day.
Said = tuple[int, str, str, int]
History = dict[str, list[Said]]


@dataclass(frozen=True)
class Version:
    source: str
    key: str
    content: str
    at: datetime
    sequence: int
    came: datetime


def kind_of(source: str) -> str:
    return source.partition("_")[0]


def histories(random: Random) -> History:
    return {
        f"{kind}_{number}": [
            (batch, random.choice("kl"), random.choice("ABC"), random.randrange(4))
            for batch in range(BATCHES)
            for _ in range(random.randrange(1, 6))
        ]
        for kind in KINDS
        for number in range(EACH)
    }


Take = Callable[..., list[Version]]


@pytest.fixture(scope="module")
def take(spark: Any) -> Take:
    """Return a function that takes rows in, as they come or once more, and returns the versions accepted."""

    def run(
        known: Sequence[Version], said: Mapping[str, Sequence[Said]], number: int, *, replay: bool
    ) -> list[Version]:
        rows = [_row(source, place, *one) for source, told in said.items() for place, one in enumerate(told)]
        broken = f.lit(None).cast("struct<field:string,rule:string>").alias("broken")
        marks = {"record": f.lit("person"), "status": f.lit("accepted"), "reread": f.array().cast("array<timestamp>")}
        fresh = spark.createDataFrame(rows, ROW).select("*", broken).withColumns(marks)
        held = [(v.source, v.key, v.content, v.at, v.sequence, v.came) for v in known]
        before = spark.createDataFrame(held, KNOWN)
        if replay:
            timed, ordered = ([s for s in said if kind_of(s) == kind] for kind in ("dated", "undated"))
            lines = again.fresh_lines(fresh, timed, ordered)
            lines = lines.unionByName(again.known_lines(before, "key", "at", timed))
            found = again.exceptions(lines, shared_slots(lines))
        else:
            dated = [source for source in said if kind_of(source) != "undated"]
            lines = fresh_lines(fresh).unionByName(known_lines(before, "key", "at", dated))
            found = exceptions(lines, shared_slots(lines))
        accepted = verdicts(fresh, found).where("verdict = 'accepted'").collect()
        return [
            Version(
                *(row.source, row.key, row.content_hash, row.at.astimezone(UTC)),
                *(number * 1_000 + row.turn, row.arrived.astimezone(UTC)),
            )
            for row in accepted
        ]

    return run


def _row(source: str, place: int, batch: int, key: str, content: str, day: int) -> tuple[Any, ...]:
    kind, arrived = kind_of(source), START + timedelta(days=100 + batch)
    at = arrived if kind == "undated" else START + timedelta(days=day)
    said = f"{content}{day}" if kind == "event" else content  # an event's time is a part of what it says
    return source, key, said, at, f"f{batch}", place, arrived, kind != "undated", kind == "once"


def came(take: Take, told: History) -> list[Version]:
    """Return what the runs made of histories, a batch after the other."""
    known: list[Version] = []
    for batch in range(BATCHES):
        known += take(
            known, {s: [one for one in said if one[0] == batch] for s, said in told.items()}, batch, replay=False
        )
    return known


def current(known: Sequence[Version]) -> dict[tuple[str, str], str]:
    """Return what each key says at last."""
    last = sorted(known, key=lambda v: (v.at if kind_of(v.source) in ("dated", "undated") else START, v.sequence))
    return {(v.source, v.key): v.content for v in last}


def but_late(found: Sequence[Version]) -> list[Version]:
    """Return the versions but those of rows with their own time, whose order may tell more than it did at first."""
    return [v for v in found if kind_of(v.source) != "dated"]


def told(found: Sequence[Version]) -> list[tuple[str, str, str, datetime]]:
    return sorted((v.source, v.key, v.content, v.came) for v in found)


def part_of(random: Random, whole: History) -> History:
    """Return some batches of each history; of the first half of each kind all of them."""
    part: History = defaultdict(list)
    for source, said in whole.items():
        every = int(source.partition("_")[2]) < EACH // 2
        wanted = set(range(BATCHES)) if every else set(random.sample(range(BATCHES), random.randrange(1, BATCHES)))
        part[source] = [one for one in said if one[0] in wanted]
    return part


def whole_of(found: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    return {k: c for k, c in found.items() if int(k[0].partition("_")[2]) < EACH // 2}


def test_replays_change_nothing_that_is_as_it_was_and_the_rest_once(take: Take) -> None:
    random = Random(SEED)  # noqa: S311 - a seed, no secret
    whole = histories(random)
    known = came(take, whole)
    part = part_of(random, whole)
    more = take(known, part, 50, replay=True)
    assert but_late(more) == [], SEED
    assert take([*known, *more], part, 51, replay=True) == [], SEED
    # what a shadow makes of all of it is what the runs made of it
    anew = take([], whole, 50, replay=True)
    assert told(but_late(anew)) == told(but_late(known)), SEED
    assert whole_of(current(anew)) == whole_of(current([*known, *more])), SEED
    # another mapping comes in once, and the last word stays the last
    changed = {s: [(b, k, {"A": "X"}.get(c, c), d) for b, k, c, d in said] for s, said in part.items()}
    then = [*known, *take(known, changed, 52, replay=True)]
    assert take(then, changed, 53, replay=True) == [], SEED
    assert len({(v.source, v.key, v.sequence) for v in then}) == len(then), SEED
    aside = current(but_late(take([], changed, 52, replay=True)))
    assert whole_of(current(but_late(then))) == whole_of(aside), SEED
    kept = {k: c for k, c in current(but_late(then)).items() if k not in aside}
    assert kept == {k: c for k, c in current(but_late(known)).items() if k not in aside}, SEED
    # and back again
    back = [*then, *take(then, part, 54, replay=True)]
    assert take(back, part, 55, replay=True) == [], SEED
    assert current(but_late(back)) == current(but_late(known)), SEED
