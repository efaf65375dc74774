"""Events of the log, one after the other, into what is served: who is it, may we, what do their views say now.

Everything that an event changes is one change of the served generation, together with the place in the log after it:
a reader sees it whole or not at all, and who goes on after a kill goes on behind the last event that counts.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from consent.model import Decision
from identity.fields.features import Value
from identity.online.newcomers import Event
from identity.online.resolver import Resolver
from identity.online.state import put_answers
from infra.ids import Purpose, RecordKey, Token
from infra.log.tail import Place, Read
from ingestion.live import LiveEvent
from profiles.denials import Denials
from profiles.model import ABSENT, Link
from profiles.online import rules
from profiles.online.answers import Answers, Begun, Told
from profiles.online.person import Change, Person, holders_of, lead, loaded, removed, stored
from profiles.online.rules import Served

IDENTITY: Final = Purpose("identity_resolution")
# Where the generation keeps how far into each part of the log it has come.
PLACES: Final = b"w|places"
# Whose workers keep it up to date: the resolver's state that they ask lies on one machine.
HOME: Final = b"w|home"


class Words(Protocol):
    """What consent says of identifiers now."""

    def decisions(self, holders: Mapping[Token, Link]) -> Mapping[str, Decision]:
        """Return what each purpose may do with somebody who holds these tokens, by all that was said under them."""

    def foresee(self, tokens: Collection[Token]) -> None:
        """Look at once whether anything was said under tokens that will be asked for one after the other."""


class Doubles(Protocol):
    """Which events were seen before."""

    def first(self, event: LiveEvent, place: "EventPlace") -> bool:
        """Say whether an event that stands at this place is the first of its message id; remember it."""

    def keep(self) -> None:
        """Write down what is new."""


# Part, segment, what stands behind its entry, which event of the entry: the same whenever and however the log is read.
EventPlace = tuple[str, str, int, int]


@dataclass(slots=True)
class Applier:
    """The online path over one generation and the resolver's state that belongs to it."""

    resolver: Resolver
    served: Served
    words: Words
    denials: Denials
    doubles: Doubles
    secret: bytes = field(repr=False)
    counts: Counter[str] = field(default_factory=Counter)

    def apply(self, change: Change, events: Sequence[LiveEvent], answers: Answers) -> None:
        """Apply the events of a piece of the log, in its order.

        Who somebody is was put down before (`answered`), so that a kill between the two changes nothing.
        """
        for event in events:
            answer = answers.told.get(event.place)
            if answer is not None:
                self._served(change, event, answer)
        put_place(change, answers.to.part, answers.to.end)

    def answered(self, events: Sequence[LiveEvent], part: str, begin: Place | None, read: Read) -> Answers:
        """Have the resolver take in the events of what was read of a part from a place on, and put its answers down.

        Nobody else may be answered meanwhile.
        """
        turn = 1 + max((one.turn for one in self.begun()), default=0)
        self.words.foresee({Token(one.token) for event in events for one in event.identifiers})
        with self.resolver.together() as change:
            asked = ((event.place, self._answer(event, part, read)) for event in events)
            told = {place: answer for place, answer in asked if answer is not None}
            answers = Answers(Begun(part, turn, begin, read.place), told)
            put_answers(change, part, answers.line())
            self.doubles.keep()  # before the answers are: who is asked again at the same place is the first again
        return answers

    def begun(self) -> list[Begun]:
        """Return which piece of each part was answered last, in the order of their turns."""
        return sorted((Begun.read(part, raw) for part, raw in self.resolver.answers()), key=lambda one: one.turn)

    def kept(self, part: str) -> Answers:
        """Return the answers that were put down last for a part."""
        return next(Answers.read(part, raw) for name, raw in self.resolver.answers() if name == part)

    def _answer(self, event: LiveEvent, part: str, read: Read) -> Told | None:
        number, turn = event.place
        if not self.doubles.first(event, (part, read.place.segment, read.entries[number][0], turn)):
            self.counts["duplicate"] += 1
            return None
        tokens = [one.token for one in event.identifiers]
        if not tokens or self.denials.denied_any(tokens, IDENTITY):
            self.counts["not resolved"] += 1
            return None
        asked = self._asked(event)
        found = self.resolver.event(asked)
        if found.why not in ("interval", "known"):
            word = self._own(event).get(IDENTITY)
            if word is not None and not word.allowed:
                self.counts["not resolved"] += 1
                return None
        answer = self.resolver.accept_event(asked, found)
        self.counts["applied"] += 1
        return Told(answer.record_key, answer.profile_id, answer.joined)

    def _own(self, event: LiveEvent) -> Mapping[str, Decision]:
        """Return what each purpose may do with the record of an event alone."""
        return self.words.decisions({Token(one.token): "own" for one in event.identifiers})

    def _asked(self, event: LiveEvent) -> Event:
        at = round(event.occurred_at.timestamp() * 1_000_000)
        about = event.subject if event.known else f"{event.anonymous_id}|{at}"
        return Event(
            RecordKey(self._birth(event.source, about or "")), event.source, at,
            tuple(Value(o.type, o.value, o.token) for o in event.identifiers), event.anonymous_id,
            event.name in self.resolver.logouts, event.subject if event.known else None,
        )  # fmt: skip

    def _birth(self, source: str, key: str) -> str:
        # The same again when the log is read again: what was served must come out as it was.
        return hashlib.blake2b(f"{source}\x1f{key}".encode(), key=self.secret[:64], digest_size=16).hexdigest()

    def _served(self, change: Change, event: LiveEvent, answer: Told) -> None:
        purposes = self.served.purposes
        person = loaded(change.get, answer.profile_id, purposes)
        if person is None:
            person, judged = Person.unknown(answer.profile_id, known=event.known), {o.token for o in event.identifiers}
            rules.begun(person, event, self._own(event), self.served)
        else:
            judged = set(person.header["tokens"])
        for other_id in answer.joined:
            other = loaded(change.get, other_id, purposes)
            if other is None or other.header["known"] or other_id == answer.profile_id:
                continue  # two known persons are merged by the batch or by a steward
            rules.joined(person, other, self.served)
            removed(change, other, answer.profile_id, purposes)
            for token in other.header["tokens"]:
                self._lead(change, Token(token), person)
        self._recorded(person, event, answer.record_key)
        self._close(person, judged)
        rules.happened(person, event, answer.record_key, self.served)
        stored(change, person, purposes)
        for one in event.identifiers:
            self._lead(change, Token(one.token), person, anonymous=self._anonymous(one.type))

    def _recorded(self, person: Person, event: LiveEvent, record_key: str) -> None:
        """Have the person hold the event's record, for the purposes that may use it."""
        if record_key in person.header["records"]:
            rules.grown_record(person, event, record_key, _tied(person, record_key))
            return
        link = rules.record_link(person, event, record_key, self.served.alone)
        word = self._own(event)
        may = [
            purpose
            for purpose, view in person.views.items()
            if purpose in word and self.served.may_use(purpose, view["consent"]["reason"], link, word[purpose])
        ]
        rules.new_record(person, event, record_key, link, may)

    def _close(self, person: Person, judged: Collection[str]) -> None:
        """Close the views that something refuses which the person holds now and did not when they were judged.

        It may have come with the event, or with a profile of nobody that joined. Where nobody refused and what they
        held before allows no more, the view stays as it was built: only the build knows all that it asks of.
        """
        held = person.header["tokens"]
        if held.keys() <= set(judged):
            return
        said = self.words.decisions({Token(token): tie for token, tie in held.items()})
        closed = [purpose for purpose in person.views if purpose in said and not said[purpose].allowed]
        if not closed:
            return
        before = self.words.decisions({Token(token): tie for token, tie in held.items() if token in judged})
        for purpose in closed:
            if said[purpose].reason not in ABSENT or (purpose in before and before[purpose].allowed):
                del person.views[purpose]

    def _anonymous(self, kind: str) -> bool:
        declared = self.served.rulebook.types.get(kind)
        return declared is not None and declared.anonymous

    def _lead(self, change: Change, token: Token, person: Person, *, anonymous: bool = False) -> None:
        """Have an identifier lead to a person: an anonymous id to whoever had it last, any other to all who hold it."""
        held = {one for one in holders_of(change.get, token) if one != person.profile_id}
        held = set() if anonymous else {one for one in held if _stands(change, one, known=person.header["known"])}
        if held and not person.header["known"]:
            return  # an anonymous holder gives way to a known one
        link = person.header["tokens"].get(token, "probable")
        lead(change, token, {*held, person.profile_id}, self.served.closed(link))


def _tied(person: Person, record_key: str) -> Link:
    """Return how closely a record that is known is tied to its person."""
    drawn = next((r for r in person.graph.get("records", ()) if r["record_key"] == record_key), None)
    if drawn is not None:
        link: Link = drawn["link"]
        return link
    return "own" if record_key == person.header["anchor"] else "probable"


def _stands(change: Change, profile_id: str, *, known: bool) -> bool:
    """Say whether a profile is served and does not give way to one that is known."""
    other = loaded(change.get, profile_id, ())
    return other is not None and (other.header["known"] or not known)


def put_place(change: Change, part: str, place: Place) -> None:
    """Say how far into a part of the log a generation has come."""
    told = places(change.get)
    told[part] = place
    change.put(PLACES, orjson.dumps({name: [p.segment, p.at] for name, p in sorted(told.items())}))


def places(get: Callable[[bytes], bytes | None]) -> dict[str, Place]:
    """Return how far into each part of the log a generation has come."""
    raw: dict[str, Any] = orjson.loads(get(PLACES) or b"{}")
    return {name: Place(segment, at) for name, (segment, at) in raw.items()}
