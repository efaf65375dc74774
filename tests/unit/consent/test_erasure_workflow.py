"""The erasure's workflow over a house of doubles: every step noted before its act, done once, whatever kills it."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

import consent.store
from consent.erasure import holds, workflow
from consent.erasure.book import STEPS, Book
from consent.erasure.errors import LegallyHeld, NobodyFound, ResidueLeft, UnknownErasure
from consent.erasure.freeze import REASON, freeze
from consent.erasure.holds import Hold
from consent.erasure.ports import Facts, Notice, Places, Plan, Subject, folder_of
from consent.erasure.sealed import opened, seal
from consent.erasure.workflow import House
from consent.model import ALL
from consent.overlay import DenyOverlay
from consent.residue.model import Hit, Place, PlaceReport, ScanReport
from consent.store import restricted_tokens
from consent.suppression import Cause, suppressed_tokens
from infra.database import open_database
from infra.errors import Broken
from infra.ids import ProfileId, RecordKey, Sid, Token

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = b"k" * 32
ASKED = ((1, Token("1:asked")),)
ANN = Subject(
    tokens=(Token("1:asked"), Token("1:phone")),
    shared=(Token("1:home"),),
    record_keys=(RecordKey("r" * 32),),
    profile_ids=(ProfileId("p" * 32),),
    sids=(Sid("s1"),),
    values=(("email", "ann.carver@example.org"),),
    source_keys=(("crm", "C1"),),
)


class Killed(BaseException):
    """A kill -9: nothing catches it, nothing is tidied up."""


@dataclass
class Store:
    """A store that holds the person until it is told to let go."""

    name: str
    acts: list[str]
    rows: int = 3
    files: int = 2

    def places(self) -> Places:
        return Places(scanned=(Place(store=self.name, kind="files", root=Path("/nowhere")),))

    def plan(self, subject: Subject) -> Plan:
        del subject
        return Plan(store=self.name, rows={"rows": self.rows}, stays={"model": "parameters"})

    def delete(self, subject: Subject) -> Mapping[str, Any]:
        assert subject == ANN
        self.acts.append(f"delete {self.name}")
        self.rows = 0
        return {"rows": 3}

    def purge(self, subject: Subject) -> None:
        del subject
        self.acts.append(f"purge {self.name}")
        self.files = 1

    def expire(self, subject: Subject) -> None:
        del subject
        self.acts.append(f"expire {self.name}")
        self.files = 0


@dataclass
class Town:
    """A house of two stores over a real book and a real freeze."""

    folder: Path
    database: Engine
    overlay: DenyOverlay
    acts: list[str] = field(default_factory=list)
    now: datetime = NOW
    blind: bool = False
    subject: Subject = ANN
    asked: int = 0

    def __post_init__(self) -> None:
        self.stores = (Store("facts", self.acts), Store("serving", self.acts))
        self.book = Book(self.database, lambda: self.now)

    def house(self) -> House:
        def frozen(request_id: str, tokens: Sequence[tuple[int, Token]]) -> None:
            self.acts.append("freeze")
            freeze(self.database, self.overlay, tokens, Cause(reason=REASON, request_id=request_id, at=self.now))

        def closure(tokens: Sequence[Token]) -> Subject:
            assert tokens == [Token("1:asked")]
            # once rows are gone the graph knows nobody any more
            return self.subject if self.stores[0].rows else Subject(tokens=tuple(tokens))

        def certify(facts: Facts) -> Mapping[str, Any]:
            assert facts.before.hits
            assert not facts.after.hits
            return {"request": facts.request_id, "recipients": len(facts.notices), "nonce": "n0"}

        return House(
            book=self.book, stores=self.stores, closure=closure, freeze=frozen,
            freeze_subject=lambda request_id, subject: frozen(request_id, [(1, t) for t in subject.tokens]),
            holds=lambda subject: holds.standing(self.database, subject.tokens, self.now),
            scan=self.scan, notify=lambda _: (Notice(recipient="mail", notified_at=self.now),),
            shred=len, certify=certify, state=self.folder, key=KEY, clock=lambda: self.now,
            say=lambda _: None, at_once=True,
        )  # fmt: skip

    def scan(self, places: Sequence[Place], needles: Any) -> ScanReport:
        assert needles.patterns
        reports = []
        for place, store in ((p, s) for p in places for s in self.stores if p.store == s.name):
            hit = Hit(store=store.name, file="f", where="rows", spelling="raw")
            reports.append(
                PlaceReport(
                    store=place.store,
                    kind=place.kind,
                    files=1,
                    bytes=1,
                    decoders=("raw",),
                    hits=(hit,) if store.files else (),
                    unscanned=(),
                    canary_found=not self.blind,
                )
            )
        return ScanReport(places=tuple(reports), needles=1, too_short=0, seconds=0.1)

    def frozen(self) -> bool:
        """Whether the person is suppressed, and denied to every reader for everything."""
        denied = all(self.overlay.denied(token, purpose) for token in ("1:asked",) for purpose in ("service", ALL))
        return denied and "1:asked" in suppressed_tokens(self.database)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    overlay = DenyOverlay.open(tmp_path / "serving")
    yield Town(tmp_path, open_database(f"sqlite:///{tmp_path / 'k.db'}", consent.store.METADATA), overlay)
    overlay.close()


def test_an_erasure_goes_through_every_step_once(town: Town) -> None:
    request = town.book.open(ASKED)
    outcome = workflow.run(town.house(), request)
    # nobody acknowledged, and a shared identifier stays: that is told
    assert outcome.status == "certified_with_exceptions"
    told = [(step.step, step.store, step.status) for step in town.book.steps(request)]
    for step in STEPS:
        assert (step, "", "begun") in told
    for one in ("deleting", "purging", "expiring"):
        for store in ("facts", "serving"):
            assert told.index((one, store, "begun")) < told.index((one, store, "done"))
    assert town.acts == [
        "freeze", "freeze", "delete facts", "delete serving", "purge facts", "purge serving", "expire facts",
        "expire serving",
    ]  # fmt: skip
    kept = town.book.get(request)
    assert kept.certificate == {"request": request, "recipients": 1}
    assert (kept.nonce, kept.tokens) == ("n0", ())
    assert not list(town.folder.glob("work/*"))
    assert town.frozen()
    # asked again, it does nothing and says how it ended
    assert workflow.run(town.house(), request) == outcome
    assert len(town.acts) == 8


def test_what_is_written_down_tells_nothing_of_the_person(town: Town) -> None:
    request = town.book.open(ASKED)
    workflow.run(town.house(), request)
    told = "".join(str(step.facts) for step in town.book.steps(request))
    for value in ("ann.carver", "C1", "r" * 32, "1:phone"):
        assert value not in told


ACTS = ("freeze", "closure", "plan", "scan", "delete", "purge", "expire", "notify", "shred", "certify")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", ACTS)
def test_killed_at_any_act_it_goes_on_to_the_same_end(town: Town, act: str, *, after: bool) -> None:
    request = town.book.open(ASKED)
    with pytest.raises(Killed):
        workflow.run(_killing(town, act, after=after), request)
    if (act, after) != ("freeze", False):
        assert town.frozen()
    outcome = workflow.run(town.house(), request)
    assert outcome.status == "certified_with_exceptions"
    assert town.frozen()
    assert [store.files for store in town.stores] == [0, 0]
    assert town.book.get(request).certificate is not None


def _killing(town: Town, act: str, *, after: bool) -> House:
    """Return the house in which one act is the last: nothing of it, or all of it but the line that says so."""

    def fatal(do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any) -> Any:
            if after:
                do(*args)
            raise Killed

        return done

    house = town.house()
    if act in {"delete", "purge", "expire", "plan"}:

        class Mortal(Store):
            def __getattribute__(self, name: str) -> Any:
                found = super().__getattribute__(name)
                return fatal(found) if name == act else found

        mortal = Mortal("facts", town.acts)
        # the same store as far as its rows go: what dies is the process
        mortal.__dict__ = town.stores[0].__dict__
        return dataclasses.replace(house, stores=(mortal, town.stores[1]))
    name = {"freeze": "freeze", "closure": "closure"}.get(act, act)
    return dataclasses.replace(house, **{name: fatal(getattr(house, name))})


def test_what_is_left_stops_the_certificate_and_not_the_freeze(town: Town) -> None:
    request = town.book.open(ASKED)
    stubborn = town.stores[1]
    stubborn.expire = lambda _: None  # type: ignore[method-assign]
    with pytest.raises(ResidueLeft, match="serving/f"):
        workflow.run(town.house(), request)
    assert town.frozen()
    assert town.book.get(request).certificate is None
    stubborn.files = 0
    assert workflow.run(town.house(), request).status == "certified_with_exceptions"


@pytest.mark.parametrize(
    ("file", "spelling", "left"),
    [
        ("_delta_log/00000000000000000001.json", "id", False),
        ("_delta_log/00000000000000000001.json", "raw", True),
        ("part-0.parquet", "id", True),
    ],
)
def test_of_ids_only_the_log_of_the_lake_may_tell(town: Town, file: str, spelling: str, *, left: bool) -> None:
    request = town.book.open(ASKED)
    whole = town.scan

    def found(places: Sequence[Place], needles: Any) -> ScanReport:
        report = whole(places, needles)
        hit = Hit(store="lake.records", file=file, where="text", spelling=spelling)
        more = dataclasses.replace(report.places[0], store="lake.records", kind="delta", hits=(hit,))
        return dataclasses.replace(report, places=(*report.places, more))

    house = dataclasses.replace(town.house(), scan=found)
    if left:
        with pytest.raises(ResidueLeft, match=r"lake\.records"):
            workflow.run(house, request)
    else:
        assert workflow.run(house, request).status == "certified_with_exceptions"


def test_a_blind_search_proves_nothing(town: Town) -> None:
    request = town.book.open(ASKED)
    town.blind = True
    with pytest.raises(ResidueLeft, match="blind"):
        workflow.run(town.house(), request)


def test_a_legal_hold_leaves_the_person_frozen_and_the_data_where_they_are(town: Town) -> None:
    request = town.book.open(ASKED)
    court = Hold(id="h1", ground="a claim before the court", article="GDPR 17(3)(e)", actor="x", made_at=NOW,
                 until=NOW + timedelta(days=30))  # fmt: skip
    holds.hold(town.database, [Token("1:phone")], court)
    with pytest.raises(LegallyHeld, match=r"a claim before the court \(GDPR 17\(3\)\(e\)\), until 2026-12-01"):
        workflow.run(town.house(), request)
    assert town.frozen()
    assert town.stores[0].rows == 3
    town.now += timedelta(days=31)
    assert workflow.run(town.house(), request).status == "certified_with_exceptions"


def test_a_hold_can_be_released(town: Town) -> None:
    holds.hold(town.database, [Token("1:x")], Hold(id="h", ground="g", article="a", actor="x", made_at=NOW))
    assert holds.standing(town.database, [Token("1:x")], NOW) == ("g (a), until it is released",)
    assert holds.release(town.database, "h") == 1
    assert holds.standing(town.database, [Token("1:x")], NOW) == ()


def test_without_haste_it_waits_until_no_version_needs_the_files(town: Town) -> None:
    request = town.book.open(ASKED)
    patient = dataclasses.replace(town.house(), at_once=False)
    work = folder_of(patient.state, request) / "records"
    work.mkdir(parents=True)
    outcome = workflow.run(patient, request)
    assert outcome.waits_until == NOW + workflow.RETENTION
    assert not work.exists()  # else another erasure of the same person would find it for a week
    assert "expire facts" not in town.acts
    town.now = NOW + workflow.RETENTION
    assert workflow.run(patient, request).status == "certified_with_exceptions"


def test_an_identifier_of_nobody_is_kept_out_and_erases_nothing(town: Town) -> None:
    town.subject = Subject(tokens=(Token("1:asked"),))
    request = town.book.open(ASKED)
    with pytest.raises(NobodyFound):
        workflow.run(town.house(), request)
    assert town.frozen()
    assert town.stores[0].rows == 3


def test_a_second_request_for_the_same_person_joins_the_first(town: Town) -> None:
    request = town.book.open(ASKED)
    assert town.book.open(ASKED) == request
    workflow.run(town.house(), request)
    assert town.book.open(ASKED) != request
    with pytest.raises(UnknownErasure):
        town.book.get("none")


def test_who_came_back_after_the_deletion_is_erased_by_a_request_of_its_own(town: Town) -> None:
    request = town.book.open(ASKED)
    workflow.run(dataclasses.replace(town.house(), at_once=False), request)
    again = town.book.open(ASKED)
    assert again != request
    town.stores[0].rows = 3
    assert workflow.run(town.house(), again).status == "certified_with_exceptions"
    assert workflow.run(town.house(), request).status == "certified_with_exceptions"


def test_the_freeze_restricts_too_and_done_again_adds_nothing(town: Town) -> None:
    for _ in range(2):
        freeze(town.database, town.overlay, ASKED, Cause(reason=REASON, request_id="r", at=NOW))
    assert restricted_tokens(town.database) == {"1:asked"}
    assert consent.store.entries(town.database) == 1


def test_a_subject_is_sealed_and_opens_under_its_own_key_only(tmp_path: Path) -> None:
    seal(tmp_path / "w", KEY, "r1", ANN)
    assert b"ann.carver" not in (tmp_path / "w" / "subject.sealed").read_bytes()
    assert opened(tmp_path / "w", KEY, "r1") == ANN
    assert opened(tmp_path / "none", KEY, "r1") is None
    with pytest.raises(Broken, match="another than it began with"):
        opened(tmp_path / "w", b"o" * 32, "r1")
