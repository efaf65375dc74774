"""After a maintenance the lake is as one in which what was past had never been, and what comes again stays away."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.timeout(2_400)]
KAY, LEO = 10, 11
OLD = (KAY, LEO)
RETENTION = """rules:
- {table: events, keep: 1y, counted_from: last_activity, because: "Until a year after the last sign of life"}
- {table: events, source: tills, keep: 33d, counted_from: occurred, because: "Receipts, for 33 days"}
- {table: records, keep: 1y, counted_from: last_activity, because: "Until a year after the last sign of life"}
- {table: quarantine, keep: 1d, counted_from: received, because: "To be mended within a day"}
"""
# What stays: words of consent, models, what tells of rows that went, how much each run resolved.
EXCEPTIONS = ("model_registry", "tf_snapshot", "consent_event", "consent_inbox", "verdicts", "let_go", "resolution")
# What a model's parameters show in, and in which line of a file a row stood.
LEARNT = ("weight_micro", "conflict_micro", "confidence", "weakest_micro", "density", "negative_share", "reasons",
          "model_version", "edges", "identity_version", "position")  # fmt: skip
DATED_CRM = (
    "source: crm\nconnector: {type: files, path: 'data/crm/*.csv', format: csv}\nrecord: person\nkey: id\n"
    "observed_at: seen\n"
    "fields: {given_name: first, family_name: last, birth_date: born, street: street, postcode: zip}\n"
    "identifiers: {email: email, phone: phone, customer: id}\n"
    "contract: {born: {type: date, max: today}}\non_violation: quarantine\n"
)


def aged(town: Any, *, never: bool) -> None:
    """Write the town's files with two people last seen in 2024; `never` without all that the rules will let go."""
    names = ("data/crm/1.csv", "data/tills/1.csv", "data/web/1.ndjson")
    crm, tills, web = ((town.root / name).read_text().splitlines() for name in names)
    old = [f"C77{n:02d}88{n:02d}" for n in OLD]
    seen = ["2024-01-05" if any(o in row for o in old) else "2026-10-20" for row in crm]
    crm = [f"{row},{'seen' if number == 0 else at}" for number, (row, at) in enumerate(zip(crm, seen, strict=True))]
    tills = [row.replace("2026-10-0", "2024-01-0") if any(o in row for o in old) else row for row in tills]
    web = [
        row.replace("2026-10-05", "2024-01-05") if any(f"number-{n:02d}" in row for n in OLD) else row for row in web
    ]
    if never:
        leo = (f"C77{LEO}88{LEO}", f"cookie-of-number-{LEO}")
        crm, tills, web = ([row for row in rows if not any(one in row for one in leo)] for rows in (crm, tills, web))
        crm = [row for row in crm if not row.startswith(("C77028802X", "C77068806X"))]
        tills = [row for row in tills if not row.startswith(tuple(f"R{n}-1," for n in range(KAY)))]
    files = {name: "\n".join(rows) + "\n" for name, rows in zip(names, (crm, tills, web), strict=True)}
    town.write({**files, "sources/crm.yaml": DATED_CRM})


def hashes(town: Any) -> Mapping[str, str]:
    from api.cli.tables import TABLES
    from profiles.digest import state_hashes

    compared = [table for table in TABLES if table.name not in EXCEPTIONS]
    return state_hashes(town.world.workspace.lake_path, compared, ignore=LEARNT)


def served(town: Any) -> Mapping[bytes, bytes]:
    from infra.serving.embedded import Generations
    from profiles.serving import FOLDER, MANIFEST

    found = Generations(town.world.workspace.serving_path / FOLDER).current().items(b"")
    return {key: value for key, value in found if key != MANIFEST and key[:2] in (b"k|", b"t|", b"l|", b"s|")}


def held(town: Any, value: str) -> None:
    from api.cli.persons import Gallery
    from consent.erasure import holds
    from consent.erasure.holds import Hold
    from consent.officer import token_of
    from infra.clock import system_clock

    gallery = Gallery.open(town.world)
    token = token_of(gallery.desk, "email", value)
    gallery.desk.overlay.close()
    one = Hold(id="h1", ground="a lawsuit", article="GDPR 17(3)(e)", actor="officer", made_at=system_clock())
    holds.hold(town.world.database, [token], one)


def towns(town_of: Callable[..., Any], *names: str) -> list[Any]:
    """Return towns two days after all came: in `town` something will be past, in `never` that never was."""
    made = [town_of(name) for name in names]
    for one in made:
        aged(one, never=one.root.name == "never")
        one.job("run")
        one.number += 48
    made[0].write({"consent/retention.yaml": RETENTION})
    held(made[0], "kay.moss@example.org")
    return made


