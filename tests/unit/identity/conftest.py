"""Records told in a line, resolved in process: no JVM, the same rules."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from identity.clustering import components
from identity.config import IdentityConfig, rules
from identity.engine import pairing
from identity.fields.features import Value, features
from identity.matching import scoring
from identity.model import Constraint
from identity.modelling import training
from infra.identifiers import digests, is_evidence
from infra.ids import RecordKey

TEMPLATE = Path(__file__).parents[3] / "api" / "templates" / "workspace" / "identity.yaml"
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
SCHEMA = pa.schema(
    [(n, pa.string()) for n in ("record_key", "source", "key", "kind")]
    + [("known", pa.bool_()), ("arrival", pa.int64())]
    + [("given_name", pa.string()), ("given_forms", pa.list_(pa.string())), ("given_known", pa.bool_())]
    + [(n, pa.string()) for n in ("middle_name", "family_name", "suffix", "birth_date", "sex", "street", "unit")]
    + [(n, pa.string()) for n in ("city", "postcode", "handle", "mail_year")]
    + [
        ("emails", pa.list_(pa.string())),
        ("phones", pa.list_(pa.string())),
        ("numbers", pa.list_(pa.string())),
        ("identifiers", VALUES),
        ("bare", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Told:
    """One record of a story: its key, what it says, and its identifiers."""

    key: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    known: bool = True


@dataclass(frozen=True)
class Resolved:
    """Who is together with whom, and how it was weighed."""

    cluster_of: Mapping[str, str]
    why: Mapping[tuple[str, str], str]

    def together(self, *keys: str) -> bool:
        return len({self.cluster_of.get(key, key) for key in keys}) == 1

    def pairwise(self, person_of: Mapping[str, str]) -> tuple[float, float, float]:
        def pairs(counts: Counter[Any]) -> int:
            return sum(n * (n - 1) // 2 for n in counts.values())

        claimed = pairs(Counter(self.cluster_of.get(k, k) for k in person_of))
        true = pairs(Counter(person_of.values()))
        right = pairs(Counter((self.cluster_of.get(k, k), p) for k, p in person_of.items()))
        return right / max(claimed, 1), right / true, 2 * right / (claimed + true)


@pytest.fixture(scope="session")
def identity_config() -> IdentityConfig:
    return IdentityConfig.model_validate(YAML(typ="safe").load(TEMPLATE.read_text(encoding="utf-8")))


@pytest.fixture
def resolved(tmp_path: Path, identity_config: IdentityConfig) -> Callable[..., Resolved]:
    """Resolve told records; `trained` learns from them, else what is declared stands."""

    def run(
        records: Sequence[Told],
        *constraints: Constraint,
        trained: bool = False,
        config: IdentityConfig = identity_config,
        **thresholds: float,
    ) -> Resolved:
        config = config.model_copy(update={"thresholds": config.thresholds.model_copy(update=thresholds)})
        pq.write_table(pa.Table.from_pylist([_row(r, config) for r in records], schema=SCHEMA), tmp_path / "f.parquet")
        connection = scoring.connect()
        scoring.load_features(connection, [str(tmp_path / "f.parquet")])
        model = (training.train if trained else training.declared)(connection, config)
        work = pairing.Work(edges=tmp_path / "edges.parquet", parts=tmp_path / "parts.parquet")
        pairing.pair_up(connection, model, config, constraints, work)
        connection.close()
        rows = components.resolved_bucket(pq.read_table(work.parts), rules(config)).to_pylist()
        return Resolved(
            {r["left_key"]: r["cluster"] for r in rows if r["kind"] == "node"},
            {(r["left_key"], r["right_key"]): r["why"] for r in rows if r["kind"] == "edge"},
        )

    return run


def _row(told: Told, config: IdentityConfig) -> dict[str, Any]:
    held = [Value(kind, value, f"1:{kind}:{value}") for kind, value in _named(told, config)]
    made = features(told.attributes, held, config.identifiers, date(2026, 11, 1))
    plain = {
        "record_key": told.key,
        "source": "s",
        "key": told.key,
        "kind": "person",
        "known": told.known,
        "arrival": 0,
    }
    return {**plain, **asdict(made)}


def _named(told: Told, config: IdentityConfig) -> Iterator[tuple[str, str]]:
    """Yield a record's identifiers and their digests, as ingestion names them."""
    for kind, value in told.identifiers.items():
        yield kind, value
        if is_evidence(config.identifiers[kind], value):
            yield from digests(config.identifiers, kind, value)


@pytest.fixture
def must_link() -> Callable[[str, str], Constraint]:
    return lambda a, b: Constraint("must_link", RecordKey(a), RecordKey(b))


@pytest.fixture
def told() -> type[Told]:
    return Told


@pytest.fixture
def opened(tmp_path: Path, identity_config: IdentityConfig) -> Callable[[Sequence[Told]], duckdb.DuckDBPyConnection]:
    """Return told records as a connection that holds their features, as a job has them."""

    def run(records: Sequence[Told]) -> duckdb.DuckDBPyConnection:
        path = tmp_path / "features.parquet"
        pq.write_table(pa.Table.from_pylist([_row(r, identity_config) for r in records], schema=SCHEMA), path)
        connection = scoring.connect()
        scoring.load_features(connection, [str(path)])
        return connection

    return run


@pytest.fixture(scope="session")
def row_of() -> Callable[..., dict[str, Any]]:
    """Return what makes a row of `record_features` of a told record."""
    return _row


@pytest.fixture(scope="session")
def features_schema() -> pa.Schema:
    return SCHEMA
