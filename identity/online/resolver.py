"""The stateful resolver: who is this record, or this event, answered from the state within milliseconds. One writer.

Candidates come by the batch's own keys, weights from the batch's own model, clusters from the batch's own rule; so
it agrees with the batch but for what the batch decides, and every answer names that (`deferred`). The next batch
computes the same anew and has the last word. Whoever asks has asked consent before, as the batch does.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

from identity.clustering.cluster import Rules
from identity.config import IdentityConfig, rules
from identity.explanation.explain import probability
from identity.fields.features import features
from identity.matching import registry
from identity.matching.compiled import Weighed
from identity.matching.evidence import bits
from identity.model import MICRO, Constraint, Edge, Reason
from identity.online import state
from identity.online.attach import Answer, Deferred, Scene, placed
from identity.online.keys import Key
from identity.online.newcomers import Describer, Event, Newcomer, as_fields, content
from identity.online.state import Component, Interval, Known
from identity.online.tenancy import Tenancies
from infra.ids import ProfileId, RecordKey
from infra.keyvalue import LmdbStore

_CANDIDATES = 100
_MISSING = 250


@dataclass(frozen=True, slots=True)
class _View:
    """All that an answer was found from, so that the record can be taken in without looking again."""

    revision: int
    one: Known
    keys: list[Key]
    answer: Answer
    components: tuple[RecordKey, ...]
    edges: tuple[Edge, ...]


class Store(Protocol):
    """Where the state lies."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""

    def change(self) -> AbstractContextManager[state.Writable]:
        """Change several keys in one transaction."""

    def revision(self) -> int:
        """Return a number that every change makes larger."""


class _Within:
    """The state within one change of it: what several newcomers leave is there whole or not at all."""

    def __init__(self, change: state.Writable) -> None:
        self._change, self._changes, self.get = change, 0, change.get

    @contextmanager
    def change(self) -> Iterator[state.Writable]:
        yield self._change
        self._changes += 1

    def revision(self) -> int:
        return self._changes


