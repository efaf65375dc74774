"""Delta tables as sheets of an answer: a package says by which column a table names people, and what is in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow.compute as pc

from consent.model import GRANT_LINKS, Policy
from consent.requests.disclosure import LeftOut, Origin, Person, Sheet
from infra import shelf
from infra.tables import Table

By = Literal["record", "profile", "token"]
UNSURE: Final = "drawn from all records of the profile, of which some are not surely yours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A table that is told: by which columns it names people (all of them must), and in which words it is introduced.

    A `mixed` table holds what was made of a whole profile: where some of its records are not surely the person's, it is
    told only for the purposes that see no value over a weak link (`strict`, of column `purpose`).
    """

    table: Table
    by: By
    columns: tuple[str, ...]
    origin: Origin
    told: str
    mixed: bool = False
    hidden: frozenset[str] = frozenset({"content_hash", "batch", "sequence"})


def strict_purposes(policy: Policy) -> frozenset[str]:
    """Return the purposes that see no value over a weak link."""
    return frozenset(name for name, terms in policy.purposes.items() if terms.min_link in GRANT_LINKS["person"])


@dataclass(frozen=True, slots=True)
class Tables:
    """The Delta tables of one package as `Disclosable`."""

    name: str
    lake: Path
    told: tuple[Told, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    strict: frozenset[str] = frozenset()

    def stores(self) -> Iterable[str]:
        """Return the names of the tables, told or left out."""
        return (*(one.table.name for one in self.told), *self.left_out)

    def sheets(self, person: Person) -> Iterator[Sheet | LeftOut]:
        """Yield what each table holds of a person."""
        for one in self.told:
            if one.mixed and person.unsure and "purpose" not in {column.name for column in one.table.columns()}:
                yield LeftOut(one.table.name, UNSURE)
                continue
            rows = tuple(self._rows(one, person))
            if one.mixed and person.unsure:
                rows = tuple(row for row in rows if row["purpose"] in self.strict)
            yield Sheet(one.table.name, one.origin, one.told, rows)
        for name, because in self.left_out.items():
            yield LeftOut(name, because)

    def _rows(self, one: Told, person: Person) -> Iterator[Mapping[str, Any]]:
        keys = {"record": person.records, "profile": person.profiles, "token": person.tokens}[one.by]
        if not keys or not shelf.exists(self.lake, one.table):
            return
        wanted = pc.field(one.columns[0]).isin(sorted(keys))
        for column in one.columns[1:]:
            wanted &= pc.field(column).isin(sorted(keys))
        found = shelf.lookup(self.lake, one.table, wanted).to_pylist()
        for row in sorted(found, key=lambda row: [str(row[key]) for key in one.table.keys]):
            yield {name: value for name, value in row.items() if name not in one.hidden}
