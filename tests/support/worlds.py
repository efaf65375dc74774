"""Random worlds whose records come, change and go, and identity's tables in memory that a batch changes as a run does.

Worlds share no value, so that each of them is a sequence of its own though one engine resolves them together.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import pyarrow as pa

from identity.clustering.cluster import bound_together
from identity.config import IdentityConfig, Limits
from identity.engine.batch import WRITES, Counts, resolve_batch
from identity.engine.local import Local
from identity.fields.features import Value, features
from identity.matching import scoring
from identity.model import Constraint
from identity.modelling import training
from identity.tables import TABLES
from infra.arrow import schema
from infra.identifiers import IdentifierType
from infra.identifiers import Limit as ValueLimit
from infra.ids import RecordKey
from infra.tables import Table

CONFIG = IdentityConfig(
    identifiers={
        "email": IdentifierType(normaliser="email", strength="strong", fan_out=4),
        "phone": IdentifierType(normaliser="phone", strength="weak", fan_out=4, recycled_after_days=10),
        "loyalty": IdentifierType(normaliser="code", strength="decisive", limit=1, fan_out=5),
        "device": IdentifierType(normaliser="text", anonymous=True, fan_out=4),
        "account": IdentifierType(normaliser="code", limit=ValueLimit(values=1, days=30), fan_out=4),
        "passport": IdentifierType(normaliser="code", strength="decisive", unique=True, fan_out=4),
    },
    blocking=(("birth_date",), ("street",), ("handle",), ("postcode", "birth_year")),
    limits=Limits(block=4, complete=5, jumbo=7, profile_size=9),
)

_DAY = 86_400


class World:
    """A few people's records under values of their own."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number = number
        self.chance = chance
        self.born = 0
        self.told: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.wishes: set[tuple[str, str, str]] = set()

    def record(self, key: str, arrival: int) -> dict[str, Any]:
        pick, w = self.chance.choice, self.number
        anonymous = self.chance.random() < 0.2
        attributes = {} if anonymous or self.chance.random() < 0.15 else {
            "given_name": pick(["Ann", "Anna", "Robert", "Bob", "Carol", ""]),
            "family_name": pick(["Carver", "Carvr", "Oyelaran", "Lindqvist"]),
            "birth_date": pick([f"{1900 + w}-02-03", f"{1900 + w}-03-02", f"{1900 + w}-07-09", ""]),
            "street": pick([f"{w} Elm Street", f"{w} Oak Street", ""]),
            "postcode": pick([f"{10000 + w}", ""]),
        }  # fmt: skip
        said = {
            "email": pick([f"bluebird{pick('ab')}.w{w}@example.org", f"ann{w}@example.org", ""]),
            "phone": pick([f"+1555010{w:02d}{pick('123')}0", ""]),
            "loyalty": pick([f"L{w}X{pick('123')}", "", ""]),
            "device": pick([f"d{w}-{pick('12')}", "", ""]),
            "account": pick([f"A{w}X{pick('123')}", "", ""]),
            "passport": pick([f"P{w:03d}{pick(['41', '14', '87'])}{pick(['55', '56', '90'])}", "", ""]),
        }
        held = [Value(kind, value, f"1:{kind}:{value}", *self.span()) for kind, value in said.items() if value]
        made = features(attributes, held, CONFIG.identifiers, date(2026, 11, 1))
        plain = {"record_key": key, "source": pick(["crm", "shop"]), "key": key, "kind": "person", "content_hash": key}
        return {**plain, "known": not anonymous, "arrival": arrival, "jurisdiction": None, **asdict(made)}

    def span(self) -> tuple[int | None, int | None]:
        """Return from when to when a value was carried, within some months; now and then nobody knows."""
        if self.chance.random() < 0.1:
            return None, None
        first = self.chance.randint(0, 90) * _DAY
        return first, first + self.chance.choice([0, 0, 5, 40]) * _DAY

    def step(self) -> tuple[list[dict[str, Any]], list[str], list[tuple[str, str]]]:
        """Return what comes, what goes, and who took over whose events."""
        fresh: dict[str, dict[str, Any]] = {}
        for _ in range(self.chance.randint(0, 6)):
            self.born += 1
            key = f"{self.chance.getrandbits(40):010x}{self.number:03d}{self.born:03d}"
            fresh[key] = self.record(key, self.born)
        for key in self.chance.sample(sorted(self.gone), min(len(self.gone), self.chance.randint(0, 1))):
            fresh[key] = self.gone.pop(key)
        living = sorted(self.told)
        for key in self.chance.sample(living, min(len(living), self.chance.randint(0, 2))):
            before = self.told[key]
            rank = {name: before[name] for name in ("source", "known", "arrival")}
            fresh[key] = {**self.record(key, before["arrival"]), **rank}
        dying = [k for k in self.chance.sample(living, min(len(living), self.chance.randint(0, 3))) if k not in fresh]
        for key in dying:
            self.gone[key] = self.told.pop(key)
        self.told |= fresh
        taken = [
            (key, self.chance.choice(sorted(self.told)))
            for key in dying
            if not self.gone[key]["known"] and self.told and self.chance.random() < 0.5
        ]
        self._speak()
        return list(fresh.values()), dying, taken

    def _speak(self) -> None:
        keys = sorted({*self.told, *self.gone})
        if self.wishes and self.chance.random() < 0.3:
            self.wishes.discard(self.chance.choice(sorted(self.wishes)))
        if len(keys) > 1 and self.chance.random() < 0.4:
            left, right = sorted(self.chance.sample(keys, 2))
            wish = (self.chance.choice(["must_link", "cannot_link"]), left, right)
            if consistent({*self.wishes, wish}):
                self.wishes.add(wish)