class Resolver:
    """Answers who records are, and takes them in."""

    def __init__(self, store: LmdbStore, config: IdentityConfig) -> None:
        self._lmdb = store
        self._store: Store = store
        self.about = state.about(store)
        often = state.frequencies(store.items(state.FREQUENCIES))
        self._describer = Describer(registry.from_text(self.about.model), config, often)
        self._scorer = self._describer.scorer
        self._rules: Rules = rules(config)
        self._types = config.identifiers
        self._identifiers = sum(bits(config)[name] for name in config.identifiers)
        # how long a login on a device is believed when nothing was heard of it since: no longer than at a kiosk
        self._pause = round(min(config.cookies.session_minutes, config.cookies.kiosk_minutes) * 60_000_000)
        self._cookies = config.cookies
        self._tenancies = Tenancies(config)
        self._merge = round(config.thresholds.merge * MICRO)
        self._largest = config.limits.complete
        self._wishes: dict[RecordKey, list[Constraint]] = defaultdict(list)
        for wish in state.constraints(store):
            self._wishes[wish.left].append(wish)
        self._view: _View | None = None
        # The last event and its record: who asks of one takes it in next.
        self._named: tuple[Event, Newcomer] | None = None

    @property
    def logouts(self) -> frozenset[str]:
        """The names of events by which somebody signs out."""
        return frozenset(self._cookies.logout_events)

    @contextmanager
    def together(self) -> Iterator[state.Writable]:
        """Take in what comes meanwhile in one change of the state; an error leaves it as it was."""
        with self._lmdb.change() as change:
            self._store, self._view = _Within(change), None
            try:
                yield change
            finally:
                self._store, self._view = self._lmdb, None

    def answers(self) -> list[tuple[str, bytes]]:
        """Return what was put down last for each part of the log (`state.put_answers`)."""
        return state.answers(self._lmdb.items(state.ANSWERS))

    def resolve(self, newcomer: Newcomer) -> Answer:
        """Return who a record is; nothing is changed. One that is known already is answered from its membership."""
        mine = state.of_subject(self._store, newcomer.source, newcomer.key)
        if mine is not None:
            return self._again(mine, newcomer)
        self._view = self._looked(newcomer)
        return self._view.answer

    def accept(self, newcomer: Newcomer) -> Answer:
        """Take a record in, so that the next one meets it; return who it is. What is known already changes nothing."""
        if state.of_subject(self._store, newcomer.source, newcomer.key) is not None:
            return self.resolve(newcomer)
        view = self._view
        if view is None or view.one.record_key != newcomer.record_key or view.revision != self._store.revision():
            view = self._looked(newcomer)
        with self._store.change() as change:
            state.put_record(change, view.one, newcomer.key)
            state.post(change, view.one.record_key, view.keys)
            _place(change, view)
        self._view = None
        return view.answer

    def event(self, event: Event) -> Answer:
        """Return whose an event is: the subject's whom it names, else that of the stretch of the anonymous id's life."""
        stretch = self._stretch(event)
        place = state.member(self._store, stretch.record_key) if stretch else None
        if stretch is None or place is None:
            return self.resolve(self._subject(event))
        return Answer(stretch.record_key, place[0], "attach", 1.0, why="interval")

    def accept_event(self, event: Event, asked: Answer | None = None) -> Answer:
        """Take an event in (`asked`: what `event` has just said): new subjects become records, anonymous lives go on."""
        answer = self.event(event) if asked is None else asked
        if answer.why not in ("interval", "known"):
            answer = self.accept(self._subject(event))
        if event.anonymous_id is None:
            return answer
        lives: Sequence[Interval] = state.intervals(self._store, event.source, event.anonymous_id)
        names = self._names_somebody(event)
        if names:
            lives, came = self._claimed(lives, event.at, answer)
            answer = replace(answer, joined=tuple(dict.fromkeys((*answer.joined, *came))))
        mine = Interval(event.at, event.at + 1, answer.record_key, names, event.signs_out)
        with self._store.change() as change:
            state.put_intervals(change, event.source, event.anonymous_id, state.lived(lives, mine))
        return answer

    def _claimed(
        self, lives: Sequence[Interval], at: int, answer: Answer
    ) -> tuple[Sequence[Interval], tuple[ProfileId, ...]]:
        """Return an anonymous id's life with what a login claims of it, and the profiles of nobody that come along.

        As in the batch (`identity.cookies.intervals`): what nobody had claimed since the login before is this one's
        within the look-back, at a kiosk only within the session.
        """
        past = [one for one in lives if one.to_at <= at]
        first = max((n for n, one in enumerate(past, 1) if one.known), default=0)
        kiosk = len({one.record_key for one in lives if one.known} | {answer.record_key}) > self._cookies.kiosk_logins
        reach = self._cookies.kiosk_minutes * 60e6 if kiosk else self._cookies.look_back_days * 86_400e6
        mine = {one for one in past[first:] if at - one.to_at <= reach and not (kiosk and one.ended)}
        if not mine:
            return lives, ()
        places = [state.member(self._store, one.record_key) for one in past if one in mine]
        profiles = [place[0] for place in places if place is not None and place[0] != answer.profile_id]
        owned = [replace(one, record_key=answer.record_key, known=True) if one in mine else one for one in lives]
        return owned, tuple(profiles)

    def _names_somebody(self, event: Event) -> bool:
        return any(v.type in self._types and not self._types[v.type].anonymous for v in event.identifiers)

    def _stretch(self, event: Event) -> Interval | None:
        """Return the stretch that an event which names nobody falls into: one that holds it, or the last one going on."""
        if event.anonymous_id is None or self._names_somebody(event):
            return None
        lives = state.intervals(self._store, event.source, event.anonymous_id)
        within = next((one for one in lives if one.from_at <= event.at < one.to_at), None)
        if within is not None or not lives or event.at < lives[-1].to_at:
            return within
        last = lives[-1]
        goes_on = not last.known or (not last.ended and event.at - last.to_at <= self._pause)
        return last if goes_on else None

    def _subject(self, event: Event) -> Newcomer:
        """Return the bare record that an event speaks of: its subject by the first identifier that names somebody."""
        if self._named is not None and self._named[0] is event:
            return self._named[1]
        names = sorted((v for v in event.identifiers if v.type in self._types), key=lambda v: (v.type, v.value))
        first = next((v for v in names if not self._types[v.type].anonymous), None)
        named = event.subject or f"{first.type}:{first.value}" if first else None
        key = named or f"{event.anonymous_id}|{event.at}"
        at = event.at // 1_000_000
        shown = [replace(value, seen_from=at, seen_to=at) for value in event.identifiers]
        told = as_fields(features({}, shown, self._types))
        kind = "subject" if first else "interval"
        one = Newcomer(event.record_key, event.source, key, kind, first is not None, event.at, told)
        self._named = event, one
        return one

    def _again(self, mine: RecordKey, newcomer: Newcomer) -> Answer:
        held, place = state.record(self._store, mine), state.member(self._store, mine)
        profile = place[0] if place else ProfileId(mine)
        changed = held is None or held.content != content(newcomer)
        deferred: tuple[Deferred, ...] = ("update",) if changed else ()
        return Answer(mine, profile, "attach", 1.0, why="known", deferred=deferred)

    def _looked(self, newcomer: Newcomer) -> _View:
        revision = self._store.revision()
        one, keys = self._describer.known(newcomer)
        masks, deferred = self._candidates(one, keys)
        others = {key: held for key in masks if (held := state.record(self._store, key)) is not None}
        told = {key: self._weighed(one, held, masks[key]) for key, held in others.items()}
        weighed = {key: found for key, found in told.items() if found is not None}
        linked = sorted(
            (key for key, w in weighed.items() if w.weight_micro > self._merge),
            key=lambda k: (-weighed[k].weight_micro, k),
        )
        touched = self._touched(linked)
        inside = {key: profile for held in touched.values() for key, profile in held.profile_of.items()}
        edges = [edge for held in touched.values() for edge in held.edges]
        if len(inside) >= self._largest or _crossing(touched) > _MISSING:
            inside = self._nearest(linked, inside)
            edges = [edge for edge in edges if edge.left in inside and edge.right in inside]
            deferred = (*deferred, "component")
        scene = self._scene(one, others, inside, edges, weighed)
        answer = placed(one.record_key, scene, self._rules)
        if not linked and weighed:
            best = max(weighed, key=lambda k: (weighed[k].weight_micro, k))
            answer = replace(answer, confidence=1 - probability(weighed[best].weight_micro), why="below_threshold")
        answer = replace(answer, deferred=(*deferred, *answer.deferred))
        seen = {(edge.left, edge.right) for edge in scene.edges}
        kept = [e for held in touched.values() for e in held.edges if (e.left, e.right) not in seen]
        return _View(revision, one, keys, answer, tuple(touched), (*scene.edges, *kept))

    def _candidates(self, one: Known, keys: Iterable[Key]) -> tuple[dict[RecordKey, int], tuple[Deferred, ...]]:
        """Return who shares a key with a record, with the mask of the rules; if there are too many, the likelier.

        Who shares an identifier comes before who shares only what people have in common.
        """
        masks: dict[RecordKey, int] = defaultdict(int)
        crossed = several = False
        for key in keys:
            held = state.posting(self._store, key)
            if held is None:
                continue
            if len(held) >= key.cap:
                crossed = True
                continue
            tied, joins = self._tenancies.tied(self._store, one, key.bit, key.block.hex(), held)
            several = several or joins
            for other in tied:
                masks[other] |= key.bit
        masks.pop(one.record_key, None)
        deferred: tuple[Deferred, ...] = (*(("block",) if crossed else ()), *(("tenancy",) if several else ()))
        if len(masks) > _CANDIDATES:
            best = sorted(masks, key=lambda k: (not masks[k] & self._identifiers, -masks[k].bit_count(), k))[
                :_CANDIDATES
            ]
            return {key: masks[key] for key in best}, (*deferred, "candidates")
        return masks, deferred

    def _weighed(self, one: Known, other: Known, mask: int) -> Weighed | None:
        """Return what a pair weighs, or None where one of them is bare and nothing that they share counts."""
        counted = self._scorer.counted(mask, both_known=one.known and other.known)
        if one.described is None or other.described is None:
            return self._scorer.follow(counted) if counted else None
        left, right = (one, other) if one.record_key < other.record_key else (other, one)
        return self._scorer.weigh(left.described or (), right.described or (), counted)

    def _touched(self, linked: Sequence[RecordKey]) -> dict[RecordKey, Component]:
        """Return the components that records are in, the strongest link's first."""
        found: dict[RecordKey, Component] = {}
        for key in linked:
            profile, name = state.member(self._store, key) or (ProfileId(key), key)
            if name not in found:
                found[name] = state.component(self._store, name) or Component({key: profile}, ())
        return found

    def _nearest(
        self, linked: Sequence[RecordKey], inside: Mapping[RecordKey, ProfileId]
    ) -> dict[RecordKey, ProfileId]:
        """Return the members of the profiles that a record is linked to, the strongest first, as many as can be weighed."""
        of: dict[ProfileId, list[RecordKey]] = defaultdict(list)
        for key, profile in inside.items():
            of[profile].append(key)
        found: dict[RecordKey, ProfileId] = {}
        for profile in dict.fromkeys(inside[key] for key in linked):
            if found and len(found) + len(of[profile]) > _NEAREST:
                break
            found |= dict.fromkeys(of[profile][: self._largest], profile)
        return found

    def _scene(
        self,
        one: Known,
        others: Mapping[RecordKey, Known],
        inside: Mapping[RecordKey, ProfileId],
        edges: Sequence[Edge],
        weighed: Mapping[RecordKey, Weighed],
    ) -> Scene:
        """Return the component with all that is known inside it: what is stored, what is new, and what is missing."""
        members = {key: others.get(key) or state.record(self._store, key) for key in inside}
        records = {key: held for key, held in members.items() if held is not None}
        new = one.record_key
        found = {(e.left, e.right): e for e in edges}
        found |= {_pair(new, key): _edge(new, key, weighed[key]) for key in records if key in weighed}
        records[new] = one
        described = [key for key, held in records.items() if held.described is not None]
        complete = _FEWEST <= len(described) <= self._largest
        for a, b in combinations(sorted(records), 2):
            if (a, b) in found:
                continue
            mask = 0 if new in (a, b) else self._mask(records[a], records[b])
            both = records[a].described is not None and records[b].described is not None
            weight = self._weighed(records[a], records[b], mask) if mask or (both and complete) else None
            if weight is not None:
                found[a, b] = _edge(a, b, weight)
        reasons: dict[RecordKey, tuple[Reason, ...]] = {key: weighed[key].reasons for key in records if key in weighed}
        wishes = [w for key in records if key in self._wishes for w in self._wishes[key] if w.right in records]
        return Scene(
            [held.node() for held in records.values()], {key: held.rank() for key, held in records.items()},
            {key: inside[key] for key in records if key != new}, tuple(found.values()), reasons, wishes,
        )  # fmt: skip

    def _mask(self, a: Known, b: Known) -> int:
        """Return the rules that two known records share a key of, in blocks that are not silent."""
        theirs, mask = {block for _, block, *_ in b.held}, 0
        for bit, block, *span in a.held:
            if block not in theirs or state.is_silent(self._store, bytes.fromhex(block)):
                continue
            if span:
                members = state.posting(self._store, Key(bytes.fromhex(block), bit, 0)) or ()
                tied, _ = self._tenancies.tied(self._store, a, bit, block, members)
                if b.record_key not in tied:
                    continue
            mask |= bit
        return mask


