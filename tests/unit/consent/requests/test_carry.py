import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine

import consent.requests.store as tables
from consent import officer
from consent.requests import carry as carrying
from consent.requests.carry import Hands, carry, forget_corrections, run
from consent.requests.clocks import clocks, metrics
from consent.requests.desk import get, listed
from consent.store import restricted_tokens
from infra.workspace import Workspace


@pytest.fixture
def hands(office: Any, workspace: Workspace, database: Engine) -> Iterator[Hands]:
    tables.METADATA.create_all(database)
    numbers = count(1)
    words = replace(officer.Desk.open(workspace, database), mint=lambda: f"id{next(numbers)}")
    yield Hands(office.desk, words, workspace.root)
    words.overlay.close()


def test_a_restriction_is_a_word_and_its_lifting_another(office: Any, hands: Hands, now: datetime) -> None:
    (ann,) = office.who("ann@example.org")
    request = office.ask("restriction", vouched="c")
    assert carry(hands, request.id, now).status == "closed"
    assert restricted_tokens(hands.officer.database) == {ann.token}
    assert hands.officer.overlay.denied(ann.token, "service")
    lift = office.ask("restriction", vouched="c", details={"lift": True}, received_at=now + timedelta(hours=1),
                      at=now + timedelta(hours=1))  # fmt: skip
    assert carry(hands, lift.id, now + timedelta(hours=1)).status == "closed"
    assert restricted_tokens(hands.officer.database) == frozenset()


def test_an_objection_names_its_purposes_or_means_all(office: Any, hands: Hands, now: datetime) -> None:
    request = office.ask("objection", vouched="c", details={"purposes": ["analytics", "advertising"]})
    carry(hands, request.id, now)
    (ann,) = office.who("ann@example.org")
    said = officer.show(hands.officer, [ann.token])
    assert {(s["purpose"], s["action"]) for s in said} == {("analytics", "objected"), ("advertising", "objected")}
    carry(hands, office.ask("objection", vouched="c").id, now)
    assert {s["purpose"] for s in officer.show(hands.officer, [ann.token])} == {"analytics", "advertising", "all"}


def test_what_is_carried_out_twice_is_done_once(
    office: Any, hands: Hands, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = office.ask("restriction", "ann@example.org", "ann.b@example.org", vouched="c")
    real, said = officer.record, []

    def dying(desk: Any, statement: Any) -> Any:
        if said:
            raise KeyboardInterrupt
        said.append(statement)
        return real(desk, statement)

    monkeypatch.setattr(carrying.officer, "record", dying)
    with pytest.raises(KeyboardInterrupt):
        run(hands, now)
    assert get(office.desk, request.id).status == "planned"
    monkeypatch.setattr(carrying.officer, "record", real)
    (moved,) = run(hands, now).moved
    assert moved.status == "closed"
    tokens = [one.token for one in office.who("ann@example.org", "ann.b@example.org")]
    assert len(officer.show(hands.officer, tokens)) == 2
    assert run(hands, now).moved == ()


def test_a_correction_is_a_record_of_a_source_of_its_own(office: Any, hands: Hands, now: datetime) -> None:
    request = office.ask("rectification", vouched="c", sealed={"corrections": {"city": "Dayton"}})
    other = office.ask("objection", "ben@example.org", vouched="c")
    done = run(hands, now)
    assert [(one.id, "sources/privacy.yaml" in str(error)) for one, error in done.stuck] == [(request.id, True)]
    assert [one.id for one in done.moved] == [other.id]
    (hands.root / "sources").mkdir(exist_ok=True)
    (hands.root / "sources" / "privacy.yaml").write_text("source: privacy\n", encoding="utf-8")
    for _ in range(2):
        run(hands, now)
    (file,) = (hands.root / carrying.CORRECTIONS).iterdir()
    assert file.name == f"{request.id}.ndjson"
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "key": request.id, "updated_at": now.isoformat(), "email": "ann@example.org", "city": "Dayton",
    }  # fmt: skip
    assert forget_corrections(hands.root, [("phone", "ann@example.org"), ("email", "ben@example.org")]) == 0
    run(hands, now + timedelta(days=29))
    assert file.exists()
    run(hands, now + timedelta(days=30))
    assert not file.exists()
    file.write_text('{"key": "x", "email": "ann@example.org"}\n', encoding="utf-8")
    assert forget_corrections(hands.root, [("email", "ann@example.org")]) == 1
    assert not file.exists()


def test_an_answer_can_be_fetched_for_a_while_and_an_erasure_is_left_alone(
    office: Any, hands: Hands, now: datetime
) -> None:
    access = office.ask("access", vouched="c")
    erasure = office.ask("erasure", "ben@example.org", vouched="c")
    run(hands, now)
    assert get(office.desk, access.id).status == "notifying"
    run(hands, now + timedelta(days=29))
    assert get(office.desk, access.id).status == "notifying"
    run(hands, now + timedelta(days=30))
    assert get(office.desk, access.id).status == "closed"
    assert get(office.desk, erasure.id).status == "accepted"
    assert office.desk.vault.held() == (erasure.id,)


def test_clocks_stand_in_the_order_of_their_urgency(office: Any, now: datetime) -> None:
    slow = office.ask("access", "ann@example.org", jurisdiction="US-CA")
    quick = office.ask("access", "ben@example.org", jurisdiction="BR")
    found = clocks(listed(office.desk), now + timedelta(days=15))
    assert [(c.request.id, c.alarm) for c in found] == [(quick.id, "nine_tenths"), (slow.id, "on_time")]
    assert found[0].days_left < 1
    told = metrics(found)
    assert 'kindred_privacy_requests{right="access",alarm="nine_tenths"} 1\n' in told
    assert 'kindred_privacy_requests{right="erasure",alarm="overdue"} 0\n' in told
