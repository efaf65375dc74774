"""Quality without labels and for every group: counted by hand on a small lake, without a JVM."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from sqlalchemy import Engine

from api.cli.quality import group_lines, worst
from identity.config import IdentityConfig
from identity.quality import clerical, clerks, fairness, groups, heuristics
from identity.quality.clerks import Answered
from identity.quality.groups import ALL, Group
from identity.stewardship import store
from infra.database import open_database

NOW = datetime(2026, 11, 1, tzinfo=UTC)
VALUES = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("token", pa.string())]))
# key, given, family, birth, street, email, profile, person
PEOPLE = [
    ("a1", "ana", "gomez", "1980-01-01", "1 OAK", "ana@example.org", "p1", "ana"),
    ("a2", "ana", "gomez", "1980-01-01", "1 OAK", "ana@example.org", "p1", "ana"),
    ("a3", "anna", "gomez", "1980-02-01", None, "ana@example.org", "p2", "ana"),
    ("b1", "bob", "gomez", "1991-01-01", "1 OAK", None, "p1", "bob"),
    ("c1", "zoe", "kowalska", None, None, None, "p3", "zoe"),
]
EDGES = [("a1", "a2", 9.0), ("a1", "b1", 2.0), ("a1", "a3", 0.5), ("b1", "c1", -2.0)]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    strings = (
        "record_key",
        "source",
        "key",
        "given_name",
        "family_name",
        "birth_date",
        "sex",
        "suffix",
        "postcode",
        "street",
    )
    schema = pa.schema(
        [(n, pa.string()) for n in strings]
        + [
            ("bare", pa.bool_()),
            ("emails", pa.list_(pa.string())),
            ("phones", pa.list_(pa.string())),
            ("identifiers", VALUES),
        ]
    )
    rows = [
        {
            "record_key": key, "source": "crm", "key": key, "given_name": given, "family_name": family, "birth_date": birth,
            "sex": None, "suffix": None, "postcode": "43000", "street": street, "bare": False,
            "emails": [email] if email else [], "phones": [],
            "identifiers": [{"type": "email", "value": email, "token": "1:t"}] if email else [],
        }
        for key, given, family, birth, street, email, _, _ in PEOPLE
    ]  # fmt: skip
    write_deltalake(str(tmp_path / "record_features"), pa.Table.from_pylist(rows, schema=schema))
    members = [{"record_key": row[0], "profile_id": row[6]} for row in PEOPLE]
    write_deltalake(str(tmp_path / "membership"), pa.Table.from_pylist(members))
    edges = [{"left_key": a, "right_key": b, "weight_micro": int(w * 1e6)} for a, b, w in EDGES]
    write_deltalake(str(tmp_path / "edges"), pa.Table.from_pylist(edges))
    index = [
        {"profile_id": p, "size": n, "status": "live", "negative_share": 0.0, "births": 1, "forenames": 1, "phones": 0}
        for p, n in (("p1", 3), ("p2", 1), ("p3", 1))
    ]
    write_deltalake(str(tmp_path / "profile_index"), pa.Table.from_pylist(index))
    said = [
        {
            "record_key": row[0], "attributes": [("given_name", row[1]), ("family_name", "Gómez" if row[0] == "a3" else row[2])],
            "observed_at": NOW, "sequence": 1,
        }
        for row in PEOPLE
    ]  # fmt: skip
    kinds = [("record_key", pa.string()), ("attributes", pa.map_(pa.string(), pa.string()))]
    kinds += [("observed_at", pa.timestamp("us", "UTC")), ("sequence", pa.int64())]
    write_deltalake(str(tmp_path / "records"), pa.Table.from_pylist(said, schema=pa.schema(kinds)))
    return tmp_path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    root = tmp_path / "truth"
    root.mkdir()
    lines = [f"crm,{row[0]},{row[7]},false" for row in PEOPLE]
    (root / "records.csv").write_text("\n".join(["source,key,person_id,shared", *lines, ""]))
    return root


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = open_database("sqlite://", store.METADATA)
    yield engine
    engine.dispose()


def test_signs_need_no_labels(lake: Path, identity_config: IdentityConfig) -> None:
    found = {sign.name: (sign.count, sign.of) for sign in heuristics.signs(lake, identity_config)}
    assert found["… with 2 dates of birth or more"] == (1, 1)
    assert found["profiles of several records with 3 given names or more"] == (0, 1)
    assert found["values of email that lie in several profiles"] == (1, 1)
    assert found["records that describe somebody and are alone"] == (2, 5)


def test_a_sample_is_the_same_for_a_seed_and_counts_its_strata(lake: Path) -> None:
    sample = clerical.draw(lake, 10, 1)
    assert {(s.left, s.right): (s.stratum, s.claimed, s.pairs) for s in sample} == {
        ("a1", "a2"): ("claimed: 6 to 12", True, 1),
        ("a1", "b1"): ("claimed: 0 to 3", True, 1),
        ("a2", "b1"): ("claimed: no edge", True, 1),
        ("a1", "a3"): ("apart: -1 to 1", False, 1),
        ("b1", "c1"): ("apart: to -1 bits", False, 1),
    }
    assert clerical.draw(lake, 10, 1) == sample
    answers = {s.id: s.left[0] == s.right[0] for s in sample}
    told = clerical.judged(sample, answers)
    assert told.precision is not None
    assert told.recall is not None
    assert (told.precision.value, told.recall.value) == (pytest.approx(1 / 3), 0.5)


def test_small_strata_give_what_they_have_and_the_others_the_rest() -> None:
    assert clerical.allocation({"a": 2, "b": 100, "c": 100}, 20) == {"a": 2, "b": 9, "c": 9}
    assert clerical.allocation({}, 20) == {}


def test_answers_are_kept_and_the_newest_counts(engine: Engine, lake: Path) -> None:
    sample = clerical.draw(lake, 10, 1)
    clerks.lay(engine, sample, NOW)
    assert clerks.sample(engine) == sample
    for same in (True, None, False):
        clerks.answer(engine, Answered(sample[0].id, same, "ann", NOW))
    clerks.lay(engine, sample[:2], NOW)
    assert clerks.answers(engine) == {sample[0].id: False}
    assert len(clerks.sample(engine)) == 2


def rates(found: list[Group]) -> dict[tuple[str, str], tuple[Any, Any]]:
    return {
        (g.dimension, g.name): (g.precision and round(g.precision.value, 3), g.recall and round(g.recall.value, 3))
        for g in found
    }


def test_groups_are_counted_by_truth(lake: Path, truth: Path) -> None:
    told = rates(groups.by_truth(lake, truth))
    # claimed: a1-a2 (right), a1-b1, a2-b1; true: a1-a2, a1-a3, a2-a3
    assert told[ALL, ALL] == (0.333, 0.333)
    assert told["script", "latin with marks"] == (None, 0.0)
    # a1 and a2 each have two partners claimed and one right; b1 two and none
    assert told["origin", "iberian"] == (0.333, 0.333)
    assert told["origin", "slavic"] == (None, None)
    # at 1 OAK lives one profile, of three records
    assert told["home", "one lives there"] == (0.333, 0.5)
    assert told["missing", "one of five"] == (0.5, 0.5)


def test_groups_are_counted_by_answers_and_the_worst_is_named(lake: Path) -> None:
    sample = clerical.draw(lake, 10, 1)
    found = groups.by_answers(lake, sample, {s.id: s.left[0] == s.right[0] for s in sample})
    assert rates(found)[ALL, ALL] == (0.333, 0.5)
    text = "\n".join(group_lines(found))
    assert "worst precision beside the mean of 0.3333" in text
    enough = [Group("home", name, 9, share, None) for name, share in (("a", None),)]
    assert worst(enough, "precision") is None


@pytest.mark.parametrize(
    ("name", "script", "origin"),
    [
        ("Smith", "latin", "other"),
        ("Gómez", "latin with marks", "iberian"),
        ("Иванова", "cyrillic", "other"),
        ("王", "han", "other"),
        ("Wang 王", "han", "other"),
        ("Wang", "latin", "east asian"),
        ("Kowalski", "latin", "slavic"),
        ("O'Brien", "latin", "gaelic"),
        ("Mack", "latin", "other"),
        ("Papadopoulos", "latin", "greek"),
        ("", "no name", "no name"),
        ("12", "no name", "other"),
        ("Ж王", "several", "other"),
    ],
)
def test_script_and_form_of_a_name(name: str, script: str, origin: str) -> None:
    assert (fairness.script(name), fairness.origin(name)) == (script, origin)


def test_homes_and_what_is_missing() -> None:
    assert [fairness.home(n) for n in (None, 1, 2, 9, 10)] == [
        "no address", "one lives there", "two", "three to nine", "ten or more",
    ]  # fmt: skip
    assert [fairness.missing(n) for n in (0, 1, 2, 5)] == ["nothing", "one of five", "two of five", "three or more"]
