"""`kindred plan --policy`: whose permissions a changed policy would change, before anything is written."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from api.cli.world import World
from consent import foresight, store
from consent.config import load_policy
from consent.foresight import Change, Foresight, Known
from consent.model import ConsentEntry
from identity.tables import RECORD_CONSENT, RECORD_FEATURES
from infra import shelf
from infra.identifiers import load_identifier_types
from infra.ids import Purpose, Sid
from profiles.rulebook import Rulebook
from profiles.tables import BORROWED_REFUSALS, PROFILE_GRAPH

_AT_ONCE: Final = 1_000


def foreseen(world: World, policy: Path | None, labels: Path | None, at: datetime) -> Foresight:
    """Return what another policy, other labels or both would change for the people of the last build."""
    now = load_policy(world.workspace)
    then = load_policy(world.workspace, policy=policy, labels=labels)
    by_token: dict[str, list[ConsentEntry]] = {}
    by_sid: dict[Sid, list[ConsentEntry]] = {}
    for token, entry in store.whole(world.database, _AT_ONCE):
        by_token.setdefault(token, []).append(entry)
        by_sid.setdefault(entry.sid, []).append(entry)
    contacts = Rulebook(now, load_identifier_types(world.workspace)).contact_types()
    people = _people(world.workspace.lake_path, frozenset(contacts))
    words = {token: tuple(said) for token, said in by_token.items()}
    return foresight.foresee(now, then, people, words, {sid: tuple(said) for sid, said in by_sid.items()}, at)


def unresolved(world: World) -> int:
    """Return how many records the last run kept from being matched, whom no count of people can name."""
    lake, purpose = world.workspace.lake_path, Purpose("identity_resolution")
    if not shelf.exists(lake, RECORD_CONSENT):
        return 0
    batches = shelf.batches(lake, RECORD_CONSENT, columns=["purpose", "allowed"])
    return sum(row["purpose"] == purpose and not row["allowed"] for batch in batches for row in batch.to_pylist())


def _people(lake: Path, contacts: frozenset[str]) -> Iterator[Known]:
    if not shelf.exists(lake, PROFILE_GRAPH):
        return
    places = _places(lake)
    kept = _kept(lake)
    for batch in shelf.batches(lake, PROFILE_GRAPH, columns=["profile_id", "tokens", "records"]):
        for start in range(0, batch.num_rows, _AT_ONCE):
            for row in batch.slice(start, _AT_ONCE).to_pylist():
                yield _person(row, contacts, places, kept)


def _person(
    row: Mapping[str, Any],
    contacts: frozenset[str],
    places: Mapping[str, str],
    kept: Mapping[str, tuple[tuple[Sid, datetime], ...]],
) -> Known:
    held = [one for record in row["records"] for one in record["identifiers"]]
    stated = {places[record["record_key"]] for record in row["records"] if record["record_key"] in places}
    return Known(
        links={one["token"]: one["link"] for one in row["tokens"]},
        contacts=frozenset(one["token"] for one in held if one["type"] in contacts),
        jurisdictions=tuple(sorted(stated)),
        borrowed=kept.get(row["profile_id"], ()),
    )


def _places(lake: Path) -> dict[str, str]:
    """Return the jurisdiction of each record that states one; few texts, each once in memory."""
    found: dict[str, str] = {}
    once: dict[str, str] = {}
    for batch in shelf.batches(lake, RECORD_FEATURES, columns=["record_key", "jurisdiction"]):
        for row in batch.to_pylist():
            if row["jurisdiction"] is not None:
                found[row["record_key"]] = once.setdefault(row["jurisdiction"], row["jurisdiction"])
    return found


def _kept(lake: Path) -> dict[str, tuple[tuple[Sid, datetime], ...]]:
    found: dict[str, dict[Sid, datetime]] = {}
    if shelf.exists(lake, BORROWED_REFUSALS):
        for batch in shelf.batches(lake, BORROWED_REFUSALS, columns=["profile_id", "sid", "until"]):
            for row in batch.to_pylist():
                sids = found.setdefault(row["profile_id"], {})
                sids[row["sid"]] = max(row["until"], sids.get(row["sid"], row["until"]))
    return {profile: tuple(sids.items()) for profile, sids in found.items()}


def facts(found: Foresight, left_out: int) -> dict[str, object]:
    """Return what would change as data."""
    purposes = sorted({*found.allowed_now, *found.allowed_then})
    return {
        "people": found.people,
        "records_left_out_of_matching": left_out,
        "purposes": {
            p: {"now": found.allowed_now.get(p, 0), "then": found.allowed_then.get(p, 0), **_sums(found, p)}
            for p in purposes
        },
        "changes": [
            {"purpose": c.purpose, "gained": c.allowed, "jurisdiction": c.jurisdiction, "before": c.before,
             "after": c.after, "people": many}
            for c, many in found.changes.items()
        ],
        "masks": {p: {"masked": list(more), "shown": list(less)} for p, (more, less) in found.masks.items()},
    }  # fmt: skip


def lines(found: Foresight, left_out: int) -> Iterator[str]:
    """Yield what would change, for the officer to read."""
    yield f"{found.people:,} people of the last build, asked under both policies; nothing was written"
    for purpose in dict.fromkeys((*found.allowed_now, *found.allowed_then)):
        now, then = found.allowed_now.get(purpose, 0), found.allowed_then.get(purpose, 0)
        sums = _sums(found, purpose)
        yield f"{purpose}: {now:,} allowed now, {then:,} then: {sums['gained']:,} gained, {sums['lost']:,} lost"
        for change, many in found.changes.items():
            if change.purpose == purpose:
                yield f"  {_worded(change)}: {many:,}"
    for purpose, (more, less) in found.masks.items():
        told = [f"masked: {', '.join(more)}"] if more else []
        told += [f"shown again: {', '.join(less)}"] if less else []
        yield f"{purpose}: {'; '.join(told)}"
    if left_out:
        yield f"{left_out:,} records are left out of matching now and belong to nobody who could be counted"


def _worded(change: Change) -> str:
    return f"{'gained' if change.allowed else 'lost'} in {change.jurisdiction}, {change.before} to {change.after}"


def _sums(found: Foresight, purpose: str) -> dict[str, int]:
    sums = {"gained": 0, "lost": 0}
    for change, many in found.changes.items():
        if change.purpose == purpose:
            sums["gained" if change.allowed else "lost"] += many
    return sums
