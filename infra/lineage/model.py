"""The nouns of lineage: datasets with their columns, what feeds which, and what happened to a run or a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Kind = Literal["START", "COMPLETE", "FAIL"]
# How a field comes from a column: as it is, or changed on the way; or the column decides whether a row comes at all.
How = Literal["IDENTITY", "TRANSFORMATION", "FILTER"]


@dataclass(frozen=True, slots=True)
class Address:
    """What a dataset is called, as OpenLineage names systems and what lies in them; free of secrets."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """A column by its name and type; never a value of it."""

    name: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of an input that a field of an output comes from."""

    of: Address
    column: str
    how: How = "IDENTITY"


@dataclass(frozen=True, slots=True)
class Given:
    """A dataset that a step reads, with how many rows it gave, where that is known."""

    address: Address
    fields: tuple[Field, ...] = ()
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A dataset that a step writes: what came to it, and which columns feed its fields; `conditions` decide on rows."""

    address: Address
    fields: tuple[Field, ...] = ()
    version: int | None = None
    rows: int | None = None
    files: int | None = None
    size: int | None = None
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    conditions: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened to a run, or to one of its steps; `error` is a sentence without personal data."""

    kind: Kind
    at: datetime
    run_id: str
    job: str
    step: str | None = None
    given: tuple[Given, ...] = ()
    made: tuple[Made, ...] = ()
    error: str | None = None


class Teller(Protocol):
    """Whoever is told what happens."""

    def tell(self, happened: Happened) -> None:
        """Pass it on; never fail for it."""

    def close(self) -> None:
        """Say what could not be passed on, and let go of what was opened."""