def counts(told: Any) -> dict[str, tuple[int, int]]:
    return {one["table"]: (one["past"], one["held"]) for one in told["find"]["tables"]}


def candidates(town: Any, value: str) -> int:
    from api.cli.erasing import tokens_for
    from api.cli.naming import Named
    from api.cli.persons import Gallery

    ((_, token), *_) = tokens_for(town.world, Named("email", value))
    gallery = Gallery.open(town.world)
    try:
        return len(gallery.reader.candidates(token))
    finally:
        gallery.desk.overlay.close()


@pytest.mark.nightly  # by day tests/spark/ingestion/test_retention.py lets go
def test_whoever_is_past_is_served_no_more_and_a_hold_wins(town_of: Callable[..., Any]) -> None:
    from consent.ledger.schema import LEDGER_NOTE
    from consent.retention.record import check_record
    from infra.errors import Refused

    (town,) = towns(town_of, "town")
    assert [candidates(town, f"{who}@example.org") for who in ("leo.nash", "kay.moss", "ann.carver")] == [1, 1, 1]
    with pytest.raises(Refused, match="quarantine: 2 of 3"):
        town.job("maintain")
    told = town.job("maintain", at_once="yes", anyway="yes")
    # of Leo and Kay two receipts each and three views of a page; a receipt of each of the other ten
    assert counts(told) == {"events": (20, 5), "records": (2, 1), "quarantine": (3, 1), "recovered": (0, 0)}
    assert [candidates(town, f"{who}@example.org") for who in ("leo.nash", "kay.moss", "ann.carver")] == [0, 1, 1]
    document = told["record"]["record"]
    assert check_record(document, town.world.workspace.signer().public) == ()
    assert "a lawsuit (GDPR 17(3)(e))" in document["holds"][0]
    assert {one["hits_after"] for one in document["stores"]} == {0}
    assert len(document["stores"]) > 20
    with town.world.database.connect() as connection:
        notes = [row.kind for row in connection.execute(LEDGER_NOTE.select().order_by(LEDGER_NOTE.c.sequence))]
    assert notes == ["retention", "retention_record"]
    assert not list((town.root / "state/work").glob("maintain*"))


@pytest.mark.nightly
def test_the_lake_is_as_one_that_never_had_what_is_past(town_of: Callable[..., Any]) -> None:
    town, never = towns(town_of, "town", "never")
    looked = town.job("maintain", dry_run="yes")
    found = town.job("maintain", anyway="yes")
    assert looked["look"]["tables"] == found["find"]["tables"]
    never.number += 2
    for one in (town, never):
        # the sources say all of it once more
        for name in ("data/crm/1.csv", "data/tills/1.csv", "data/web/1.ndjson"):
            (one.root / name).write_text((one.root / name).read_text() + "\n")
    sources = town.job("run", full="yes")["ingest"]["sources"]
    never.job("run", full="yes")
    assert {name: (one["expired"], one["accepted"]) for name, one in sources.items() if name != "consents"} == {
        "crm": (3, 0), "tills": (14, 0), "web": (3, 0)
    }  # fmt: skip
    assert hashes(town) == hashes(never)
    assert served(town) == served(never)


def once(whole: Callable[..., None], then: Callable[..., None]) -> Callable[..., None]:
    left = iter([whole])

    def act(*told: Any) -> None:
        next(left, then)(*told)

    return act


@pytest.mark.nightly
@pytest.mark.parametrize("at", ["announced", "half gone", "resolving", "forgotten"])
def test_killed_anywhere_the_next_run_ends_it(
    town_of: Callable[..., Any], at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import identity.erasure
    from api.cli import maintaining, pipeline
    from infra import upkeep

    class Killed(BaseException):
        """A kill -9: nothing catches it."""

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    town, never = towns(town_of, "town", "never")
    with monkeypatch.context() as patch:
        if at == "announced":
            patch.setattr(maintaining.Aging, "let_go", dies)
        elif at == "half gone":
            patch.setattr(upkeep, "erase", once(upkeep.erase, dies))
        elif at == "resolving":
            patch.setattr(pipeline, "_PERSONS", (("resolve", dies), *pipeline._PERSONS[1:]))
        else:
            patch.setattr(identity.erasure, "forget_ids", dies)
        with pytest.raises(Killed):
            town.job("maintain", anyway="yes")
    # another run, though it was asked for something else; or the same one
    town.job("maintain" if at == "half gone" else "run", resume=at == "half gone", anyway="yes")
    never.number = town.number
    for one in (town, never):
        one.job("run", full="yes")
    assert hashes(town) == hashes(never)
    assert served(town) == served(never)
