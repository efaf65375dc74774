"""From facts to what a reader gets, on one small shop: what each purpose sees, and that it is the same every time."""

import json
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.spark


def reader(runtime: Any) -> Any:
    from consent.overlay import DenyOverlay
    from profiles.serving import ProfileReader, Published

    serving = runtime.workspace.serving_path
    return ProfileReader(Published(serving, time.monotonic), DenyOverlay.open(serving))


def view(profiles: Any, profile_id: str, purpose: str) -> Any:
    body = profiles.view(profile_id, purpose)
    return None if body is None else json.loads(body)


def test_facts_become_what_each_purpose_may_see_and_the_same_facts_the_same_bytes(shop: Callable[..., Any]) -> None:
    from profiles.jobs import build, publish

    first = shop(1)
    counts = build(first, {})
    assert counts["profile_consent"] == 3 * 7
    assert publish(first, {})["generation"] == "00000001"
    profiles = reader(first)
    see_views(profiles)
    see_links(profiles)
    see_history(profiles)
    obeys_a_withdrawal(first, profiles)
    before = content(first)
    second = shop(2)
    build(second, {})
    publish(second, {})
    tells_whom_each_purpose_is_served(second)
    publish(second, {})
    assert content(second) == before


def content(runtime: Any) -> tuple[Any, Any]:
    from infra.keyvalue import LmdbReader
    from profiles.digest import state_hashes
    from profiles.serving import FOLDER, MANIFEST
    from profiles.tables import TABLES

    hashes = state_hashes(runtime.workspace.lake_path, TABLES)
    assert len(hashes) == len(TABLES)
    folder = runtime.workspace.serving_path / FOLDER / f"{runtime.run.number:08d}"
    # A store can be open once in a process, and the reader has the first edition: its copy is as good.
    store = LmdbReader(shutil.copytree(folder, folder.with_name(f"copy-{folder.name}")))
    held = {k: v for k, v in store.items(b"") if k != MANIFEST}
    store.close()
    return hashes, held


def see_views(profiles: Any) -> None:
    # All that legitimate interest lets be derived: every record, every trait, nothing masked.
    whole = view(profiles, "r1", "profiling")
    assert whole["attributes"] == {
        "given_name": "Ann",
        "family_name": "Baker",
        "birth_date": "1980-05-01",
        "street": "2 New Street",
        "city": "Dover",
        "email": "ann@example.org",
    }
    assert whole["provenance"]["family_name"] == {
        "source": "shop",
        "record": "r2",
        "observed_at": "2026-01-10T12:00:00Z",
        "rule": "most_recent",
        "confidence": 0.376,
    }
    assert whole["provenance"]["given_name"]["rule"] == "most_frequent"
    assert whole["provenance"]["street"]["record"] == whole["provenance"]["city"]["record"] == "r2"
    traits = whole["traits"]
    assert (traits["orders"], traits["spend"], traits["items"], traits["average_basket"]) == (3, 12.5, 4, 4.17)
    assert (traits["orders_30d"], traits["spend_30d"], traits["events"]) == (2, 4.15, 3)
    assert (traits["first_seen"], traits["last_order"]) == ("2026-01-11T12:00:00Z", "2026-02-11T12:00:00Z")
    assert traits["favourite_departments"] == ["dairy", "home"]
    assert (traits["channel"], traits["days_since_order"]) == ("store", 2)
    assert (traits["rfm"], traits["recency"]) == ("333", 3)
    assert whole["withheld"] == []

    # Service rests on the contract and shows what is certainly hers: no newsletter, no card that lies in a drawer.
    service = view(profiles, "r1", "service")
    assert service["traits"]["orders"] == 1
    assert service["withheld"] == [{"field": "*", "because": "consent"}]
    assert [i["value"] for i in service["identifiers"]] == ["ann@example.org"]

    # Personalisation has her consent under one email: what is certainly hers, less what labels mask.
    personal = view(profiles, "r1", "personalization")
    assert set(personal["attributes"]) == {"given_name", "family_name", "city"}
    assert personal["identifiers"] == []
    assert personal["consent"]["reason"] == "consent"
    assert {"field": "birth_date", "because": "policy"} in personal["withheld"]

    # A newsletter is granted to one address. Ann's is only probably hers, so nothing of hers is shown for it.
    assert view(profiles, "r1", "email_marketing") is None
    mail = view(profiles, "r5", "email_marketing")
    assert (mail["attributes"]["email"], mail["consent"]["reason"]) == ("bob@example.net", "consent")

    # Bob refused advertising under his phone; he never said yes to anything.
    assert view(profiles, "r5", "advertising") is None
    assert view(profiles, "r5", "personalization") is None
    assert view(profiles, "r5", "analytics")["traits"]["orders"] == 1
    assert view(profiles, "i1", "analytics")["traits"]["events"] == 1