_FEWEST = 3
_NEAREST = 40


def _pair(a: RecordKey, b: RecordKey) -> tuple[RecordKey, RecordKey]:
    return (a, b) if a < b else (b, a)


def _edge(a: RecordKey, b: RecordKey, weighed: Weighed) -> Edge:
    return Edge(*_pair(a, b), weighed.weight_micro, weighed.conflict_micro)


def _crossing(touched: Mapping[RecordKey, Component]) -> int:
    """Return how many pairs lie across the components: that many may have to be weighed."""
    sizes = [len(held.profile_of) for held in touched.values()]
    return (sum(sizes) ** 2 - sum(size * size for size in sizes)) // 2


def _place(change: state.Writable, view: _View) -> None:
    """Enter a record into its component, with the profiles that came along."""
    new, answer = view.one.record_key, view.answer
    held = [state.component(change, name) or Component(_alone(change, name), ()) for name in view.components]
    profile_of = {key: profile for one in held for key, profile in one.profile_of.items()}
    renamed = {*answer.joined}
    profile_of = {key: answer.profile_id if p in renamed else p for key, p in profile_of.items()}
    profile_of[new] = answer.profile_id
    for name in view.components:
        state.drop_component(change, name)
    if len(profile_of) == 1:
        state.put_member(change, new, answer.profile_id, new)
        return
    state.put_component(change, min(profile_of), Component(profile_of, view.edges))


def _alone(change: state.Readable, key: RecordKey) -> dict[RecordKey, ProfileId]:
    place = state.member(change, key)
    return {key: place[0] if place else ProfileId(key)}
