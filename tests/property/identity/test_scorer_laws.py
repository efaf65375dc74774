"""The Python scorer and Splink in DuckDB are one: levels, raw weights, rounded weights and reasons, on any records."""

import csv
import gzip
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from identity.config import IdentityConfig
from identity.fields.features import Value, features
from identity.matching import compiled, conditions, linkage, places, scoring
from identity.matching.registry import MatchModel, TrainedLevel
from identity.modelling import training

TEMPLATE = Path(__file__).parents[3] / "api" / "templates" / "workspace" / "identity.yaml"
TREE = YAML(typ="safe").load(TEMPLATE.read_text(encoding="utf-8"))
TREE["identifiers"]["email_sha256"] = {"normaliser": "sha256", "digest_of": "email"}
TREE["identifiers"]["passport"] = {"normaliser": "code", "unique": True}
TREE["identifiers"]["tax"] = {"normaliser": "text", "unique": True}
# a device is worth something, so that the laws see where it must count nothing
TREE["evidence"]["anonymous"] = {"stranger": 3, "household": 1, "follow": 2}
CONFIG = IdentityConfig.model_validate(TREE)
TODAY = date(2026, 11, 1)
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
LISTS = ("given_forms", "emails", "phones", "numbers")
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))

names = st.sampled_from(
    ["Ann", "Anna", "Anne", "Bob", "Robert", "Rob", "R", "Roberta", "María José", "Ольга", "李雷", "Zoë", "Z.", "J.-P."]
)
families = st.sampled_from(
    [
        "Carver",
        "Carvers",
        "Craver",
        "van der Berg",
        "Berg",
        "Müller",
        "Mueller",
        "Ibáñez y Soto",
        "Anna",
        "Иванова",
        "O'Neil",
    ]
)
births = st.sampled_from(
    ["1980-02-03", "1980-03-02", "1980-02-13", "1908-02-03", "1981-02-03", "2003-01-02", "12/11/80"]
)
streets = st.sampled_from(
    ["5 Elm St", "5 Elm Street", "5 Elms St", "7 Elm St Apt 3", "7 Elm St Apt 4", "Straße 5", "PO Box 12"]
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "given_name": names | st.text(max_size=9),
        "family_name": families | st.text(max_size=12),
        "birth_date": births | st.dates(date(1900, 1, 1), TODAY).map(str) | st.text(max_size=10),
        "street": streets | st.text(max_size=14),
        "city": st.sampled_from(["Dublin", "Dubliņ", "Columbus"]) | st.text(max_size=8),
        "postcode": st.sampled_from(["43017", "43017-1234", "SW1A 1AA"]) | st.text(max_size=8),
        "gender": st.sampled_from(["m", "f", "x"]),
        "suffix": st.sampled_from(["Jr", "Sr", "II"]),
    },
)
identifiers = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(
            ["ann80@example.org", "bob.carver@example.org", "zoë@example.org", "carver3@example.com"]
        ),
        "phone": st.sampled_from(["+16145550101", "+16145550110", "+16145550102"]),
        "loyalty": st.sampled_from(["28123", "28124"]),
        "passport": st.sampled_from(["X1234567", "X1234576", "X1234765", "Y7654321", "X12", "X13", "X31"]),
        "tax": st.sampled_from(["X1234567", "7:1234", "71:234", "né-80-12", "ne-80-12"]),
    },
)
# many of them bare, known (a login) or not (a browser)
records = st.lists(st.tuples(attributes | st.just({}), identifiers, st.booleans()), min_size=2, max_size=9)
Told = tuple[Mapping[str, str], Mapping[str, str]] | tuple[Mapping[str, str], Mapping[str, str], bool]


def table(told: Iterable[Told], config: IdentityConfig) -> pa.Table:
    """Return the features of told records as the lake has them; who is not said to be unknown is known."""
    made = []
    for number, (fields, held, *known) in enumerate(told):
        values = [Value(kind, value, f"1:{kind}:{value}") for kind, value in held.items()]
        row = asdict(features(fields, values, config.identifiers, TODAY))
        made.append(
            {
                "record_key": f"r{number:06d}",
                "source": "s",
                "key": str(number),
                "kind": "person",
                "known": all(known),
                **row,
            }
        )
    kinds = {name: pa.list_(pa.string()) for name in LISTS} | {
        "identifiers": VALUES,
        "bare": pa.bool_(),
        "given_known": pa.bool_(),
        "known": pa.bool_(),
    }
    return pa.Table.from_pylist(made, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in made[0]]))


