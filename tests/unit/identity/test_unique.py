"""Identifiers of which a person has exactly one: what two that differ say, and that they cost nothing where none is."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from identity.config import IdentityConfig, compared
from identity.fields.features import Value, features
from identity.matching import compiled, scoring
from identity.matching.comparisons import NUMBER
from identity.modelling import training
from identity.modelling.households import UNKNOWN, Pattern
from infra.identifiers import IdentifierType

Resolve = Callable[..., Any]
NAMESAKE = {"given_name": "Robert", "family_name": "Featherstone", "street": "5 Elm St", "postcode": "43017"}
MINE = {"ssn": "9870123"}
ANOTHERS = {"ssn": "2215548"}
UNIQUE = {
    "ssn": IdentifierType(normaliser="code", strength="decisive", unique=True),
    "passport": IdentifierType(normaliser="code", strength="decisive", unique=True),
}


@pytest.fixture
def one_each(identity_config: IdentityConfig) -> IdentityConfig:
    """The template with two numbers, of each of which a person has one."""
    return identity_config.model_copy(update={"identifiers": {**identity_config.identifiers, **UNIQUE}})


def test_namesakes_of_one_address_with_two_numbers_are_two(
    resolved: Resolve, told: Any, one_each: IdentityConfig
) -> None:
    alike = [told("a", NAMESAKE), told("b", NAMESAKE)]
    assert resolved(alike, config=one_each).together("a", "b")
    assert not resolved([told("a", NAMESAKE, MINE), told("b", NAMESAKE, ANOTHERS)], config=one_each).together("a", "b")


@pytest.mark.parametrize("slip", ["9870124", "9870132", "987012", "98701234", "9871124", "0987012"])
def test_a_slip_in_the_number_parts_nobody(resolved: Resolve, told: Any, one_each: IdentityConfig, slip: str) -> None:
    people = [told("a", NAMESAKE, MINE), told("b", NAMESAKE, {"ssn": slip})]
    assert resolved(people, config=one_each).together("a", "b")


def test_numbers_of_two_types_say_nothing_of_each_other(resolved: Resolve, told: Any, one_each: IdentityConfig) -> None:
    people = [told("a", NAMESAKE, MINE), told("b", NAMESAKE, {"passport": ANOTHERS["ssn"]})]
    assert resolved(people, config=one_each).together("a", "b")


@pytest.fixture
def level(one_each: IdentityConfig) -> Callable[[list[str], list[str]], str]:
    """Return how two records' numbers compare, by DuckDB and by Python, either way round."""
    connection = scoring.connect()
    columns = {n: pa.list_(pa.string()) for n in ("given_forms", "emails", "phones", "numbers")} | {
        n: pa.bool_() for n in ("given_known", "bare", "known")
    }

    def of(left: list[str], right: list[str]) -> str:
        rows = []
        for key, held in (("a", left), ("b", right)):
            values = [Value(*one.split(":"), f"1:{one}") for one in held]
            made = features(NAMESAKE, values, one_each.identifiers, date(2026, 11, 1))
            rows.append({"record_key": key, "known": True} | {name: getattr(made, name) for name in made.__slots__})
            rows[-1]["identifiers"] = None
        names = [n for n in rows[0] if n != "identifiers"]
        table = pa.Table.from_pylist(rows, schema=pa.schema([(n, columns.get(n, pa.string())) for n in names]))
        connection.register("given", table)
        for name in ("features", "described"):
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
        model = training.declared(connection, one_each)
        scorer = compiled.Scorer(model, one_each, {})
        one, two = (scorer.described(row) for row in rows)
        connection.execute("CREATE OR REPLACE TABLE asked AS SELECT 'a' AS left_key, 'b' AS right_key, 0 AS rule_mask")
        scoring.weigh(connection.cursor(), model, one_each, "asked", "weighed")
        [(reasons,)] = connection.execute("SELECT reasons FROM weighed").fetchall()
        forth, back = scorer.weigh(one, two, 0), scorer.weigh(two, one, 0)
        assert forth == back
        told = [r["level"] for r in reasons if r["comparison"] == NUMBER]
        assert told == [r.level for r in forth.reasons if r.comparison == NUMBER]
        return told[0] if told else ""

    return of


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (["ssn:9870123"], ["ssn:9870124"], "one digit off"),
        (["ssn:9870123"], ["ssn:9870214"], "two digits off"),
        (["ssn:9870123"], ["ssn:5570124"], "different"),
        (["ssn:12345"], ["ssn:12354"], "one digit off"),
        (["ssn:12345"], ["ssn:12387"], "different"),
        (["ssn:123456"], ["ssn:1234"], "different"),
        (["ssn:9870123"], ["passport:9870124"], ""),
        (["ssn:1234"], ["ssn:1235"], "one digit off"),
        (["ssn:7"], ["ssn:8"], "different"),
        (["ssn:123"], ["ssn:1234"], "different"),
        (["ssn:" + "7" * 65], ["ssn:" + "8" * 65], ""),
        (["ssn:" + "7" * 65, "passport:9870123"], ["ssn:" + "8" * 65, "passport:9870124"], "one digit off"),
        (["ssn:9870123"], [], ""),
        (["ssn:9870123"], ["ssn:9870123"], ""),
        (["passport:X1", "ssn:9870123"], ["passport:Y27", "ssn:9870123"], ""),
        (["passport:X1", "ssn:9870123"], ["passport:Y27", "ssn:9870132"], "one digit off"),
        (["passport:X1", "ssn:9870123"], ["passport:Y27"], "different"),
    ],
)
def test_only_numbers_of_one_type_are_compared(level: Any, left: list[str], right: list[str], expected: str) -> None:
    assert level(left, right) == expected
    assert level(right, left) == expected


