"""Whose is an identifier: everything of one person, nothing of anybody else, and what they share."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from consent.erasure.errors import SharedIdentifier
from consent.erasure.ports import Subject
from identity.closure import closure
from identity.tables import COOKIE_INTERVAL, MEMBERSHIP, PROFILE_ALIAS, SUCCESSION
from infra.arrow import schema
from infra.ids import Token
from ingestion.tables import EVENTS, RECORDS

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_BLANK = {pa.string(): "", pa.int64(): 0, pa.float64(): 0.5, pa.bool_(): False}


class Street:
    """A lake, told by whose records carry what."""

    def __init__(self, root: Path) -> None:
        self.workspace: Any = SimpleNamespace(lake_path=root / "lake", state_path=root / "state")

    def fill(self, table: Any, rows: list[dict[str, Any]]) -> None:
        declared = schema(table)
        full = [{field.name: row.get(field.name, self._blank(field.type)) for field in declared} for row in rows]
        write_deltalake(str(self.workspace.lake_path / table.name), pa.Table.from_pylist(full, schema=declared))

    def _blank(self, kind: Any) -> Any:
        if pa.types.is_timestamp(kind):
            return NOW
        return _BLANK.get(kind, {} if pa.types.is_map(kind) else [])

    def whose(self, *tokens: str) -> Subject:
        return closure(self.workspace, [Token(one) for one in tokens])


def held(*names: str) -> list[dict[str, str]]:
    """Return identifiers, told as type:value; the token is the same."""
    return [{"type": name.split(":")[0], "value": name.split(":")[1], "token": name} for name in names]


def record(key: str, *names: str, known: bool = True) -> dict[str, Any]:
    return {"record_key": key, "source": "crm", "key": f"own-{key}", "known": known, "identifiers": held(*names)}


@pytest.fixture
def street(tmp_path: Path) -> Street:
    made = Street(tmp_path)
    made.fill(
        RECORDS,
        [
            record("ann1", "email:ann", "phone:home"),
            record("ann2", "card:7", "email:ann"),
            record("ann2", "card:7", "email:ann.old"),  # an older version of the same record
            record("bob1", "email:bob", "phone:home"),
            record("refused", "email:ann"),  # may not be resolved, and says only what is Ann's
            record("other", "phone:home", "email:cid"),  # may not be resolved, and says more
            record("son1", "email:family"),
            record("son2", "email:family"),
        ],
    )
    member = [("ann1", "A"), ("ann2", "A"), ("tab", "A"), ("bob1", "B"), ("lone", "L"), ("son1", "S"), ("son2", "T")]
    made.fill(MEMBERSHIP, [{"record_key": key, "profile_id": profile} for key, profile in member])
    made.fill(
        COOKIE_INTERVAL,
        [
            {
                "record_key": "ann1",
                "source": "web",
                "anonymous_id": "k1",
                "known": True,
                "identifiers": held("cookie:k1"),
            },
            {
                "record_key": "bob1",
                "source": "web",
                "anonymous_id": "k2",
                "known": True,
                "identifiers": held("cookie:k2"),
            },
            {
                "record_key": "ann1",
                "source": "web",
                "anonymous_id": "k2",
                "known": True,
                "identifiers": held("cookie:k2"),
            },
            # before she signed in, nobody knew whose it was
            {
                "record_key": "lone",
                "source": "web",
                "anonymous_id": "k1",
                "known": False,
                "identifiers": held("cookie:k1"),
            },
        ],
    )
    made.fill(PROFILE_ALIAS, [{"alias_id": "A-before", "profile_id": "A"}, {"alias_id": "B-before", "profile_id": "B"}])
    made.fill(SUCCESSION, [{"id": "gone", "heir": "ann1"}, {"id": "else", "heir": "bob1"}])
    made.fill(EVENTS, [{"record_key": "ann2", "identifiers": held("email:ann.work")}])
    return made


def test_any_identifier_leads_to_the_whole_person(street: Street) -> None:
    by_mail, by_card = street.whose("email:ann"), street.whose("card:7")
    assert by_mail == by_card
    assert by_mail.record_keys == ("ann1", "ann2", "lone", "refused", "tab")
    assert by_mail.profile_ids == ("A", "A-before", "L", "gone")
    assert by_mail.tokens == ("card:7", "cookie:k1", "email:ann", "email:ann.old", "email:ann.work")
    assert ("email", "ann.old") in by_mail.values
    assert ("crm", "own-ann2") in by_mail.source_keys


def test_what_others_carry_too_is_shared_and_not_the_persons(street: Street) -> None:
    found = street.whose("email:ann")
    assert found.shared == ("cookie:k2", "phone:home")
    assert not {value for _, value in found.values} & {"home", "k2", "bob", "cid"}
    assert not {"bob1", "other"} & set(found.record_keys)
    # the time in which the shared browser was hers is hers
    assert [(s.source, s.anonymous_id) for s in found.stretches] == [("web", "k1"), ("web", "k1"), ("web", "k2")]


def test_an_identifier_of_several_people_does_not_say_whom(street: Street) -> None:
    with pytest.raises(SharedIdentifier, match="2 people"):
        street.whose("email:family")


def test_of_nobody_nothing_is_found(street: Street) -> None:
    found = street.whose("email:nobody")
    assert (found.ids, found.values, found.tokens) == ((), (), ("email:nobody",))


def test_an_empty_lake_holds_nobody(tmp_path: Path) -> None:
    assert Street(tmp_path).whose("email:ann").ids == ()
