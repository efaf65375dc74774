"""What the lake holds of who is who, for explanations: stored edges, memberships, stewards' words. No JVM."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from identity.errors import UnknownIdentity
from identity.explanation.explain import Evidence
from identity.explanation.notable import Tie
from identity.model import Constraint, Reason
from identity.tables import CONSTRAINTS, EDGES, MEMBERSHIP, PROFILE_ALIAS
from infra import shelf
from infra.ids import ProfileId, RecordKey


def edge(lake: Path, a: str, b: str) -> Evidence | None:
    """Return the stored edge between two records, or None where nothing brought them together."""
    left, right = sorted((a, b))
    rows = shelf.lookup(lake, EDGES, (pc.field("left_key") == left) & (pc.field("right_key") == right)).to_pylist()
    return evidence(rows[0]) if rows else None


def edges_of(lake: Path, keys: Collection[str]) -> list[Evidence]:
    """Return every stored edge that touches one of the records."""
    wanted = list(keys)
    touching = pc.field("left_key").isin(wanted) | pc.field("right_key").isin(wanted)
    return [evidence(row) for row in shelf.lookup(lake, EDGES, touching).to_pylist()]


def evidence(row: dict[str, Any]) -> Evidence:
    """Return a row of `edges` as evidence."""
    reasons = tuple(Reason(r["comparison"], r["level"], r["weight_micro"]) for r in row["reasons"])
    left, right = RecordKey(row["left_key"]), RecordKey(row["right_key"])
    return Evidence(left, right, row["weight_micro"], row["state"], row["why"] or "", reasons)


def words(lake: Path, keys: Collection[str]) -> list[Constraint]:
    """Return the stewards' words about the records, as the last resolution heard them."""
    wanted = list(keys)
    touching = pc.field("left_key").isin(wanted) | pc.field("right_key").isin(wanted)
    names = ["kind", "left_key", "right_key", "actor", "reason", "created_at", "expires_at"]
    return [
        Constraint(**{name.removesuffix("_key") if "key" in name else name: row[name] for name in names})
        for row in shelf.lookup(lake, CONSTRAINTS, touching, columns=names).to_pylist()
    ]


def profile_of(lake: Path, reference: str) -> ProfileId:
    """Return the living profile of a record key, a profile id or an id given up in a merge."""
    for column in ("profile_id", "record_key"):
        found = shelf.lookup(lake, MEMBERSHIP, pc.field(column) == reference, columns=["profile_id"])
        if found.num_rows:
            return ProfileId(found.column("profile_id")[0].as_py())
    aliased = shelf.lookup(lake, PROFILE_ALIAS, pc.field("alias_id") == reference, columns=["profile_id"])
    if aliased.num_rows == 1:
        return ProfileId(aliased.column("profile_id")[0].as_py())
    raise UnknownIdentity(reference)


def members(lake: Path, profile_id: str) -> list[RecordKey]:
    """Return the records of a profile, in the order of their keys."""
    found = shelf.lookup(lake, MEMBERSHIP, pc.field("profile_id") == profile_id, columns=["record_key"])
    return sorted(RecordKey(key) for key in found.column("record_key").to_pylist())


def ties(lake: Path) -> Iterator[Tie]:
    """Yield the kept ties inside profiles, by record keys alone."""
    profile: dict[str, str] = {}
    for batch in shelf.reader(lake, MEMBERSHIP, columns=["record_key", "profile_id"]):
        keys, profiles = (batch.column(name).to_pylist() for name in ("record_key", "profile_id"))
        profile.update(zip(keys, profiles, strict=True))
    for batch in shelf.reader(lake, EDGES, columns=["left_key", "right_key", "weight_micro", "state"]):
        for row in batch.filter(pc.equal(batch.column("state"), "kept")).to_pylist():
            home = profile.get(row["left_key"])
            if home is not None and home == profile.get(row["right_key"]) and row["weight_micro"] > 0:
                yield Tie(ProfileId(home), RecordKey(row["left_key"]), RecordKey(row["right_key"]), row["weight_micro"])