def test_where_no_type_is_unique_the_model_knows_of_none(opened: Any, told: Any, identity_config: Any) -> None:
    assert NUMBER in identity_config.comparisons
    assert NUMBER not in compared(identity_config)
    connection = opened([told("a", NAMESAKE), told("b", NAMESAKE)])
    without = identity_config.model_copy(
        update={"comparisons": tuple(c for c in identity_config.comparisons if c != NUMBER)}
    )
    assert training.declared(connection, identity_config) == training.declared(connection, without)


def test_a_number_that_hardly_anybody_has_teaches_nothing(one_each: IdentityConfig) -> None:
    connection = scoring.connect()
    connection.execute("CREATE TABLE described (given_name VARCHAR, family_name VARCHAR)")
    model = training.declared(connection, one_each)
    # one that a hundred hold is one
    for shared, kept in ((49, {NUMBER}), (50, set())):
        connection.execute(
            f"CREATE OR REPLACE TABLE training AS SELECT ['ssn:' || least(n % 100, {shared - 1})] AS numbers "
            "FROM range(200) t(n)"
        )
        assert training._untaught(connection, model) == kept


@pytest.mark.parametrize(
    "wrong", [{"normaliser": "email"}, {"normaliser": "sha256"}, {"normaliser": "code", "anonymous": True}]
)
def test_what_nobody_types_or_follows_is_not_unique(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="unique is for"):
        IdentifierType.model_validate({**wrong, "unique": True})


def test_a_unique_type_must_be_compared() -> None:
    with pytest.raises(ValidationError, match="ssn: unique has no effect; add number to comparisons"):
        IdentityConfig(identifiers=UNIQUE, comparisons=("given_name",))


def test_numbers_are_identifiers_of_unique_types(one_each: IdentityConfig) -> None:
    held = [("ssn", "9870123"), ("customer", "10023"), ("passport", "X1234567"), ("ssn", "0000")]
    made = features({}, [Value(*one, "1:t") for one in held], one_each.identifiers, date(2026, 11, 1))
    assert made.numbers == ["passport:X1234567", "ssn:9870123"]


def test_numbers_say_who_shares_a_home_where_no_family_shows(one_each: IdentityConfig) -> None:
    connection = scoring.connect()
    connection.execute("CREATE TABLE described (given_name VARCHAR, family_name VARCHAR)")
    model = training.declared(connection, one_each)
    told = [model.comparison("sex", 2), model.comparison(NUMBER, 4)]

    def at_home(shared: int, different: int) -> float:
        counted = ((0, shared), (3, different), (UNKNOWN, 500))
        return training._alone(told, [Pattern((1, level), pairs) for level, pairs in counted])

    assert at_home(93, 7) == 0.99
    assert at_home(465, 535) == 0.5
    assert at_home(0, 1000) == 0.01
    assert at_home(20, 9) == training._alone(told[:1], [Pattern((1,), 1000)]) == 0.9
