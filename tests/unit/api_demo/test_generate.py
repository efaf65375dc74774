"""What `kindred demo-data` promises: the same people every time, every basket once, nobody real, the truth complete."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from api.demo.generate import generate
from api.demo.journey import Journey, household_order
from infra.errors import Malformed
from infra.identifiers import normalise

PERSON_KEYS = {
    "crm": "customer_id",
    "loyalty": "card_no",
    "webshop_accounts": "account_id",
    "webshop_guests": "order_id",
    "newsletter": "subscription_id",
}
PHONES = {
    "crm": ("mobile", "landline"), "loyalty": ("phone",), "webshop_accounts": ("phone",), "webshop_guests": ("phone",),
    "helpdesk": ("caller_phone",), "consents": ("phone",), "tills": ("phone",),
}  # fmt: skip


def rows_of(root: Path, source: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for path in sorted((root / "data" / source).iterdir()):
        if path.suffix == ".parquet":
            out += pq.read_table(path).to_pylist()
        elif path.suffix == ".ndjson":
            out += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        else:
            with path.open(encoding="utf-8", newline="") as lines:
                out += list(csv.DictReader(lines))
    return out


def truth_of(root: Path, name: str) -> list[dict[str, str]]:
    with (root / "truth" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_what_arrives_later_leaves_what_is_there_untouched(grown: Any) -> None:
    now = {p: (grown.root / "data" / p).read_bytes() for p in grown.first_bytes}
    assert now == grown.first_bytes
    assert {p.name for p in (grown.root / "data" / "crm").iterdir()} == {"part-1.csv", "part-2.csv"}


def test_two_parts_hold_the_rows_of_the_whole(grown: Any, whole: Path) -> None:
    for source in sorted(p.name for p in (whole / "data").iterdir()):
        parts, once = (Counter(json.dumps(r, default=str) for r in rows_of(w, source)) for w in (grown.root, whole))
        assert parts == once, source


def test_two_parts_have_the_truth_of_the_whole(grown: Any, whole: Path) -> None:
    for name in ("records", "people", "anonymous", "refusals", "faults", "traps"):
        parts, once = ([tuple(r.values()) for r in truth_of(w, name)] for w in (grown.root, whole))
        assert sorted(parts) == sorted(once), name


def test_a_second_call_for_what_is_there_changes_no_byte(grown: Any) -> None:
    before = {p: p.read_bytes() for p in grown.root.rglob("*") if p.is_file()}
    generate(grown.root, households=5, seed=7, say=lambda _line: None)
    assert {p: p.read_bytes() for p in grown.root.rglob("*") if p.is_file()} == before


def test_another_seed_makes_others_of_them(grown: Any, tmp_path: Path) -> None:
    generate(tmp_path, households=4, seed=8, say=lambda _line: None)
    others = {r["customer_id"] for r in rows_of(tmp_path, "crm")}
    assert not others & {r["customer_id"] for r in rows_of(grown.root, "crm")}
    with pytest.raises(Malformed, match="seed 8"):
        generate(tmp_path, households=4, seed=9, say=lambda _line: None)


@pytest.mark.parametrize("households", [0, -1, 100_000])
def test_a_number_of_households_that_there_are_not_is_refused(tmp_path: Path, households: int) -> None:
    with pytest.raises(Malformed, match="1 to 2469"):
        generate(tmp_path, households=households, seed=7, say=lambda _line: None)


def test_every_basket_line_is_used_once(grown: Any, journey: Journey) -> None:
    chosen = household_order(journey, 7)[:20]
    lines = journey.lines[journey.lines["household_id"].isin(chosen)]
    real = set(zip(lines["basket_id"].astype(str), lines["product_id"].astype(str), strict=True))
    sold = {}
    for source in ("tills", "webshop_orders"):
        kept = [r for r in rows_of(grown.root, source) if r["line_id"]]
        sold[source] = {tuple(r["line_id"].split("-")) for r in kept}
    assert sold["tills"] | sold["webshop_orders"] == real
    assert not sold["tills"] & sold["webshop_orders"]
    assert sold["webshop_orders"]
    events = pq.read_table(grown.root / "truth" / "events.parquet").to_pylist()
    assert {tuple(e["message_id"].split("-")) for e in events if e["source"] == "tills"} == sold["tills"]


def test_mailboxes_are_in_reserved_domains(grown: Any) -> None:
    found = Counter[str]()
    for path in (grown.root / "data").rglob("part-*.*"):
        if path.suffix != ".parquet":
            found.update(re.findall(r"[^\s\",:;]@([a-z][\w.-]+\w)", path.read_text(encoding="utf-8").lower()))
    assert set(found) <= {"example.com", "example.org", "example.net", "test.com"}
    assert len(found) >= 3


def test_phones_are_in_the_reserved_range(grown: Any) -> None:
    seen = set()
    for source, columns in PHONES.items():
        for row in rows_of(grown.root, source):
            seen |= {str(row[c]) for c in columns if row[c]}
    numbers = {normalise("phone", raw) for raw in seen - {"000-000-0000", "0000000000", "null"}}
    assert len(numbers) > 20
    assert all(n and re.fullmatch(r"\+1\d{3}55501\d\d", n) for n in numbers)


def test_the_truth_covers_every_record_and_no_other(grown: Any) -> None:
    faulty = {(r["source"], r["key"]) for r in truth_of(grown.root, "faults")}
    told = {(r["source"], r["key"]) for r in truth_of(grown.root, "records") if r["source"] in PERSON_KEYS}
    held = {(s, str(r[key])) for s, key in PERSON_KEYS.items() for r in rows_of(grown.root, s) if r[key]}
    assert held - faulty == told
    people = {r["person_id"] for r in truth_of(grown.root, "people")}
    assert {r["person_id"] for r in truth_of(grown.root, "records")} <= people


def test_a_shared_card_names_its_holder_and_says_so(grown: Any) -> None:
    holders = {r["key"]: r["person_id"] for r in truth_of(grown.root, "records") if r["source"] == "loyalty"}
    cards = [r for r in truth_of(grown.root, "records") if r["source"] == "tills" and r["key"].startswith("loyalty:")]
    assert {r["key"].removeprefix("loyalty:") for r in cards} <= set(holders)
    assert all(holders[r["key"].removeprefix("loyalty:")] == r["person_id"] for r in cards)
    assert {r["shared"] for r in cards} == {"true", "false"}


def test_events_know_who_acted_and_filtered_ones_are_left_out(grown: Any) -> None:
    acted = {
        e["message_id"]: e["person_id"]
        for e in pq.read_table(grown.root / "truth" / "events.parquet").to_pylist()
        if e["source"] == "web"
    }
    for row in rows_of(grown.root, "web"):
        denied = row["context"].get("consent", {}).get("categoryPreferences", {}).get("analytics") is False
        if denied:
            assert row["messageId"] not in acted
    known = {r["person_id"] for r in truth_of(grown.root, "people")}
    assert {p for p in acted.values() if not p.startswith("V")} <= known


def test_six_records_are_one_person(grown: Any) -> None:
    show = json.loads((grown.root / "truth" / "showcase.json").read_text(encoding="utf-8"))
    six = show["six_records"]
    assert Counter(r["source"] for r in six["records"]) == {
        "crm": 2, "loyalty": 1, "webshop_accounts": 1, "webshop_guests": 1, "newsletter": 1,
    }  # fmt: skip
    assert show["wrong_merge"]["a"]["name"] == show["wrong_merge"]["b"]["name"]
    assert show["wrong_merge"]["a"]["person_id"] != show["wrong_merge"]["b"]["person_id"]


def test_the_tour_starts_from_a_clear_yes(grown: Any) -> None:
    show = json.loads((grown.root / "truth" / "showcase.json").read_text(encoding="utf-8"))
    address = show["three_views"]["lookup"]["value"]
    said = {(r["purpose"], r["action"]) for r in rows_of(grown.root, "consents") if r["email"] == address}
    assert {("personalization", "given"), ("email_marketing", "given")} <= said
    assert {action for _, action in said} == {"given"}


def test_each_trap_is_set_with_pairs_from_the_records(grown: Any) -> None:
    set_traps = truth_of(grown.root, "traps")
    records = {(r["source"], r["key"]) for r in truth_of(grown.root, "records")}
    assert {"twins", "father_son", "namesake", "shared_card", "shared_tablet"} <= {t["trap"] for t in set_traps}
    for trap in set_traps:
        assert {(trap["source_a"], trap["key_a"]), (trap["source_b"], trap["key_b"])} <= records
        assert trap["same"] in {"true", "false"}


def test_blemishes_are_few_and_counted(grown: Any) -> None:
    rows, copies, faults = (grown.summary[k] for k in ("rows", "copies", "faults"))
    assert isinstance(rows, dict)
    assert isinstance(copies, int)
    assert isinstance(faults, int)
    assert 0 < copies < sum(rows.values()) / 100
    assert 0 < faults < sum(rows.values()) / 100
