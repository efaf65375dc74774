"""The decision is current at the read: whatever is said after a build, an answer is what the ledger allows now.

People, words and moments are drawn at random; what a build would make of them is said here once more, plainly.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import consent.store
from api.http.anew import LedgerAnew, Rules, rules_of
from api.http.changing import Watch
from api.http.expiry import Expiry
from api.http.wiring import Denied
from consent import officer
from consent.decide import decide
from consent.model import Decision, Holder, Question
from consent.overlay import DenyOverlay
from infra.database import open_database
from infra.ids import ProfileId, Purpose, Sid, Token
from infra.keyvalue import KeyValue
from infra.workspace import Workspace
from profiles import render, serving
from profiles.changefeed import store as feed
from profiles.changefeed.teller import Teller
from profiles.history import store as past
from profiles.history.errors import PastWithheld
from profiles.history.keeping import Keeper
from profiles.history.reading import Past
from profiles.model import Claim
from profiles.online.rules import Served
from profiles.serving import ProfileReader
from profiles.stored import answered, packed
from profiles.survive import survivor

TEMPLATES = Path(__file__).parents[3] / "api" / "templates" / "workspace"
BUILT = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PURPOSES = ("service", "analytics", "personalization", "email_marketing", "advertising", "profiling")
KEEPER = Keeper(90 * DAY)
FIELDS = ("given_name", "city", "birth_date")
_numbers = itertools.count()


@dataclass(frozen=True)
class Record:
    """A record of the person: how closely tied, from where, under which identifiers; what it says and how often."""

    key: str
    link: str
    jurisdiction: str | None
    types: tuple[str, ...]
    said: Mapping[str, str]
    orders: int


@dataclass(frozen=True)
class Spoken:
    """A word under one of the person's identifiers, so many hours from the build."""

    who: int
    purpose: str
    action: str
    hours: int
    lasts: int | None
    jurisdiction: str | None


@st.composite
def records(draw: st.DrawFn) -> tuple[Record, ...]:
    many = draw(st.integers(1, 3))
    return tuple(
        Record(
            key=f"{n}" * 32,
            link="own" if n == 0 else draw(st.sampled_from(["verified", "probable"])),
            jurisdiction=draw(st.sampled_from([None, "US-OH", "DE"])),
            types=tuple(draw(st.lists(st.sampled_from(["email", "customer"]), min_size=1, max_size=2, unique=True))),
            said={name: f"{name}-{draw(st.integers(0, 1))}" for name in draw(st.sets(st.sampled_from(FIELDS)))},
            orders=draw(st.integers(0, 3)),
        )
        for n in range(many)
    )


def words(hours: st.SearchStrategy[int]) -> st.SearchStrategy[list[Spoken]]:
    return st.lists(
        st.builds(
            Spoken,
            who=st.integers(0, 6),
            purpose=st.sampled_from([*PURPOSES, "all"]),
            action=st.sampled_from(["given", "given", "refused", "withdrawn", "objected"]),
            hours=hours,
            lasts=st.sampled_from([None, None, 30]),
            jurisdiction=st.sampled_from([None, None, "US", "DE"]),
        ),
        max_size=4,
    )


@dataclass
class Memory:
    """The serving store as a dictionary, and the generation that it is."""

    held: dict[bytes, bytes] = field(default_factory=dict)
    # As a generation's: another for each manifest.
    name: str = field(default_factory=lambda: f"g{next(_numbers)}")

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def values(self, *keys: bytes) -> list[bytes | None]:
        return [self.held.get(key) for key in keys]

    def snapshot(self) -> KeyValue:
        return self

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted((k, v) for k, v in self.held.items() if k.startswith(prefix)))

    def close(self) -> None:
        pass