def loaded(rows: pa.Table, connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SELECT 1").fetchall()  # an answer read by one row is unfinished, and forbids what follows
    connection.register("given", rows)
    connection.execute("CREATE OR REPLACE TABLE features AS SELECT * FROM given")
    scoring.describe(connection)


def agrees(
    connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig, rows: pa.Table, pairs: str
) -> int:
    """Hold every pair of a table against the compiled scorer; return how many there were."""
    seen = connection.execute("SELECT field, value_hash, frequency FROM frequencies").fetchall()
    scorer = compiled.Scorer(model, config, {(field, digest): often for field, digest, often in seen})
    described = {row["record_key"]: scorer.described(row) for row in rows.to_pylist() if not row["bare"]}
    known = {row["record_key"] for row in rows.to_pylist() if row["known"]}
    scoring.weigh(connection, model, config, pairs, "weighed")
    weighed = {
        (left, right): (mask, told)
        for left, right, mask, *told in connection.execute(
            "SELECT left_key, right_key, rule_mask, weight_micro, conflict_micro, kind, reasons FROM weighed"
        ).fetchall()
    }
    for left, right, mask in connection.execute(f"SELECT left_key, right_key, rule_mask FROM {pairs}").fetchall():
        both_known = left in known and right in known
        counted = scorer.counted(mask, both_known=both_known)
        both = left in described and right in described
        if not (both or counted):
            assert (left, right) not in weighed
            continue
        mine = scorer.weigh(described[left], described[right], counted) if both else scorer.follow(counted)
        told = [mine.weight_micro, mine.conflict_micro, mine.kind, [asdict(r) for r in mine.reasons]]
        assert weighed[left, right] == (mask, told)
        assert not (both_known and {r.comparison for r in mine.reasons} & {"cookie", "device"})
    _holds_what_is_kept(connection, model, config, pairs)
    linkage.score(connection, model, pairs, "raw_compared", raw=True)
    columns = [f"gamma_{c.name}, raw_{c.name}, micro_{c.name}" for c in model.comparisons]
    found = connection.execute(f"SELECT left_key, right_key, {', '.join(columns)} FROM raw_compared").fetchall()
    for left, right, *cells in found:
        for mine, (gamma, raw, micro) in zip(
            scorer.compare(described[left], described[right]), zip(*[iter(cells)] * 3, strict=True), strict=True
        ):
            assert mine.gamma == gamma
            assert abs(mine.raw - raw) <= 1e-9
            edge = abs(abs(1e6 * raw) % 1 - 0.5) <= 1e-9 * 1e6
            assert mine.micro == micro or edge
    return len(found)


def _holds_what_is_kept(
    connection: duckdb.DuckDBPyConnection, model: MatchModel, config: IdentityConfig, pairs: str
) -> None:
    """What is weighed only where it may weigh enough is what weighs enough of all that is weighed."""
    above = -3_000_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_WORTH_A_LOOK", 0)
        scoring.weigh(connection, model, config, pairs, "kept", above)
    whole = f"SELECT * FROM weighed WHERE weight_micro > {above}"
    left_out = connection.execute(f"({whole} EXCEPT FROM kept) UNION ALL (FROM kept EXCEPT {whole})").fetchall()
    assert left_out == []


@pytest.fixture(scope="module")
def duck() -> Any:
    connection = scoring.connect()
    yield connection
    connection.close()


@given(records, st.integers(0, 10_000))
# each example has a model and up to 36 pairs, and costs Splink a second of making SQL
@settings(max_examples=200 if NIGHTLY else 10)
def test_any_records_weigh_the_same_under_any_model(duck: Any, told: Any, seed: int) -> None:
    rows = table(told, CONFIG)
    loaded(rows, duck)
    declared, random = training.declared(duck, CONFIG), Random(seed)  # noqa: S311 - made-up figures
    model = replace(
        declared,
        prior=_chance(random),
        one_person_at_home=_chance(random),
        comparisons=tuple(
            replace(c, levels=tuple(_level(level, random) for level in c.levels)) for c in declared.comparisons
        ),
    )
    for name in model.floors:
        duck.execute(
            f"INSERT INTO frequencies SELECT DISTINCT '{name}', md5({name}), 0.0123 FROM described WHERE {name} LIKE '%a%' "
            f"AND md5({name}) NOT IN (SELECT value_hash FROM frequencies WHERE field = '{name}')"
        )
    bits = 1 << len(CONFIG.identifiers)
    duck.execute(
        "CREATE OR REPLACE TABLE asked AS SELECT a.record_key AS left_key, b.record_key AS right_key, "
        f"CAST(hash(a.record_key || b.record_key) % {bits} AS BIGINT) AS rule_mask "
        "FROM features a JOIN features b ON a.record_key < b.record_key"
    )
    agrees(duck, model, CONFIG, rows, "asked")


def _chance(random: Random) -> float:
    return max(1e-6, random.random() ** random.randint(1, 8) - 1e-9)


def _level(level: TrainedLevel, random: Random) -> TrainedLevel:
    return replace(level, m=_chance(random), u=_chance(random), household=level.household and _chance(random))


def _csv(path: Path) -> list[dict[str, str]]:
    open_ = gzip.open if path.suffix == ".gz" else open
    with open_(path, "rt", encoding="utf-8") as lines:
        return [{k.strip(): (v or "").strip() for k, v in row.items()} for row in csv.DictReader(lines)]


def _febrl3(data: Path) -> list[tuple[dict[str, str], dict[str, str]]]:
    return [
        (
            {
                "given_name": r["given_name"], "family_name": r["surname"], "birth_date": r["date_of_birth"],
                "street": f"{r['street_number']} {r['address_1']}".strip(), "city": r["suburb"], "postcode": r["postcode"],
            },
            {},
        )
        for r in _csv(data / "identity" / "febrl" / "dataset3.csv.gz")
    ]  # fmt: skip


def _fake_1000(data: Path) -> list[tuple[dict[str, str], dict[str, str]]]:
    return [
        (
            {"given_name": r["first_name"], "family_name": r["surname"], "birth_date": r["dob"], "city": r["city"]},
            {"email": r["email"].lower()} if "@" in r["email"] else {},
        )
        for r in _csv(data / "identity" / "fake_1000" / "fake_1000.csv")
    ]


@pytest.mark.parametrize("people", [_fake_1000, _febrl3], ids=["fake_1000", "febrl3"])
def test_labelled_people_weigh_the_same(duck: Any, test_data: Path, people: Callable[[Path], Any]) -> None:
    config = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"sample_pairs": 200_000})})
    rows = table(people(test_data), config)
    loaded(rows, duck)
    model = training.train(duck, config)
    scoring.make_candidates(duck, config)
    assert agrees(duck, model, config, rows, "candidates") > 1_000


