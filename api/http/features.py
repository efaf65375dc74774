"""Rows of a feature set for many people: decided, counted and audited as a batch of look-ups is."""

from collections.abc import Sequence
from typing import Literal

import orjson
from pydantic import BaseModel, Field

from api.http.batch import Met, Parted, Person, met
from api.http.credentials import Holder
from api.http.models import Asked, IdentifierIn, ProfileIn, PurposeName
from api.http.shapes import Trait
from api.http.world import World
from infra.ids import Purpose
from profiles.features.declared import FeatureSet, FeatureType
from profiles.features.errors import OtherPurpose, UnknownFeatureSet
from profiles.features.vector import nobody, row


class FeaturesIn(Asked):
    """Of whom to return the values of a declared feature set: up to 1,000 people, by identifiers or profile ids."""

    feature_set: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", examples=["basket"])
    purpose: PurposeName
    people: list[IdentifierIn | ProfileIn] = Field(min_length=1, max_length=1_000)


class FeatureOut(BaseModel):
    """One column of the rows."""

    name: str
    type: FeatureType


class FeatureRowOut(BaseModel):
    """The values of one person, in the order of `features`."""

    profile_id: str | None = Field(description="null where nobody is found")
    found: bool = Field(description="false for whom this purpose does not see: the values are the defaults")
    values: list[Trait]
    status: str = Field(
        description="a letter a value: p present, d default, w withheld, s stale (older than the set allows)",
        pattern=r"^[pdws]+$",
        examples=["ppds"],
    )
    because: Literal["split", "unreadable"] | None = Field(
        default=None, description="why nobody is found, where it may be told; a split has `successors`"
    )
    successors: list[str] | None = None


class FeaturesOut(BaseModel):
    """A row a person, in the order asked."""

    feature_set: str
    version: int
    purpose: str
    features: list[FeatureOut]
    rows: list[FeatureRowOut]


def declared(world: World, name: str, purpose: Purpose) -> FeatureSet:
    """Return a feature set; raise where the workspace has none of that name, or one for another purpose."""
    found = world.features.get(name)
    if found is None:
        raise UnknownFeatureSet(world.features)
    if found.purpose != purpose:
        raise OtherPurpose(found.purpose)
    return found


def featured(world: World, holder: Holder, people: Sequence[Person], wanted: FeatureSet) -> bytes:
    """Return the answer: a row a person, in the order asked; raise `DayFull` or `AuditBehind` for all of them."""
    # How old what was counted is, is asked of the generation that the values are from.
    world = world.moment()
    at, counted = world.clock(), world.profiles.counted()
    empty = nobody(wanted)
    absent: dict[str, object] = {"profile_id": None, "found": False, "values": empty.values, "status": empty.status}

    def told(one: Met) -> dict[str, object]:
        if isinstance(one, bytes):
            view = orjson.loads(one)
            filled = row(wanted, view, at, counted)
            return {
                "profile_id": view["profile_id"], "found": True, "values": filled.values, "status": filled.status,
            }  # fmt: skip
        if isinstance(one, Parted):
            return {**absent, "because": "split", "successors": one.successors}
        return {**absent, "because": "unreadable"} if one == "unreadable" else absent

    rows = [told(one) for one in met(world, holder, people, Purpose(wanted.purpose))]
    columns = [{"name": one.name, "type": one.type} for one in wanted.features]
    head = {"feature_set": wanted.feature_set, "version": wanted.version, "purpose": wanted.purpose}
    return orjson.dumps({**head, "features": columns, "rows": rows})
