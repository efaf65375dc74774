"""Decisions at a read: of whoever said something since the build, and of everybody where the policy is another.

Everybody else is served as stored; to know that costs the look at the deny overlay which every read takes anyway.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Engine

from api.http.wiring import NEVER, Denied
from consent import store as ledger
from consent.borrowed import with_borrowed
from consent.config import load_policy
from consent.decide import decide
from consent.lapse import ends
from consent.model import ConsentEntry, Decision, Holder, Link, Question
from consent.overlay import DenyOverlay
from consent.retention.config import load_retention
from consent.sweep import ahead
from infra.clock import Clock
from infra.errors import KindredError, Missing
from infra.identifiers import load_identifier_types
from infra.ids import ProfileId, Purpose, Sid, Token
from infra.keyvalue import KeyValue
from infra.workspace import Workspace
from profiles.anew import Held, Word, fresh, remasked
from profiles.config import ProfileSettings
from profiles.details import is_shown
from profiles.online.rules import Served
from profiles.rulebook import Rulebook
from profiles.serving import MANIFEST, ProfileReader, graph_key, header_key, view_key
from profiles.stored import answered

LOG = logging.getLogger("kindred.http")
# How far ahead it is known whose word ends when.
HORIZON: Final = timedelta(days=1)
_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What a workspace says now: who may see what, and the purposes that retention may close records to."""

    served: Served
    ended: frozenset[str]
    # Changes when the files change that this was read from.
    stamp: object = None

    @property
    def version(self) -> str:
        """The policy's version."""
        return self.served.rulebook.policy.version


