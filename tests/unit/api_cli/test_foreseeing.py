"""`kindred plan --policy`: whose permissions another policy would change, told from the lake without a JVM."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner, Result

from api.cli.main import app
from consent.officer import Desk, token_of
from infra.workspace import Workspace

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
KEY = "k" * 64


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / "kindred.yaml").write_text("name: shop\nseed: 1\n", encoding="utf-8")
    monkeypatch.setenv("KINDRED_TOKEN_KEY", KEY)
    return root


def kindred(shop: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "-w", str(shop)], catch_exceptions=False)


def token(shop: Path, value: str) -> str:
    from api.cli.world import open_world

    world = open_world(shop)
    return token_of(Desk.open(world.workspace, world.database), "email", value)


def people(shop: Path, **places: str | None) -> None:
    """Write a lake of people with one record and one address each: `ann="US-OH"`."""
    held = {name: {"type": "email", "value": "", "token": token(shop, f"{name}@example.org")} for name in places}
    graph = [
        {"profile_id": name, "tokens": [{"token": held[name]["token"], "link": "own"}],
         "records": [{"record_key": name, "identifiers": [held[name]]}]}
        for name in places
    ]  # fmt: skip
    lake = Workspace.open(shop).lake_path
    write_deltalake(str(lake / "profile_graph"), pa.Table.from_pylist(graph))
    features = pa.table({"record_key": list(places), "jurisdiction": pa.array(places.values(), pa.string())})
    write_deltalake(str(lake / "record_features"), features)
    consent = pa.table({"purpose": ["identity_resolution", "service"], "allowed": [False, False]})
    write_deltalake(str(lake / "record_consent"), consent)


def stricter(shop: Path) -> Path:
    """Return a copy of the policy in which the US opts in, and analytics rests on consent."""
    path = shop.parent / "stricter.yaml"
    text = (shop / "consent" / "policy.yaml").read_text(encoding="utf-8")
    text = text.replace("jurisdiction: US, basis: opt_out", "jurisdiction: US, basis: consent")
    path.write_text(text.replace('analytics, jurisdiction: "*", basis: legitimate_interest',
                                 'analytics, jurisdiction: "*", basis: consent'), encoding="utf-8")  # fmt: skip
    return path


def test_a_policy_is_tried_on_the_people_of_the_last_build(shop: Path) -> None:
    people(shop, ann="US-OH", bob="US-CA", cat="DE", dan=None)
    for name in ("ann", "cat"):
        kindred(shop, "consent", "record", f"email:{name}@example.org", "analytics", "given", "--mechanism", "centre")
    kindred(shop, "consent", "record", "email:bob@example.org", "advertising", "refused", "--mechanism", "centre")
    before = sorted((p, p.stat().st_mtime_ns) for p in (shop / "lake").rglob("*") if p.is_file())
    told: dict[str, Any] = json.loads(kindred(shop, "plan", "--policy", str(stricter(shop)), "--json").stdout)
    assert (told["people"], told["records_left_out_of_matching"]) == (4, 1)
    assert told["purposes"]["analytics"] == {"now": 4, "then": 2, "gained": 0, "lost": 2}
    assert told["purposes"]["advertising"] == {"now": 1, "then": 0, "gained": 0, "lost": 1}
    assert told["purposes"]["service"] == {"now": 4, "then": 4, "gained": 0, "lost": 0}
    lost = [(c["purpose"], c["jurisdiction"], c["before"], c["after"], c["people"]) for c in told["changes"]]
    assert lost == [
        ("advertising", "US-OH", "opt_out", "no_consent", 1),
        ("analytics", "US-CA", "legitimate_interest", "no_consent", 1),
        ("analytics", "unknown", "legitimate_interest", "no_consent", 1),
    ]
    assert sorted((p, p.stat().st_mtime_ns) for p in (shop / "lake").rglob("*") if p.is_file()) == before
    words = kindred(shop, "plan", "--policy", str(stricter(shop))).stdout
    assert "analytics: 4 allowed now, 2 then: 0 gained, 2 lost" in words
    assert "lost in US-OH, opt_out to no_consent: 1" in words
    assert "1 records are left out of matching now" in words


def test_labels_are_tried_and_wrong_files_are_named(shop: Path) -> None:
    labels = shop.parent / "labels.yaml"
    text = (shop / "consent" / "labels.yaml").read_text(encoding="utf-8")
    labels.write_text(text.replace("masked_for: [analytics, advertising]", "masked_for: [service]"), encoding="utf-8")
    told = json.loads(kindred(shop, "plan", "--consent-labels", str(labels), "--json").stdout)
    assert told["people"] == 0
    assert told["masks"]["service"] == {"masked": ["family_name", "full_name", "given_name"], "shown": []}
    assert told["masks"]["analytics"]["shown"] == ["family_name", "full_name", "given_name"]
    assert kindred(shop, "plan", "--policy", "nowhere.yaml").exit_code == 2
    wrong = shop.parent / "wrong.yaml"
    wrong.write_text("purposes: {}\n", encoding="utf-8")
    assert kindred(shop, "plan", "--policy", str(wrong)).exit_code == 2
    assert kindred(shop, "plan", "--policy", str(labels), "--set", "thresholds.merge=2").exit_code == 2
