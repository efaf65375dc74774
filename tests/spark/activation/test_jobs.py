"""The jobs on a small shop: under consent, told once, repeatable, and undone when somebody withdraws."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.spark
NOW = datetime(2017, 12, 31, tzinfo=UTC)
Maker = Callable[..., dict[str, Any]]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rows(runtime: Any, table: Any) -> list[dict[str, Any]]:
    from infra import shelf

    return [row for batch in shelf.batches(runtime.workspace.lake_path, table) for row in batch.to_pylist()]


def told(folder: Path) -> dict[str, list[str]]:
    """Each file's operations and match keys, by its name."""
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    return {
        file.name: [",".join(line.split(",")[i] for i in (0, 2, 3)) for line in file.read_text().splitlines()[1:]]
        for file in files
    }


def test_audiences_hold_only_those_who_allow_their_purpose(shop: Any, as_person: Maker, as_line: Maker) -> None:
    from activation import jobs
    from activation.tables import AUDIENCE_INDEX, AUDIENCE_MEMBERS
    from consent.funnel import funnel
    from consent.overlay import DenyOverlay
    from infra.ids import Purpose, Token

    people = [as_person("ann", 3), as_person("bob", 5, refuses="email_marketing"), as_person("cat", 1),
              as_person("dan", 4, refuses="personalization")]  # fmt: skip
    lines = [as_line("o1", "tea", 3, of="ann"), as_line("o2", "tea", 60, of="bob"), as_line("o3", "rum", 3, of="dan")]
    shop.fill(1, people, lines)
    runtime = shop.run(2)
    summary = jobs.audiences(runtime, {})
    found = {(row["audience"], row["profile_id"], row["since_batch"]) for row in rows(runtime, AUDIENCE_MEMBERS)}
    assert found == {("loyal", "ann", 2), ("loyal", "dan", 2), ("tea", "ann", 2)}
    assert summary["audiences"] == {"loyal": "<50", "tea": "<50"}
    assert "audience loyal: <50 people" in shop.said
    assert {row["size"] for row in rows(runtime, AUDIENCE_INDEX)} == {2, 1}
    basis, line = "by consent (policy.yaml:1)", "withdrawn 1 (policy.yaml:1)"
    assert [said for said in shop.said if said.startswith("consent at activate")] == [
        f"consent at activate: {purpose:<20} in         3 {basis} · left out 1: {line}"
        for purpose in ("email_marketing", "personalization")
    ]

    jobs.audiences(shop.run(2, runtime.run.base), {})  # the same run once more
    assert {row["since_batch"] for row in rows(runtime, AUDIENCE_MEMBERS)} == {2}
    shop.fill(3, [as_person("ann", 3), as_person("bob", 5), as_person("dan", 2)], lines)
    later = shop.run(4)
    # Dan refuses after the build; the funnel says so, though the decision of the build was yes.
    overlay = DenyOverlay.open(shop.root / "state" / "serving")
    overlay.restrict([Token("1:dan")], [Purpose("email_marketing")], at=NOW, sequence=1)
    overlay.close()
    jobs.audiences(later, {})
    counts = {(c.purpose, c.reason): c.subjects for c in funnel(shop.database, "run-4")["activate"]}
    assert counts == {("email_marketing", "consent"): 2, ("email_marketing", "refused_since_build"): 1,
                      ("personalization", "consent"): 3}  # fmt: skip
    found = {(row["audience"], row["profile_id"], row["since_batch"]) for row in rows(later, AUDIENCE_MEMBERS)}
    assert found == {("loyal", "ann", 2), ("loyal", "bob", 4), ("tea", "ann", 2), ("tea", "dan", 4)}


def runs_out(database: Any, held: str, ends: datetime) -> None:
    from consent.model import ConsentEntry
    from consent.store import Said, append
    from infra.ids import Purpose, Sid, Token

    said = {"action": "given", "mechanism": "centre", "occurred_at": NOW, "received_at": NOW, "expires_at": ends}
    entry = ConsentEntry(id=held, sid=Sid(""), identifier_kind="email", purpose=Purpose("email_marketing"), **said)
    append(database, [Said(Token(held), entry)], lambda _: Sid("s1"))