def consistent(wishes: set[tuple[str, str, str]]) -> bool:
    bound = bound_together(Constraint(k, RecordKey(a), RecordKey(b)) for k, a, b in wishes)
    return not any(k == "cannot_link" and bound.get(a, a) == bound.get(b, b) for k, a, b in wishes)


class Lake:
    """The tables of identity in memory, changed as a run changes them."""

    def __init__(self, config: IdentityConfig = CONFIG) -> None:
        self.config = config
        self.connection = scoring.connect()
        self.tables = {table.name: schema(table).empty_table() for table in TABLES}
        none = pa.Table.from_pylist([], schema=schema(next(t for t in TABLES if t.name == "record_features")))
        self._as_table("features", none)
        self._as_table("described", none)
        self.model = training.declared(self.connection, config)
        self.connection = self.connection.cursor()  # one that has read all of its answers
        self.batch = 0

    def _open(self, table: Table, columns: Any) -> pa.RecordBatchReader:
        found = self.tables[table.name]
        return (found.select(list(columns)) if columns else found).to_reader()

    def _as_table(self, name: str, rows: pa.Table) -> None:
        self.connection.register("incoming", rows)
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")

    def resolve(
        self,
        fresh: list[Any] | pa.Table,
        gone: Sequence[str],
        wishes: Collection[Any],
        taken: list[tuple[str, str]],
        version: str = "",
    ) -> Counts:
        """Resolve one batch, by another version of the model where one is named; `commit` keeps what it writes."""
        self.batch += 1
        if isinstance(fresh, list):
            fresh = pa.Table.from_pylist(fresh, schema=self.tables["record_features"].schema)
        self._as_table("fresh", fresh)
        self._as_table("gone", keyed(["record_key"], [(key,) for key in gone]))
        in_order = list(wishes) if isinstance(wishes, Sequence) else sorted(wishes)
        self._as_table("wishes", keyed(["kind", "left_key", "right_key"], in_order))
        self._as_table("taken", keyed(["old_key", "record_key"], taken))
        engine = Local(self.connection, self.model, self.config, self._open)
        return resolve_batch(engine, self.config, version or self.model.version, self.batch)

    def commit(self, wishes: set[Any]) -> None:
        for write in WRITES:
            self.connection.register("held", self.tables[write.table.name])
            kept = "SELECT * FROM held"
            if write.gone:
                same = " AND ".join(f"g.{key} = h.{key}" for key in write.keys)
                kept = f"SELECT h.* FROM held h ANTI JOIN {write.gone} g ON {same}"
            columns = ", ".join(c.name for c in write.table.columns() if c.name != "at")
            kept = f"SELECT {columns} FROM ({kept}) UNION ALL SELECT {columns} FROM {write.rows}"
            self.tables[write.table.name] = self.connection.sql(kept).to_arrow_table()
        words = [{"kind": k, "left_key": a, "right_key": b} for k, a, b in sorted(wishes)]
        self.tables["constraints"] = pa.Table.from_pylist(words, schema=schema(_constraints()))

    def rows(self, table: str, *columns: str) -> set[tuple[Any, ...]]:
        found = self.tables[table].select(list(columns)).to_pylist()
        told = [tuple(str(row[c]) for c in columns) for row in found]
        assert len(set(told)) == len(told), table
        return set(told)


def _constraints() -> Table:
    return next(table for table in TABLES if table.name == "constraints")


def keyed(names: list[str], rows: list[Any]) -> pa.Table:
    strings = pa.schema([(name, pa.string()) for name in names])
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=strings)