def see_links(profiles: Any) -> None:
    # Whom an identifier leads to, and who answers for an id that was given up.
    assert profiles.find("1:email:ann@example.org") == "r1"
    assert profiles.find("1:cookie:c-1") == "i1"
    assert profiles.find("1:email:nobody@example.org") is None
    assert profiles.successors("r0") == ("r1",)
    assert profiles.search("arch baker", "profiling") == []
    assert profiles.search("ANN bak", "profiling") == ["r1"]

    header = profiles.header("r1")
    assert header.tokens == {
        "1:email:ann@example.org": "own",
        "1:email:a.archer@example.com": "probable",
        "1:loyalty:L1": "probable",
    }


def see_history(profiles: Any) -> None:
    timeline = profiles.timeline("r1", "profiling")
    assert [(e["order_id"], e["amount"], e["line_count"]) for e in timeline] == [
        ("w1", 3.0, 1),
        ("t2", 1.15, 1),
        ("t1", 8.35, 2),
    ]
    assert timeline[2]["lines"][0] == {"product_id": "cheese", "name": "Cheese", "quantity": 1.0, "amount": 7.25}
    assert [e["order_id"] for e in profiles.timeline("r1", "service")] == ["w1"]
    assert profiles.timeline("r1", "advertising") is not None
    assert profiles.timeline("r5", "advertising") is None

    graph = profiles.graph("r1", "service")
    shown = {r["record_key"]: (r["link"], sorted(r["attributes"])) for r in graph["records"]}
    assert shown["r3"] == ("probable", [])
    assert shown["r1"][0] == "own"
    assert "birth_date" in shown["r1"][1]
    across = [e for e in graph["edges"] if e["elsewhere"]]
    assert [(e["left"], e["elsewhere"], e["state"]) for e in across] == [("r3", "r5", "suppressed")]


def obeys_a_withdrawal(runtime: Any, profiles: Any) -> None:
    assert profiles.view("r1", "personalization") is not None
    overlay = profiles._denials
    overlay.restrict(["1:email:a.archer@example.com"], ["personalization"], at=runtime.run.started_at, sequence=0)
    assert profiles.view("r1", "personalization") is None
    assert profiles.timeline("r1", "personalization") is None
    assert profiles.graph("r1", "personalization") is None
    assert profiles.view("r1", "analytics") is not None
    overlay.close()


def tells_whom_each_purpose_is_served(runtime: Any) -> None:
    from consent.funnel import funnel
    from consent.overlay import DenyOverlay
    from infra import shelf
    from profiles.jobs import publish
    from profiles.tables import PROFILE_VIEWS

    views = shelf.reader(runtime.workspace.lake_path, PROFILE_VIEWS, columns=["purpose"]).read_all().to_pylist()
    told = funnel(runtime.database, runtime.run.id)
    assert list(told) == ["build", "serve"]
    for purpose in {one.purpose for one in told["build"]}:
        served = [one for one in told["serve"] if one.purpose == purpose]
        assert sum(one.subjects for one in served) == 3
        assert sum(one.subjects for one in served if one.allowed) == views.count({"purpose": purpose})
        denied = {one for one in told["build"] if one.purpose == purpose and not one.allowed}
        assert denied <= set(served)
    assert {one.reason for one in told["serve"] if one.purpose == "personalization"} == {"consent", "no_consent"}

    # A word that no build has seen, under an address that is only probably hers.
    overlay = DenyOverlay.open(runtime.workspace.serving_path)
    overlay.restrict(["1:email:a.archer@example.com"], ["personalization"], at=runtime.run.started_at, sequence=9)
    overlay.close()
    publish(runtime, {})
    again = [one for one in funnel(runtime.database, runtime.run.id)["serve"] if one.purpose == "personalization"]
    assert {(one.reason, one.subjects) for one in again} == {
        ("consent", 0),
        ("refused_since_build", 1),
        ("no_consent", 2),
    }