def test_a_destination_is_told_what_changed_and_nothing_twice(shop: Any, as_person: Maker) -> None:
    from activation import jobs
    from consent.overlay import DenyOverlay
    from infra.ids import Purpose, Token

    out = shop.root / "out" / "mail"

    def synced(number: int, people: list[dict[str, Any]]) -> dict[str, list[str]]:
        before = told(out)
        shop.fill(10 * number, people, [])
        jobs.audiences(shop.run(10 * number + 1), {})
        jobs.sync(shop.run(10 * number + 2), {})
        return {name: lines for name, lines in told(out).items() if name not in before}

    ann, bob, cat = as_person("ann", 3), as_person("bob", 4), as_person("cat", 5, email="c.at+x@gmail.com")
    first = synced(1, [ann, bob, cat])
    keys = {f"add,email,{digest(one['email'])}" for one in (ann, bob, cat)}
    keys |= {f"add,email_canonical,{digest(text)}" for text in ("ann@example.org", "bob@example.org", "cat@gmail.com")}
    assert {name: set(lines) for name, lines in first.items()} == {"mail-00000012.csv": keys}
    assert synced(2, [ann, bob, cat]) == {}

    # Ann orders again, Bob withdraws, Cat is found to be the person with another id: identity alone tells nobody.
    changed = synced(3, [{**ann, "orders": 9}, {**bob, "refuses": "email_marketing"}, {**cat, "name": "cat2"}])
    mail = digest("bob@example.org")
    assert {name: sorted(lines) for name, lines in changed.items()} == {
        "mail-00000032.csv": sorted(
            [f"change,{kind},{digest('ann@example.org')}" for kind in ("email", "email_canonical")]
            + [f"remove,{kind},{mail}" for kind in ("email", "email_canonical")]
        )
    }
    # Cat refuses after the build: a sync alone, with nothing built anew, already takes them back.
    overlay = DenyOverlay.open(shop.root / "state" / "serving")
    overlay.restrict([Token("1:cat2")], [Purpose("email_marketing")], at=NOW, sequence=1)
    overlay.close()
    jobs.sync(shop.run(33), {})
    assert {line[:7] for line in told(out)["mail-00000033.csv"]} == {"remove,"}

    # One member is too few for the minimum: what was sent is taken back.
    last = synced(4, [{**ann, "orders": 9}])
    assert {line.split(",")[0] for lines in last.values() for line in lines} == {"remove"}
    taken_back = told(out)
    jobs.sync(shop.run(51), {})
    assert told(out) == taken_back


def test_a_sync_that_was_killed_ends_as_if_it_had_not_been(shop: Any, as_person: Maker, monkeypatch: Any) -> None:
    from activation import jobs
    from activation.tables import SYNC_STATE

    out, people = shop.root / "out" / "mail", [as_person("ann", 3), as_person("bob", 4)]
    shop.fill(1, people, [])
    jobs.audiences(shop.run(2), {})
    base = shop.run(3).run.base

    class Killed(BaseException):
        pass

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    for victim in ("_deliver", "delivery.settled"):  # before the file; after it and before the state
        with monkeypatch.context() as patched:
            patched.setattr(f"activation.jobs.{victim}", dies)
            with pytest.raises(Killed):
                jobs.sync(shop.run(3, base), {})
    halfway = {path.name: path.read_bytes() for path in out.iterdir()}
    assert rows(shop.run(3), SYNC_STATE) == []
    jobs.sync(shop.run(3, base), {})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == halfway
    assert len(rows(shop.run(3), SYNC_STATE)) == 4

    # A run that is given up after its file: who withdraws then is still taken back.
    shop.fill(4, [*people, as_person("cat", 5)], [])
    jobs.audiences(shop.run(5), {})
    with monkeypatch.context() as patched:
        patched.setattr("activation.jobs.delivery.settled", dies)
        with pytest.raises(Killed):
            jobs.sync(shop.run(6), {})
    shop.fill(7, people, [])
    jobs.audiences(shop.run(8), {})
    jobs.sync(shop.run(9), {})
    cat = digest("cat@example.org")
    assert set(told(out)["mail-00000009.csv"]) == {f"remove,{kind},{cat}" for kind in ("email", "email_canonical")}
    assert len(rows(shop.run(10), SYNC_STATE)) == 4

    # Ann's yes runs out while a run lies killed: it is obeyed when the run goes on, though no server is alive.
    runs_out(shop.database, "1:ann", NOW + timedelta(days=2))
    jobs.sync(shop.run(10), {"at": "a moment of its own"}, lambda: NOW + timedelta(days=3))
    assert "mail-00000010.csv" not in told(out)
    jobs.sync(shop.run(11), {}, lambda: NOW + timedelta(days=3))
    ann = digest("ann@example.org")
    assert set(told(out)["mail-00000011.csv"]) == {f"remove,{kind},{ann}" for kind in ("email", "email_canonical")}


