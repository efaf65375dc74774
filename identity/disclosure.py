"""What identity holds of a person, for a request for access: why their records are one person, and which are surely theirs."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from consent.requests.disclosure import PORTABLE_BASES
from consent.requests.tables import Tables, Told
from identity.tables import (
    COOKIE_INTERVAL,
    EDGES,
    IDENTITY_EVENTS,
    MEMBERSHIP,
    PROFILE_ALIAS,
    PROFILE_INDEX,
    RECORD_CONSENT,
    RECORD_FEATURES,
)
from infra import shelf
from infra.ids import ProfileId, RecordKey

_ENGINE: Final = frozenset(
    {"content_hash", "batch", "since_batch", "component", "rule_mask", "arrival", "model_version"}
)
TOLD: Final = (
    Told(
        table=RECORD_FEATURES, by="record", columns=("record_key",), origin="derived", hidden=_ENGINE,
        told="Your records in one spelling, as they are compared",
    ),
    Told(
        table=MEMBERSHIP, by="record", columns=("record_key",), origin="derived", hidden=_ENGINE,
        told="Which records we believe to be yours: the profile of each",
    ),
    Told(
        table=EDGES, by="record", columns=("left_key", "right_key"), origin="derived", hidden=_ENGINE,
        told="How your profile came about: what speaks for and against two of your records being one person's, in bits",
    ),
    Told(
        table=COOKIE_INTERVAL, by="record", columns=("record_key",), origin="derived", hidden=_ENGINE,
        told="Which browsers we believe to be yours, and when",
    ),
    Told(
        table=RECORD_CONSENT, by="record", columns=("record_key",), origin="handling", hidden=_ENGINE,
        told="What each record may be used for, and by which line of our policy",
    ),
    Told(
        table=PROFILE_INDEX, by="profile", columns=("profile_id",), origin="derived", hidden=_ENGINE,
        told="How sure we are of your profile", mixed=True,
    ),
    Told(
        table=PROFILE_ALIAS, by="profile", columns=("profile_id",), origin="handling", hidden=_ENGINE,
        told="Ids under which you were known before",
    ),
    Told(
        table=IDENTITY_EVENTS, by="record", columns=("record_key",), origin="handling", hidden=_ENGINE,
        told="When your records joined and left profiles",
    ),
)  # fmt: skip
LEFT_OUT: Final = {
    "posting_index": "digests of your data by which records are looked for; the data themselves are told",
    "constraints": "what stewards decided about records; ask us for a decision, for it may be about somebody else too",
    "succession": "ids of records that are no more, without any content",
}


def disclosed(lake: Path) -> Tables:
    """Return identity's tables for an answer."""
    return Tables("identity", lake, TOLD, LEFT_OUT)


def profiles_of(lake: Path, records: Collection[RecordKey]) -> dict[RecordKey, ProfileId]:
    """Return the profile of each record that has one."""
    if not records or not shelf.exists(lake, MEMBERSHIP):
        return {}
    wanted = pc.field("record_key").isin(sorted(records))
    rows = shelf.lookup(lake, MEMBERSHIP, wanted, columns=["record_key", "profile_id"]).to_pylist()
    return {RecordKey(row["record_key"]): ProfileId(row["profile_id"]) for row in rows}


def former(lake: Path, profiles: Collection[ProfileId]) -> tuple[ProfileId, ...]:
    """Return the ids that were given up for some profiles."""
    if not profiles or not shelf.exists(lake, PROFILE_ALIAS):
        return ()
    wanted = pc.field("profile_id").isin(sorted(profiles))
    found = shelf.lookup(lake, PROFILE_ALIAS, wanted, columns=["alias_id"])
    return tuple(sorted(ProfileId(key) for key in set(found.column("alias_id").to_pylist())))


def portable(lake: Path, records: Collection[RecordKey]) -> frozenset[RecordKey]:
    """Return the records of which some use rests on consent or contract (Art. 20(1)(a)), as last decided."""
    if not records or not shelf.exists(lake, RECORD_CONSENT):
        return frozenset()
    wanted = pc.field("record_key").isin(sorted(records)) & pc.field("allowed")
    wanted &= pc.field("reason").isin(sorted(PORTABLE_BASES))
    found = shelf.lookup(lake, RECORD_CONSENT, wanted, columns=["record_key"])
    return frozenset(RecordKey(key) for key in found.column("record_key").to_pylist())