SPELLED = [
    "jaro_winkler_similarity(a_l, a_r)", "jaro_similarity(a_l, a_r)", "levenshtein(a_l, a_r)", "damerau_levenshtein(a_l, a_r)",
    "a_l = a_r", "a_l <> a_r", "a_l < a_r", "a_l >= a_r", "a_l IS NULL", "a_l IS NOT NULL", "a_l IS DISTINCT FROM a_r",
    "a_l = a_r AND b_l = b_r", "a_l = a_r OR b_l = b_r", "NOT (a_l = a_r OR b_l = b_r AND a_l = b_r)", "coalesce(a_l, a_r, b_l)",
    "a_l IN ('a', b_r)", "length(a_l) BETWEEN 1 AND length(a_r)", "nullif(a_l, a_r)", "starts_with(a_l, a_r)", "contains(a_l, a_r)",
    "substr(a_l, 1, 2)", "substr(a_l, 2)", "substr(a_l, 0, 2)", "substr(a_l, -2, 1)", "substr(a_l, 3, -2)", "left(a_l, 2)",
    "split_part(a_l, ' ', 1)", "split_part(a_l, ' ', -1)", "split_part(a_l, '', 2)", "string_split(a_l, ' ')", "a_l || a_r",
    "list_has_any(c_l, c_r)", "list_contains(c_l, a_r)", "list_has_any(string_split(a_l, ' '), c_r)", "c_l[1]", "c_l[2] = a_r",
    "len(c_l) = 0", "list_bool_or(list_transform(c_l, lambda x: x = a_r))", "list_bool_and(list_transform(c_l, lambda x: x <> a_r))",
    "list_filter(c_l, lambda x: levenshtein(x, a_r) <= 1)",
    "list_bool_or(list_transform(c_l, lambda x: list_bool_or(list_transform(c_r, lambda y: x = y OR y = b_l AND x <> a_r))))",
    "list_transform(c_l, lambda x: list_filter(c_l, lambda y: list_contains(list_transform(c_r, lambda z: y || z), x || a_r)))",
    "list_transform(c_l, lambda x: list_transform(c_r, lambda x: x || a_l))",
    "abs(length(a_l) - length(a_r)) <= 2", "CASE WHEN a_l = a_r THEN 1 WHEN b_l = b_r THEN 2 END", "(a_l = a_r) IS TRUE",
    "CASE a_l WHEN 'a' THEN 'x' ELSE b_l END", "TRY_CAST(a_l AS INTEGER)", "regexp_extract(a_l, '[0-9]+')", "CAST(length(a_l) AS VARCHAR)",
]  # fmt: skip
words = st.sampled_from(["a", "ab", "ba", "1980", " 7 ", "a b", "né", "ne", ""]) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)  # fmt: skip
known = st.none() | words


@given(
    st.tuples(
        known, known, known, known, st.none() | st.lists(known, max_size=3), st.none() | st.lists(known, max_size=3)
    )
)
def test_a_condition_means_in_python_what_it_means_in_duckdb(duck: Any, held: tuple[Any, ...]) -> None:
    (a_l, a_r, b_l, b_r, c_l, c_r) = held
    ((*theirs,),) = duck.execute(
        f"SELECT {', '.join(f'{sql} AS v{n}' for n, sql in enumerate(SPELLED))} FROM (SELECT ?::VARCHAR AS a_l, "
        "?::VARCHAR AS a_r, ?::VARCHAR AS b_l, ?::VARCHAR AS b_r, ?::VARCHAR[] AS c_l, ?::VARCHAR[] AS c_r)",
        list(held),
    ).fetchall()
    place = places.of_pair(("a", "b", "c"))
    for sql, expected in zip(SPELLED, theirs, strict=True):
        assert conditions.value(sql, place)((a_l, b_l, c_l), (a_r, b_r, c_r)) == expected, sql
        assert conditions.condition(sql, place)((a_l, b_l, c_l), (a_r, b_r, c_r)) is (expected is True), sql