@pytest.mark.nightly  # by day test_demo.py measures
def test_recommendations_are_learned_under_consent_and_measured(shop: Any, as_person: Maker, as_line: Maker) -> None:
    from activation import jobs, serving
    from activation.tables import CAMPAIGNS, HABITS, ITEM_PAIRS, QUALITY

    people = [
        as_person("ann", 3),
        as_person("bob", 3, refuses="analytics"),
        as_person("cat", 3, refuses="personalization"),
    ]
    lines = []
    for week in range(1, 30):  # Ann buys tea and milk each week; Bob's baskets may not be counted; nobody's may
        lines += [as_line(f"a{week}", p, 7 * week, of="ann") for p in ("tea", "milk")]
        lines += [as_line(f"b{week}", p, 7 * week, of="bob") for p in ("tea", "soap")]
        lines += [as_line(f"n{week}", p, 7 * week, of=None) for p in ("tea", "bread")]
    lines += [as_line(f"c{i}", "rum", i, of="cat") for i in range(3)]
    lines += [as_line("x", "", 10, of=p, kind="redemption", campaign="8") for p in ("ann", "bob")]
    shop.fill(1, people, lines)
    runtime = shop.run(2)
    summary: Any = jobs.recommend(runtime, {})

    pairs = {frozenset((r["left_id"], r["right_id"])): r["baskets"] for r in rows(runtime, ITEM_PAIRS)}
    assert pairs == {frozenset(("tea", "milk")): 29, frozenset(("tea", "bread")): 29}
    assert {row["profile_id"] for row in rows(runtime, HABITS)} == {"ann", "bob"}
    campaign = rows(runtime, CAMPAIGNS)[0]
    assert dict(campaign["categories"]) == {"DAIRY": pytest.approx(1 / 3), "DRINKS": pytest.approx(2 / 3)}
    assert (campaign["redeemers"], campaign["reached"]) == (1, 2)
    assert {(one["task"], one["method"]) for one in summary["quality"]} == {
        (task, method)
        for task in ("next basket", "complete")
        for method in ("buy again", "co-occurrence", "popularity")
    }
    again = next(q for q in summary["quality"] if (q["task"], q["method"]) == ("next basket", "buy again"))
    assert (again["hit_rate"], again["recall"]) == (1.0, 1.0)

    first = rows(runtime, QUALITY)
    jobs.recommend(shop.run(2, runtime.run.base), {})
    assert rows(runtime, QUALITY) == first
    entries = dict(serving.entries(runtime.workspace.lake_path, {}))
    assert {key.split(b"|")[1] for key in entries} == {b"meta", b"popular", b"campaign", b"item", b"again"}
    shelf = _Memory(entries)
    assert [one.product_id for one in serving.again(shelf, "ann", 5)] == ["milk", "tea"]
    assert serving.again(shelf, "cat", 5) == []
    assert [one.label for one in serving.together(shelf, ["milk", "bread"], 5)] == ["Tea"]
    assert [one.product_id for one in serving.popular(shelf, ["tea"], 2)] == ["bread", "milk"]
    assert serving.campaigns(shelf)[0].redeemers == 1


def test_outcomes_join_what_followed(shop: Any, as_person: Maker, as_line: Maker) -> None:
    from activation import jobs
    from activation.model import Choice, Consent, Context, DecisionEvent
    from activation.store import log_decision
    from activation.tables import OUTCOMES
    from infra.ids import Purpose

    people = [as_person("ann", 3), as_person("bob", 3)]
    lines = [as_line("o1", p, 5, of="ann") for p in ("tea", "milk")] + [as_line("o2", "tea", 40, of="ann")]
    lines += [as_line("o1", "", 5, of="ann", kind="redemption", campaign="8", amount=None)]
    shop.fill(1, people, lines)
    runtime = shop.run(2)
    assert jobs.outcomes(runtime, {}) == {"decisions": 0}
    now = runtime.run.started_at - timedelta(days=11)
    choice = Choice("next", Purpose("personalization"), "8", 0.4, holdout=False, because="softmax", candidates=())
    event = DecisionEvent("d1", "k", "ann", Context(now, now), choice, Consent(allowed=True, reason=""), (), 1, "p")
    log_decision(shop.database, event)
    log_decision(shop.database, replace(event, id="d2", profile="bob"))
    log_decision(shop.database, replace(event, id="d3", profile=""))
    runtime = shop.run(3)
    assert jobs.outcomes(runtime, {}) == {"decisions": 2}
    found = {
        row["decision_id"]: (row["orders"], row["amount"], row["redeemed"], row["complete"])
        for row in rows(runtime, OUTCOMES)
    }
    assert found == {"d1": (1, 5.0, True, False), "d2": (0, 0.0, False, False)}


class _Memory:
    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = entries

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def items(self, prefix: bytes) -> Any:
        return ((key, value) for key, value in sorted(self.entries.items()) if key.startswith(prefix))