@dataclass
class Town:
    """A workspace's ledger and overlay, a store of one person, and a clock to turn."""

    desk: officer.Desk
    served: Served
    rules: Callable[[Rules | None], Rules]
    workspace: Workspace
    now: datetime = BUILT
    store: Memory = field(default_factory=Memory)

    def reader(self) -> ProfileReader:
        def clock() -> datetime:
            return self.now

        denied = Denied(self.desk.overlay, clock)
        anew = LedgerAnew(self.desk.database, denied, self.rules, clock)
        reader = ProfileReader(lambda: self.store, denied, anew)
        anew.look(reader, BUILT)
        return reader

    def say(self, person: "Person", word: Spoken) -> None:
        at = BUILT + timedelta(hours=word.hours)
        ends = None if word.lasts is None or word.action != "given" else at + timedelta(hours=word.lasts)
        kind, token = person.identifiers[word.who % len(person.identifiers)]
        officer.record(
            self.desk,
            officer.Statement(
                kind=kind, token=token, purpose=word.purpose, action=word.action, occurred_at=at, received_at=at,
                mechanism="centre", expires_at=ends, jurisdiction=word.jurisdiction,
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class Person:
    id: ProfileId
    records: tuple[Record, ...]
    tokens: Mapping[tuple[str, str], Token]

    @classmethod
    def of(cls, made: tuple[Record, ...]) -> "Person":
        number = next(_numbers)
        tokens = {(r.key, kind): Token(f"1:{number}:{r.key[0]}:{kind}") for r in made for kind in r.types}
        return cls(ProfileId(f"{number:032x}"), made, tokens)

    @property
    def identifiers(self) -> list[tuple[str, Token]]:
        return [(kind, token) for (_, kind), token in self.tokens.items()]

    def held(self, record: Record) -> list[dict[str, str]]:
        return [
            {"type": kind, "value": f"{kind}-{record.key[0]}", "token": self.tokens[record.key, kind]}
            for kind in record.types
        ]


def asked(town: Town, person: Person, purpose: str, some: tuple[Record, ...], *, alone: bool) -> Decision:
    """Ask the law about a person, or about one record alone, as a build does."""
    by_contact = purpose not in town.served.by_person and not alone
    links = {
        person.tokens[r.key, kind]: "own" if alone or (by_contact and kind == "email") else r.link
        for r in some
        for kind in r.types
    }
    sids = consent.store.sids(town.desk.database, links)
    question = Question(
        purpose=Purpose(purpose),
        as_of=town.now,
        holders=tuple(Holder(sids.get(t, Sid(t)), link) for t, link in links.items()),  # type: ignore[arg-type]
        entries=consent.store.history(town.desk.database, links),
        jurisdictions=tuple(sorted({r.jurisdiction for r in some if r.jurisdiction})),
    )
    return decide(question, town.desk.policy)


def usable(town: Town, person: Person, purpose: str) -> tuple[Decision, tuple[Record, ...]]:
    """Return the decision and the records that a build would use now."""
    said = asked(town, person, purpose, person.records, alone=False)
    if not said.allowed:
        return said, ()
    return said, tuple(
        r
        for r in person.records
        if town.served.may_use(purpose, said.reason, r.link, asked(town, person, purpose, (r,), alone=True))  # type: ignore[arg-type]
    )


def built(town: Town, person: Person, purpose: str) -> dict[str, Any] | None:
    """Return the golden view that a build would make now."""
    said, used = usable(town, person, purpose)
    if not used:
        return None
    masked = town.served.masks.get(purpose, ())
    attributes = []
    for name in FIELDS:
        claims = [Claim(r.said[name], "crm", r.key, BUILT, 0.5) for r in used if name in r.said]
        best = survivor(claims, ("most_frequent", "most_recent"))
        if best is not None and name not in masked:
            attributes.append(
                {"name": name, "value": best.claim.value, "source": "crm", "rule": best.rule, "confidence": 1.0,
                 "record_key": best.claim.record_key, "observed_at": BUILT}
            )  # fmt: skip
    withheld = [{"field": name, "because": "policy"} for name in sorted(masked)]
    if len(used) < len(person.records):
        withheld.append({"field": "*", "because": "consent"})
    row = {
        "profile_id": person.id, "purpose": purpose, "as_of": BUILT, "attributes": attributes,
        "traits": [("orders", str(sum(r.orders for r in used)))],
        "identifiers": sorted((i for r in used for i in person.held(r) if i["type"] not in masked), key=str),
        "withheld": withheld, "confidence": 1.0, "reason": said.reason, "policy_line": said.policy_line,
    }  # fmt: skip
    view: dict[str, Any] = orjson.loads(render.view(row, {"orders": "whole"}, [])[1])
    return view


def publish(town: Town, person: Person, policy: str | None = None) -> dict[str, frozenset[str]]:
    """Build everything at this moment and serve it; return the records behind each view."""
    made = {purpose: frozenset(r.key for r in usable(town, person, purpose)[1]) for purpose in PURPOSES}
    held: dict[bytes, bytes] = {}
    listed = "\n".join(sorted(person.tokens.values())).encode()
    for purpose in PURPOSES:
        view = built(town, person, purpose)
        if view is not None:
            body = orjson.dumps(view, option=orjson.OPT_SORT_KEYS)
            held[serving.view_key(purpose, person.id)] = packed(render.etag(view["version"]), body, listed)
    row = {
        "profile_id": person.id, "anchor": person.records[0].key, "known": True, "size": len(person.records),
        "confidence": 1.0, "edges": [],
        "tokens": [{"token": person.tokens[r.key, k], "link": r.link} for r in person.records for k in r.types],
        "records": [
            {
                "record_key": r.key, "source": "crm", "kind": "person", "known": True, "link": r.link,
                "observed_at": BUILT, "attributes": list(r.said.items()), "identifiers": person.held(r),
                "purposes": sorted(p for p in PURPOSES if r.key in made[p]), "jurisdiction": r.jurisdiction,
            }
            for r in person.records
        ],
    }  # fmt: skip
    held[serving.header_key(person.id)] = render.header(row)
    held[serving.graph_key(person.id)] = render.graph(row)
    held[serving.holders_key(person.id)] = listed
    manifest = {"generation": "g", "started_at": render.moment(BUILT), "policy": policy or town.desk.policy.version}
    held[serving.MANIFEST] = orjson.dumps(manifest)
    town.store.held, town.store.name = held, f"g{next(_numbers)}"
    town.desk.overlay.purge(as_of=BUILT, through=10**9)
    return made


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    root = tmp_path_factory.mktemp("anew") / "shop"
    shutil.copytree(TEMPLATES, root)
    (root / ".env").write_text("KINDRED_TOKEN_KEY=" + "k" * 40 + "\n")  # pragma: allowlist secret
    workspace = Workspace.open(root)
    database = open_database(workspace, consent.store.METADATA)
    desk = officer.Desk.open(workspace, database)
    rules = rules_of(workspace)
    yield Town(desk, rules(None).served, rules, workspace)
    desk.overlay.close()
    database.dispose()


def told(reader: ProfileReader, person: Person, purpose: str) -> dict[str, Any] | None:
    """Return the answer, the same by every way of asking."""
    name = Purpose(purpose)
    tagged = reader.tagged(person.id, name)
    assert reader.tagged_all([person.id], name) == [tagged]
    if tagged is None:
        assert reader.graph(person.id, name) is None
        return None
    view: dict[str, Any] = orjson.loads(tagged[1])
    assert tagged[0] == render.etag(view["version"])
    return view


held_on = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=50
)


@held_on
@given(made=records(), before=words(st.integers(-90, -1)), after=words(st.integers(1, 40)), hours=st.integers(0, 90))
def test_an_answer_is_what_the_ledger_allows_now(
    town: Town, made: tuple[Record, ...], before: list[Spoken], after: list[Spoken], hours: int
) -> None:
    person, town.now = Person.of(made), BUILT
    for word in before:
        town.say(person, word)
    stored = publish(town, person)
    reader = town.reader()
    for word in after:
        town.say(person, word)
    town.now = BUILT + timedelta(hours=max([hours, *(word.hours for word in after)]))
    for purpose in PURPOSES:
        said, used = usable(town, person, purpose)
        keys = frozenset(r.key for r in used)
        answer, golden = told(reader, person, purpose), built(town, person, purpose)
        if not said.allowed or not used:
            assert answer is None
            continue
        assert (answer is not None) == any(made_from and made_from <= keys for made_from in stored.values())
        if answer is None:
            event("waits for the next build")
            continue
        assert golden is not None
        assert {one["record"] for one in answer["provenance"].values()} <= keys
        mine = {(i["type"], i["value"]) for r in used for i in person.held(r)}
        assert {(i["type"], i["value"]) for i in answer["identifiers"]} <= mine
        assert answer["consent"] == golden["consent"]
        assert not set(town.served.masks.get(purpose, ())) & answer["attributes"].keys()
        assert reader.usable(person.id, Purpose(purpose)) <= keys  # type: ignore[operator]
        if keys in stored.values():
            event("all that is usable is in some view")
            assert answer["traits"] == golden["traits"]
            lacking = {w["field"] for w in answer["withheld"]} - {w["field"] for w in golden["withheld"]}
            assert answer["attributes"] == {n: v for n, v in golden["attributes"].items() if n not in lacking}
        if stored[purpose] == keys:
            event("the purpose's own view")
            assert {**answer, "version": 0} == {**golden, "version": 0}


@held_on
@given(made=records(), before=words(st.integers(-90, -1)), hours=st.integers(0, 90))
def test_what_runs_out_closes_by_itself(town: Town, made: tuple[Record, ...], before: list[Spoken], hours: int) -> None:
    """Nobody says anything and nothing sweeps: time alone."""
    person, town.now = Person.of(made), BUILT
    for word in before:
        town.say(person, word)
    publish(town, person)
    reader = town.reader()
    town.now = BUILT + timedelta(hours=hours)
    for purpose in PURPOSES:
        said, _ = usable(town, person, purpose)
        if not said.allowed:
            assert told(reader, person, purpose) is None


ONE = Record("0" * 32, "own", "DE", ("email",), {"given_name": "Ann", "city": "Bonn"}, 2)


def spoken(purpose: str, action: str, hours: int, lasts: int | None = None) -> Spoken:
    return Spoken(0, purpose, action, hours, lasts, None)


def test_a_yes_opens_at_once_what_another_purpose_holds_and_a_no_closes_it(town: Town) -> None:
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    reader = town.reader()
    assert told(reader, person, "personalization") is None
    town.say(person, spoken("personalization", "given", 1))
    town.now = BUILT + 2 * timedelta(hours=1)
    opened = told(reader, person, "personalization")
    assert opened is not None
    assert (opened["attributes"], opened["traits"]) == ({"given_name": "Ann", "city": "Bonn"}, {"orders": 2})
    assert opened["consent"]["reason"] == "consent"
    town.say(person, spoken("personalization", "withdrawn", 3))
    assert told(reader, person, "personalization") is None
    town.say(person, spoken("personalization", "given", 4))
    town.now = BUILT + 5 * timedelta(hours=1)
    assert told(reader, person, "personalization") == opened
    assert told(reader, person, "service") is not None


class Moving(Memory):
    """A store in which a live change comes between two calls."""

    later: dict[bytes, bytes]

    def get(self, key: bytes) -> bytes | None:
        return self.values(key)[0]

    def values(self, *keys: bytes) -> list[bytes | None]:
        found = super().values(*keys)
        if any(key.startswith(b"h|") for key in keys):
            self.held = self.later
        return found


def test_a_decision_is_made_of_one_moment(town: Town) -> None:
    """A store on a server does not stand still: who was decided of by what they were is not shown as they are."""
    two = Record("1" * 32, "verified", "DE", ("email",), {"city": "Essen"}, 5)
    person, town.now = Person.of((ONE, two)), BUILT
    town.say(person, spoken("personalization", "given", -2))
    publish(town, person)
    later = dict(town.store.held)
    publish(town, replace(person, records=(ONE,)))
    for key in (b"v|personalization|", b"v|analytics|", b"v|profiling|"):
        town.store.held.pop(key + person.id.encode(), None)
    moving = Moving(dict(town.store.held), town.store.name)
    moving.later = later
    town.say(person, spoken("personalization", "given", 1))
    town.say(person, Spoken(1, "personalization", "refused", 1, None, None))
    town.now = BUILT + timedelta(hours=2)
    reader = town.reader()
    found = reader.over(moving).tagged(person.id, Purpose("personalization"))
    assert found is not None
    view = orjson.loads(found[1])
    assert (view["attributes"]["city"], view["traits"]) == ("Bonn", {"orders": 2})


def test_what_was_decided_before_a_no_is_not_kept_after_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads read: the slower one had asked the ledger before the no, and comes to its end after the other."""
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    reader, history = town.reader(), consent.store.history
    town.say(person, spoken("personalization", "given", 1))
    town.now = BUILT + timedelta(hours=3)

    def slow(*asked: Any) -> Any:
        found = history(*asked)
        monkeypatch.undo()
        town.say(person, spoken("personalization", "withdrawn", 2))
        assert told(reader, person, "personalization") is None
        return found

    monkeypatch.setattr(consent.store, "history", slow)
    reader.tagged(person.id, Purpose("personalization"))
    assert told(reader, person, "personalization") is None


def test_an_opened_yes_closes_when_it_ends(town: Town) -> None:
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    reader = town.reader()
    town.say(person, spoken("personalization", "given", 1, lasts=5))
    town.now = BUILT + timedelta(hours=5, minutes=59)
    assert told(reader, person, "personalization") is not None
    town.now = BUILT + timedelta(hours=6)
    assert told(reader, person, "personalization") is None


def test_a_no_of_which_the_ledger_knows_nothing_more_stays(town: Town) -> None:
    """As after an erasure: the ledger has forgotten whose it was, and the profile is not gone yet."""
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    reader = town.reader()
    (_, token), *_ = person.identifiers
    town.desk.overlay.restrict([token], [Purpose("all")], at=BUILT, sequence=1)
    for purpose in PURPOSES:
        assert told(reader, person, purpose) is None


def test_another_policy_decides_everybody_anew_until_the_next_publication(town: Town) -> None:
    person, town.now = Person.of((ONE,)), BUILT
    town.say(person, spoken("personalization", "given", -1))
    publish(town, person, policy="of another time")
    stored = dict(town.store.held)
    # A purpose that the policy of the build allowed and this one does not: its view lies in the store.
    lent = stored[serving.view_key("service", person.id)].replace(b'"service"', b'"email_marketing"')
    town.store.held[serving.view_key("email_marketing", person.id)] = lent
    reader = town.reader()
    assert told(reader, person, "email_marketing") is None
    assert told(reader, person, "personalization") == built(town, person, "personalization")
    loose = person.tokens[ONE.key, "email"]
    town.store.held[serving.token_key(loose)] = person.id.encode()
    assert reader.find(loose, Purpose("service")) == person.id
    header = orjson.loads(stored[serving.header_key(person.id)])
    header["tokens"][loose] = "probable"
    town.store.held[serving.header_key(person.id)] = orjson.dumps(header)
    assert reader.find(loose, Purpose("service")) is None
    assert reader.find(loose, Purpose("personalization")) == person.id


def test_each_read_is_decided_by_the_policy_of_the_generation_that_it_reads(town: Town) -> None:
    """Another generation is served before anybody has looked at what it was made from."""
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    reader, before = town.reader(), dict(town.store.held)
    earlier = reader.moment()
    town.store = Memory()
    publish(town, person, policy="of another time")
    # What the policy of that build allowed, and this one does not.
    lent = town.store.held[serving.view_key("service", person.id)].replace(b'"service"', b'"email_marketing"')
    town.store.held[serving.view_key("email_marketing", person.id)] = lent
    assert told(reader, person, "email_marketing") is None
    assert reader.tagged_all([person.id], Purpose("email_marketing")) == [None]
    assert reader.usable(person.id, Purpose("email_marketing")) is None
    assert told(earlier, person, "service") == told(reader, person, "service")
    town.store = Memory(before)
    assert told(reader, person, "service") == built(town, person, "service")
    town.store = Memory(before | {serving.MANIFEST: b"{torn"})
    assert told(reader, person, "service") == built(town, person, "service")


def test_the_policy_is_read_anew_where_its_file_is_another(town: Town, tmp_path: Path) -> None:
    root = tmp_path / "other"
    shutil.copytree(town.workspace.root, root, ignore=shutil.ignore_patterns("state"))
    workspace = Workspace.open(root)
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    denied = Denied(town.desk.overlay, lambda: town.now)
    anew = LedgerAnew(town.desk.database, denied, rules_of(workspace), lambda: town.now)
    reader = ProfileReader(lambda: town.store, denied, anew)
    anew.look(reader, town.now)
    assert told(reader, person, "analytics") is not None
    policy = root / "consent" / "policy.yaml"
    row = '{purpose: analytics, jurisdiction: "*", basis: legitimate_interest}'
    policy.write_text(policy.read_text().replace(row, row.replace("legitimate_interest", "consent") + "  # stricter"))
    anew.look(reader, town.now)
    assert told(reader, person, "analytics") is None
    assert told(reader, person, "service") is not None
    policy.write_text("nonsense: [")
    anew.look(reader, town.now)
    assert told(reader, person, "analytics") is None


def test_whoever_said_nothing_is_served_as_stored(town: Town) -> None:
    quiet, loud = Person.of((ONE,)), Person.of((ONE,))
    town.now = BUILT
    publish(town, loud)
    both = dict(town.store.held)
    publish(town, quiet)
    town.store.held = both | town.store.held
    town.say(loud, spoken("personalization", "given", 1))
    town.now = BUILT + timedelta(hours=2)
    reader = town.reader()
    asked_of: list[str] = []
    decided = reader._anew.decided  # type: ignore[union-attr]

    def noted(store: KeyValue, profile_id: str, purpose: str) -> Any:
        asked_of.append(profile_id)
        return decided(store, profile_id, purpose)

    reader._anew.decided = noted  # type: ignore[union-attr, method-assign]
    for person in (quiet, loud):
        told(reader, person, "service")
    assert set(asked_of) == {loud.id}
    assert reader.view(ProfileId(quiet.id), Purpose("service")) == answered(
        town.store.held[serving.view_key("service", quiet.id)]
    )


def test_an_overlay_keeps_marks_until_a_build_has_seen_them(tmp_path: Path) -> None:
    from consent.overlay import Moved

    overlay = DenyOverlay.open(tmp_path)
    overlay.restrict_all([Moved(Token("1:a|b"), BUILT, 3)])
    assert overlay.told().moved == (("1:a|b", BUILT),)
    assert overlay.denials() == []
    assert not overlay.denied_any(["1:a|b"], "service")
    assert overlay.purge(as_of=BUILT, through=2) == 0
    assert overlay.told().moved
    assert overlay.purge(as_of=BUILT, through=3) == 0
    assert not overlay.told().moved
    overlay.close()


@dataclass
class Telling:
    """A server beside the town: what it looks at once a second, and the feed that it tells."""

    town: Town
    workspace: Workspace

    def __post_init__(self) -> None:
        feed.METADATA.create_all(self.town.desk.database)
        past.METADATA.create_all(self.town.desk.database)
        database, overlay = self.town.desk.database, self.town.desk.overlay
        anew = LedgerAnew(database, Denied(overlay, self.clock), rules_of(self.workspace), self.clock)
        self.reader = ProfileReader(lambda: self.town.store, Denied(overlay, self.clock), anew)
        self.teller = Teller(database, self, anew.purposes, lambda: self.reader, self.clock, KEEPER)  # type: ignore[arg-type]
        self.watch = Watch(overlay, self.current, lambda: 0.0, rests_on=self.reader.rests_on)
        self.expiry = Expiry(self.town.desk, self.reader.counted, lambda now: anew.look(self.reader, now))

    def clock(self) -> datetime:
        return self.town.now

    def current(self) -> Memory:
        return self.town.store

    def told_and_shown(self, person: Person) -> tuple[set[str], set[str]]:
        """Return for whom the feed says that they see the person, and who does."""
        self.expiry.look(self.town.now)
        self.watch.look(self.teller)
        with self.town.desk.database.connect() as connection:
            last = feed.last(connection, [person.id])
        told = set(last[person.id].state) if last else set()
        return told, {one for one in self.teller.purposes() if self.reader.tagged(person.id, one) is not None}


@pytest.fixture
def telling(town: Town, tmp_path: Path) -> Telling:
    shutil.copytree(town.workspace.root, tmp_path / "other", ignore=shutil.ignore_patterns("state"))
    return Telling(town, Workspace.open(tmp_path / "other"))


def served(town: Town, telling: Telling) -> Person:
    """Have one person served, and told whole."""
    person, town.now = Person.of((ONE,)), BUILT
    publish(town, person)
    town.store.held |= {serving.token_key(one): person.id.encode() for one in person.tokens.values()}
    telling.teller.tell_all()
    telling.told_and_shown(person)
    return person


def test_the_feed_comes_to_know_a_purpose_that_the_policy_names_later(town: Town, telling: Telling) -> None:
    person = served(town, telling)
    policy = telling.workspace.root / "consent" / "policy.yaml"
    row = '  - {purpose: analytics, jurisdiction: "*", basis: legitimate_interest}\n'
    text = policy.read_text().replace(row, row + row.replace("analytics", "surveys"))
    named = "  surveys:\n    description: Ask how it was\n    min_link: probable\n  # counts people;"
    policy.write_text(text.replace("  # counts people;", named))
    told, _ = telling.told_and_shown(person)
    assert "surveys" in told
    assert telling.reader.tagged(person.id, Purpose("surveys")) is not None


def test_the_feed_tells_when_a_yes_ends_that_came_after_the_build(town: Town, telling: Telling) -> None:
    person = served(town, telling)
    town.now = BUILT + timedelta(hours=1)
    town.say(person, spoken("personalization", "given", 1, lasts=5))
    told, shown = telling.told_and_shown(person)
    assert told == shown
    assert "personalization" in told
    town.now = BUILT + timedelta(hours=6)
    told, shown = telling.told_and_shown(person)
    assert told == shown
    assert "personalization" not in told


def test_the_feed_tells_of_each_of_two_words_of_one_moment(town: Town, telling: Telling) -> None:
    person = served(town, telling)
    town.now = BUILT + timedelta(hours=1)
    for purpose in ("personalization", "email_marketing"):
        town.say(person, spoken(purpose, "given", 1))
        told, shown = telling.told_and_shown(person)
        assert told == shown
        assert purpose in told


def test_the_feed_tells_whom_another_policy_closes_before_it_is_published(town: Town, telling: Telling) -> None:
    person = served(town, telling)
    policy = telling.workspace.root / "consent" / "policy.yaml"
    before, row = policy.read_text(), '{purpose: analytics, jurisdiction: "*", basis: legitimate_interest}'
    policy.write_text(before.replace(row, row.replace("legitimate_interest", "consent") + "  # stricter"))
    told, shown = telling.told_and_shown(person)
    assert told == shown
    assert "analytics" not in told
    policy.write_text(before)
    told, shown = telling.told_and_shown(person)
    assert told == shown
    assert "analytics" in told


@held_on
@given(made=records(), before=words(st.integers(-90, -1)), after=words(st.integers(1, 40)), hours=st.integers(0, 90))
def test_a_past_view_is_shown_only_where_the_ledger_allows_all_that_it_rests_on_now(
    town: Town, made: tuple[Record, ...], before: list[Spoken], after: list[Spoken], hours: int
) -> None:
    person, town.now = Person.of(made), BUILT
    for word in before:
        town.say(person, word)
    stored, telling = publish(town, person), Telling(town, town.workspace)
    then = {purpose: telling.reader.view(person.id, Purpose(purpose)) for purpose in PURPOSES}
    telling.teller.tell([person.id])
    past_of = Past(town.desk.database, KEEPER, telling.clock)
    for word in after:
        town.say(person, word)
    town.now = BUILT + timedelta(hours=max([hours, *(word.hours for word in after)]))
    for purpose in map(Purpose, PURPOSES):
        kept = past_of.then([person.id], purpose, BUILT)
        assert (kept is None) == (then[purpose] is None)
        may = telling.reader.usable(person.id, purpose)
        if kept is None or may is None:
            continue
        _, law = usable(town, person, purpose)
        try:
            body = kept.shown(may, BUILT, lambda one, p=purpose: telling.reader.remasked(one, p))  # type: ignore[misc]
        except PastWithheld:
            event("withheld")
            assert not stored[purpose] <= may
            continue
        event("shown")
        assert stored[purpose] <= {r.key for r in law}
        assert orjson.loads(body) == orjson.loads(then[purpose] or b"")
    with town.desk.database.begin() as connection:
        past.drop(connection, [person.id])


def test_a_past_view_is_shown_without_what_is_masked_now(town: Town, telling: Telling) -> None:
    person = served(town, telling)
    before = orjson.loads(telling.reader.view(person.id, Purpose("service")) or b"")
    assert "city" in before["attributes"]
    rules = telling.reader._anew._rules  # type: ignore[union-attr]
    masks = {**rules.served.masks, "service": ("city", "orders")}
    telling.reader._anew._rules = replace(rules, served=replace(rules.served, masks=masks))  # type: ignore[union-attr]
    kept = Past(town.desk.database, KEEPER, telling.clock).then([person.id], Purpose("service"), town.now)
    assert kept is not None
    shown = orjson.loads(
        kept.shown([ONE.key], town.now, lambda body: telling.reader.remasked(body, Purpose("service")))
    )
    assert shown["attributes"] == {name: v for name, v in before["attributes"].items() if name != "city"}
    assert "city" not in shown["provenance"]
    assert shown["traits"] == {}
    assert {one["field"] for one in shown["withheld"]} >= {"city", "orders"}


def mask(telling: Telling, fields: str, purpose: str) -> None:
    """Have fields be masked for one more purpose, and let that be known."""
    labels = telling.workspace.root / "consent" / "labels.yaml"
    text = labels.read_text()
    assert f"    fields: [{fields}]\n" in text
    more = f"  hidden:\n    description: hidden by now\n    fields: [{fields}]\n    masked_for: [{purpose}]\n"
    labels.write_text(text.rstrip("\n") + "\n" + more)
    telling.expiry.look(telling.town.now)


def test_nobody_is_found_by_a_name_that_a_purpose_does_not_see_any_more(town: Town, telling: Telling) -> None:
    person, service = served(town, telling), Purpose("service")
    town.store.held[serving.search_key("service", "ann", person.id)] = b""
    assert telling.reader.search("Ann", service) == [person.id]
    mask(telling, "given_name, family_name, full_name", "service")
    assert "given_name" not in orjson.loads(telling.reader.view(person.id, service) or b"")["attributes"]
    assert telling.reader.search("Ann", service) == []


def test_a_timeline_shows_no_detail_that_the_policy_of_now_masks_as_a_field(town: Town, telling: Telling) -> None:
    person, service = served(town, telling), Purpose("service")
    entry = {"record_key": ONE.key, "details": {"page": "home", "city": "Bonn", "city.part": "Süd", "citys": "x"}}
    town.store.held[serving.timeline_key(person.id)] = orjson.dumps([entry])
    assert telling.reader.timeline(person.id, service) == [entry]
    mask(telling, "city, postcode, country", "analytics")
    assert telling.reader.timeline(person.id, service) == [{**entry, "details": {"page": "home", "citys": "x"}}]


def test_a_generation_that_was_made_again_under_its_name_is_known_at_the_next_look(town: Town) -> None:
    person, town.now = Person.of((ONE,)), BUILT
    town.store = Memory()
    publish(town, person)
    reader = town.reader()
    assert not reader._anew.overruled(town.store)  # type: ignore[union-attr]
    publish(town, person, policy="of another time")
    reader._anew.look(reader, BUILT)  # type: ignore[union-attr, attr-defined]
    assert reader._anew.overruled(town.store)  # type: ignore[union-attr]