_Borrowed = tuple[tuple[Sid, datetime], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What was decided of a person, and how long that holds: of who they are in the store, until then."""

    person: tuple[bytes, "_Borrowed"]
    until: datetime
    word: Word


class LedgerAnew:
    """`Anew` by the ledger. A person's decision is kept until a word of anybody's, or time, may change it."""

    def __init__(self, database: Engine, denied: Denied, rules: Callable[[Rules | None], Rules], clock: Clock) -> None:
        self._database, self._denied, self._rules_of, self._clock = database, denied, rules, clock
        self._rules = rules(None)
        self._everybody = False
        # The newest generation that was met, with the policy by which it was built; None where it says none.
        self._built_by: tuple[str | None, str | None] = (None, None)
        # By which revision of the overlay and which policy, and what was decided so. One value: whoever still decides
        # by what was there before another thread replaced it puts that down where nobody looks any more.
        self._book: tuple[tuple[int, str], dict[tuple[str, str], _Known]] = ((-1, ""), {})
        self._seen: tuple[str | None, datetime] | None = None

    def touched(self, tokens: Iterable[str], purpose: str, store: KeyValue) -> bool:
        """Say whether what a generation decided of a holder of these tokens may be old."""
        return self.overruled(store) or self._denied.touched(tokens, purpose)

    def overruled(self, store: KeyValue) -> bool:
        """Say whether another policy holds than the one by which a generation was built.

        Each read asks it of the generation that it reads: that another is served by now is known later.
        """
        known = self._built_by
        if known[0] != store.name:
            known = self._built_by = (store.name, _policy(store.get(MANIFEST)))
        return known[1] is not None and known[1] != self._rules.version

    def purposes(self) -> tuple[Purpose, ...]:
        """Return the purposes of the policy that holds now."""
        return tuple(map(Purpose, self._rules.served.purposes))

    def rests_on(self) -> str | None:
        """Return the policy by which everybody is decided anew; None where it is the build's."""
        return self._rules.version if self._everybody else None

    def leads(self, store: KeyValue, token: str, profile_id: str, purpose: str) -> bool:
        """Say whether an identifier is tied as closely as the purpose demands, where the policy is not the build's."""
        if not self.overruled(store):
            return True
        header = store.get(header_key(profile_id))
        link = None if header is None else orjson.loads(header)["tokens"].get(token)
        terms = self._rules.served.rulebook.policy.purposes.get(Purpose(purpose))
        return terms is not None and link in terms.readable_links()

    def decided(self, store: KeyValue, profile_id: str, purpose: str) -> tuple[bytes, bytes, frozenset[str]] | None:
        """Return what a purpose may see of a person now as ETag and answer, and the records behind it."""
        rules = self._rules
        names = rules.served.purposes
        # All of it as it was at one moment: a store on a server moves between two calls.
        raw, drawn, *views = store.values(
            header_key(profile_id), graph_key(profile_id), *[view_key(one, profile_id) for one in names]
        )
        if raw is None or purpose not in rules.served.rulebook.policy.purposes:
            return None
        header, graph = orjson.loads(raw), orjson.loads(drawn or b'{"records": []}')
        word = self._word(ProfileReader(lambda: store, self._denied), raw, header, graph, purpose)
        if word is None or not word.person.allowed:
            return None
        named = zip(names, views, strict=True)
        held = _held(header, graph, {name: orjson.loads(answered(view)) for name, view in named if view is not None})
        found = fresh(purpose, word, held, rules.served, rules.ended)
        return None if found is None else (found.tag, found.body, found.usable)

    def retold(self, store: KeyValue, entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return entries of a generation's timeline without details that the policy of now reserves for fields."""
        if not self.overruled(store):
            return list(entries)
        reserved = self._rules.served.reserved.fields
        return [
            {**one, "details": {name: value for name, value in one["details"].items() if is_shown(name, reserved)}}
            for one in entries
        ]

    def remasked(self, body: bytes, purpose: str) -> bytes:
        """Return an answer of another time under the purpose's masks of now."""
        return orjson.dumps(remasked(purpose, orjson.loads(body), self._rules.served), option=orjson.OPT_SORT_KEYS)

    def look(self, reader: ProfileReader, now: datetime) -> None:
        """Read what the workspace says now, and whose words end next; nothing where nothing is served."""
        try:
            self._rules = self._rules_of(self._rules)
        except KindredError as error:
            LOG.warning("the policy that was read before holds on: %s", type(error).__name__)
        try:
            manifest = reader.manifest()
        except Missing:
            return
        # A generation that was rolled back may have been made again under its name.
        self._built_by = (None, None)
        self._everybody = manifest.get("policy", self._rules.version) != self._rules.version
        generation, built = manifest.get("generation"), reader.counted()
        if built is None or (self._seen is not None and self._seen[0] == generation and now < self._seen[1]):
            return
        policy, through = self._rules.served.rulebook.policy, max(built, now) + HORIZON
        self._denied.foresee(ahead(self._database, policy, built, through), through)
        self._seen = (generation, now + HORIZON / 2)

    def _word(
        self, reader: ProfileReader, raw: bytes, header: Mapping[str, Any], graph: Mapping[str, Any], purpose: str
    ) -> Word | None:
        tokens: dict[Token, Link] = {Token(token): link for token, link in header["tokens"].items()}
        revision, refused, latest = self._denied.standing(tokens, purpose)
        at = max(self._clock(), latest) if latest else self._clock()
        current = (revision, self._rules.version)
        known_of, known = self._book
        if known_of != current or len(known) >= _KEPT:
            known = {}
            self._book = (current, known)
        key, borrowed = (header["profile_id"], purpose), reader.borrowed(ProfileId(header["profile_id"]))
        before = known.get(key)
        if before is not None and before.person == (raw, borrowed) and at < before.until:
            return before.word
        sids = ledger.sids(self._database, tokens)
        # A no that stands in the overlay alone: of somebody whom the ledger forgot, or of another store.
        if not refused <= sids.keys():
            return None
        entries = ledger.history(self._database, tokens)
        question = _question(tokens, sids, entries, Purpose(purpose), at)
        asked = self._asked(question, sids, header, graph)
        if borrowed:
            lent = ledger.words_of(self._database, [sid for sid, _ in borrowed])
            asked = with_borrowed(asked, borrowed, lent)
        policy = self._rules.served.rulebook.policy
        word = Word(decide(asked, policy), self._alone(question, sids, header))
        aged = any(entry.age_band is not None for entry in asked.entries)
        later = [moment for moment in ends(asked.entries, policy) if moment > at]
        if not aged:
            known[key] = _Known((raw, borrowed), min(later, default=NEVER), word)
        return word

    def _asked(
        self, question: Question, sids: Mapping[Token, Sid], header: Mapping[str, Any], graph: Mapping[str, Any]
    ) -> Question:
        """Return the question about the person: where their records are from, and who speaks for whom."""
        served = self._rules.served
        places = {one["jurisdiction"] for one in header["records"].values() if one.get("jurisdiction")}
        asked = replace(question, jurisdictions=tuple(sorted(places)))
        return asked if question.purpose in served.by_person else _by_contact(asked, sids, graph, served.contacts)

    def _alone(
        self, question: Question, sids: Mapping[Token, Sid], header: Mapping[str, Any]
    ) -> Mapping[str, Decision]:
        """Return what the ledger says of each record by its own identifiers."""
        found: dict[str, Decision] = {}
        for key, record in header["records"].items():
            held = {sids.get(Token(token), Sid(token)) for token in record["tokens"]}
            place = record.get("jurisdiction")
            one = replace(
                question,
                holders=tuple(Holder(sid, "own") for sid in sorted(held)),
                entries=tuple(entry for entry in question.entries if entry.sid in held),
                jurisdictions=(place,) if place else (),
            )
            found[key] = decide(one, self._rules.served.rulebook.policy)
        return found


def rules_of(workspace: Workspace) -> Callable[[Rules | None], Rules]:
    """Return the reading of what decides about views, anew where a file of it is another than before."""
    files = ("consent/policy.yaml", "consent/labels.yaml", "consent/retention.yaml")

    def read(before: Rules | None) -> Rules:
        found = [workspace.root / name for name in files]
        stamp = [(one.stat().st_mtime_ns, one.stat().st_size) if one.is_file() else None for one in found]
        if before is not None and before.stamp == stamp:
            return before
        ended = frozenset(str(rule.purpose) for rule in load_retention(workspace) if rule.purpose is not None)
        rulebook = Rulebook(load_policy(workspace), load_identifier_types(workspace))
        # Nothing is computed here, so neither traits nor the trust of sources matter: a broken source closes nobody.
        return Rules(Served.of(ProfileSettings(), rulebook, {}), ended, stamp)

    return read


def opened_reader(
    workspace: Workspace, book: tuple[Engine, DenyOverlay], published: Callable[[], KeyValue], clock: Clock
) -> tuple[ProfileReader, Callable[[datetime], None], Callable[[], tuple[Purpose, ...]]]:
    """Return a reader whose decisions are current at each read, the look that it needs now and then, and the purposes.

    The purposes are the policy's as it was at the last look. `book` is where the ledger and its fastest copy lie.
    """
    database, overlay = book
    denied = Denied(overlay, clock)
    anew = LedgerAnew(database, denied, rules_of(workspace), clock)
    reader = ProfileReader(published, denied, anew)
    return reader, partial(anew.look, reader), anew.purposes


def _question(
    tokens: Mapping[Token, Link],
    sids: Mapping[Token, Sid],
    entries: tuple[ConsentEntry, ...],
    purpose: Purpose,
    at: datetime,
) -> Question:
    # A token of which nothing was ever said has no sid; it stands for itself.
    holders = tuple(Holder(sids.get(token, Sid(token)), link) for token, link in tokens.items())
    return Question(purpose=purpose, as_of=at, holders=holders, entries=entries)


def _by_contact(
    question: Question, sids: Mapping[Token, Sid], graph: Mapping[str, Any], contacts: Collection[str]
) -> Question:
    """Return the question with each address of the person's records speaking for itself, as a build asks it."""
    named = (one for record in graph["records"] for one in record["identifiers"] if one["type"] in contacts)
    own = {sids.get(Token(one["token"]), Sid(one["token"])) for one in named}
    holders = tuple(Holder(one.sid, "own") if one.sid in own else one for one in question.holders)
    return replace(question, holders=holders)


def _policy(manifest: bytes | None) -> str | None:
    """Return the policy that a manifest names; of one that cannot be read, none that ever holds."""
    try:
        policy: str | None = orjson.loads(manifest or b"{}").get("policy")
    except orjson.JSONDecodeError:
        return ""
    return policy


def _held(header: Mapping[str, Any], graph: Mapping[str, Any], views: Mapping[str, Any]) -> Held:
    drawn = {record["record_key"]: record for record in graph["records"]}
    records = header["records"]
    return Held(
        size=header["size"],
        links={key: drawn[key]["link"] if key in drawn else "probable" for key in records},
        tokens={key: one["tokens"] for key, one in records.items()},
        purposes={key: one["purposes"] for key, one in records.items()},
        views=views,
    )
