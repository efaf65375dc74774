"""How profiles lie in the serving store, and the one way to read them: for a purpose, under later denials."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from infra.ids import ProfileId, Purpose, Sid, Token
from infra.keyvalue import KeyValue
from infra.serving.embedded import Generations
from infra.serving.store import ServingStore
from infra.workspace import Workspace
from profiles.denials import AllListed, Anew, Denials, led_to
from profiles.errors import ManifestUnreadable, PurposeMissing
from profiles.graphs import drawn, outlined
from profiles.header import Header, header_of
from profiles.model import Link
from profiles.render import folded_words, search_words
from profiles.stored import unpacked

# A folder of its own: publishing clears away old generations beside the served one, and nothing else.
FOLDER: Final = "generations"
MANIFEST: Final = b"m|manifest"
# Readers look for a new generation at least this often; what a switch makes obsolete may be dropped after twice that.
STALENESS_SECONDS: Final = 0.5


def _key(text: str) -> bytes:
    # What somebody typed may hold bytes that are no text; they name nobody, and are no failure.
    return text.encode("utf-8", "surrogatepass")


def view_key(purpose: str, profile_id: str) -> bytes:
    """Return where a person's view for a purpose lies, as `profiles.stored` packs it."""
    return _key(f"v|{purpose}|{profile_id}")


def token_key(token: str) -> bytes:
    """Return where the profiles of an identifier are named, and below them the purposes that it is closed to."""
    return _key(f"t|{token}")


def alias_key(alias: str, profile_id: str = "") -> bytes:
    """Return where a given-up id names one that answers for it; without that, the prefix of all of them."""
    return _key(f"a|{alias}|{profile_id}")


def header_key(profile_id: str) -> bytes:
    """Return where a person's header lies."""
    return _key(f"h|{profile_id}")


def holders_key(profile_id: str) -> bytes:
    """Return where the tokens lie under which something may be refused for a person, one a line."""
    return _key(f"k|{profile_id}")


def borrowed_key(profile_id: str) -> bytes:
    """Return where the refusals lie that a person keeps of somebody whom they were parted from: sid to moment."""
    return _key(f"b|{profile_id}")


def graph_key(profile_id: str) -> bytes:
    """Return where a person's identity graph lies."""
    return _key(f"g|{profile_id}")


def timeline_key(profile_id: str) -> bytes:
    """Return where a person's timeline lies."""
    return _key(f"l|{profile_id}")


def search_key(purpose: str, word: str, profile_id: str = "") -> bytes:
    """Return where a word of a name that a purpose may see leads to a person; without the person, the prefix."""
    return _key(f"s|{purpose}|{word}{'|' + profile_id if profile_id else ''}")


def heirs_of(store: KeyValue, given: str) -> tuple[ProfileId, ...]:
    """Return who answers for an id that was given up; for one of them who was given up in turn, their own heirs."""
    return tuple(dict.fromkeys(_heirs(store, given, {given})))


def _heirs(store: KeyValue, given: str, met: set[str]) -> Iterator[ProfileId]:
    prefix = alias_key(given)
    for heir in [key[len(prefix) :].decode() for key, _ in store.items(prefix)]:
        if heir not in met:
            met.add(heir)
            farther = [] if store.get(header_key(heir)) is not None else list(_heirs(store, heir, met))
            yield from farther or [ProfileId(heir)]


def serving_store(workspace: Workspace, stopwatch: Callable[[], float] = time.monotonic) -> ServingStore:
    """Return the store that a workspace's profiles are served from: files below it, or a server's memory."""
    if not workspace.settings.serving.remote:
        return Generations(workspace.serving_path / FOLDER)
    from infra.serving.remote import RemoteGenerations  # noqa: PLC0415 - only who wants it needs its client

    return RemoteGenerations(workspace.settings.serving.store, workspace.settings.name, stopwatch)


class Published:
    """The served generation; the pointer is looked at when the last look is older than `STALENESS_SECONDS`.

    A folder stands for the embedded store in it.
    """

    def __init__(self, serving: ServingStore | Path, stopwatch: Callable[[], float]) -> None:
        self._generations = Generations(serving / FOLDER) if isinstance(serving, Path) else serving
        self._stopwatch = stopwatch
        self._seen: tuple[float, KeyValue] | None = None

    def __call__(self) -> KeyValue:
        """Return the store to read from; raise `Missing` before the first was published."""
        now = self._stopwatch()
        if self._seen is None or now - self._seen[0] > STALENESS_SECONDS:
            self._seen = (now, self._generations.current())
        return self._seen[1]

    def name(self) -> str | None:
        """Return the name of the served generation, or None before the first."""
        return self._generations.name()


class ProfileReader:
    """Profiles as published, under the denials that came after; unknown, erased and denied look alike: None.

    A refusal crosses every link, so one denied identifier closes the person for that purpose until the next
    build has decided anew; with `anew` the ledger is asked at once. Nothing is promoted or recomputed here.
    """

    def __init__(self, store: Callable[[], KeyValue], denials: Denials, anew: Anew | None = None) -> None:
        self.store, self._denials, self._anew = store, denials, anew

    def moment(self) -> "ProfileReader":
        """Return a reader of everything as it is at this moment, for one answer made of several reads.

        A publication or a live change that comes between two of them would else show one person half before it and
        half after. Denials are asked as they come, not as they were.
        """
        return self.over(self.store().snapshot())

    def over(self, store: KeyValue) -> "ProfileReader":
        """Return a reader of one store, under the same denials."""
        return ProfileReader(lambda: store, self._denials, self._anew)

    def read(self, token: Token, purpose: Purpose) -> tuple[ProfileId, bytes, bytes] | None:
        """Return whom an identifier leads to, with the ETag and the answer of the same moment."""
        store = self.store().snapshot()
        profile_id = self._led(store, token, store.get(token_key(token)), purpose)
        tagged = None if profile_id is None else self._open(store, profile_id, purpose)
        return None if profile_id is None or tagged is None else (profile_id, *tagged)

    def find(self, token: Token, purpose: Purpose | None = None) -> ProfileId | None:
        """Return the profile that an identifier belongs to; one that several people share identifies nobody.

        For a purpose, an identifier that is tied to the person less closely than the purpose demands leads to nobody.
        Without one, whose it is as far as identity knows: for the ledger's questions, never to show anything.
        """
        store = self.store()
        return self._led(store, token, store.get(token_key(token)), purpose)

    def _led(self, store: KeyValue, token: Token, value: bytes | None, purpose: Purpose | None) -> ProfileId | None:
        found = led_to(value, purpose)
        if found is None or purpose is None or self._anew is None:
            return found
        return found if self._anew.leads(store, token, found, purpose) else None

    def candidates(self, token: Token) -> tuple[ProfileId, ...]:
        """Return every profile that an identifier leads to, for stewards."""
        value = self.store().get(token_key(token))
        return tuple(ProfileId(p) for p in value.decode().partition("\n")[0].split(",")) if value else ()

    def successors(self, profile_id: ProfileId) -> tuple[ProfileId, ...]:
        """Return who answers for an id that was given up: one after a merge, several after a split."""
        return heirs_of(self.store(), profile_id)

    def view(self, profile_id: ProfileId, purpose: Purpose) -> bytes | None:
        """Return the answer to a read with later denials applied."""
        tagged = self._open(self.store(), profile_id, purpose)
        return None if tagged is None else tagged[1]

    def tagged(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes] | None:
        """Return the ETag that was stored with the answer, and the answer, where no denial touches it."""
        return self._open(self.store(), profile_id, purpose)

    def _open(self, store: KeyValue, profile_id: str, purpose: str) -> tuple[bytes, bytes] | None:
        if not purpose:
            raise PurposeMissing
        stored = store.get(view_key(purpose, profile_id))
        if stored is None:
            # What was said since the build may open what has no view of its own.
            tagged, held = None, store.get(holders_key(profile_id))
        else:
            tag, held, body = unpacked(stored)
            tagged = (tag, body)
        # Without the list nobody can tell what was refused, so nothing is shown.
        if held is None:
            return None
        tokens = held.decode().split()
        if self._anew is not None:
            if self._anew.touched(tokens, purpose, store):
                found = self._anew.decided(store, profile_id, purpose)
                return None if found is None else found[:2]
            return tagged
        return None if tagged is None or self._denials.denied_any(tokens, purpose) else tagged

    def rests_on(self) -> str | None:
        """Return what everybody's decisions rest on where that is not the build; when it changes, all may be others."""
        return None if self._anew is None else self._anew.rests_on()

    def header(self, profile_id: ProfileId) -> Header | None:
        """Return who a profile is made of, or None where there is none."""
        value = self.store().get(header_key(profile_id))
        return None if value is None else header_of(orjson.loads(value))

    def links(self, profile_id: ProfileId) -> Mapping[Token, Link]:
        """Return the tokens that a profile is made of, each with how surely it is theirs; empty where unknown."""
        header = self.header(profile_id)
        return {} if header is None else header.tokens

    def borrowed(self, profile_id: ProfileId) -> tuple[tuple[Sid, datetime], ...]:
        """Return the sids whose refusals a person keeps although they are no longer theirs, and up to which moment."""
        value = self.store().get(borrowed_key(profile_id))
        kept: Mapping[str, str] = {} if value is None else orjson.loads(value)
        return tuple((Sid(sid), datetime.fromisoformat(until)) for sid, until in kept.items())

    def timeline(self, profile_id: ProfileId, purpose: Purpose) -> list[Mapping[str, Any]] | None:
        """Return what happened, the newest first, as far as the purpose may use the records behind it."""
        now = self.moment()
        usable = now.usable(profile_id, purpose)
        if usable is None:
            return None
        store = now.store()
        value = store.get(timeline_key(profile_id))
        entries: list[Mapping[str, Any]] = orjson.loads(value) if value else []
        seen = [entry for entry in entries if entry["record_key"] in usable]
        return seen if self._anew is None else self._anew.retold(store, seen)

    def graph(self, profile_id: ProfileId, purpose: Purpose) -> Mapping[str, Any] | None:
        """Return the identity graph: all records and edges, but values only of records that the purpose may use."""
        now = self.moment()
        body = now.view(profile_id, purpose)
        value = now.store().get(graph_key(profile_id))
        if body is None or value is None:
            return None
        seen = orjson.loads(body)
        return drawn(orjson.loads(value), seen, purpose, lambda one: now.usable(one, purpose) or frozenset())

    def outline(self, profile_id: ProfileId) -> Mapping[str, Any] | None:
        """Return the identity graph with every value masked, for stewards who need no more to judge a link."""
        value = self.store().get(graph_key(profile_id))
        if value is None:
            return None
        graph: dict[str, Any] = orjson.loads(value)
        return {**graph, "records": [outlined(record) for record in graph["records"]]}

    def usable(self, profile_id: ProfileId, purpose: Purpose) -> frozenset[str] | None:
        """Return the records of a person that a purpose may use, or None where it may not see them at all."""
        found = self.shown(profile_id, purpose)
        return None if found is None else found[2]

    def shown(self, profile_id: ProfileId, purpose: Purpose) -> tuple[bytes, bytes, frozenset[str]] | None:
        """Return ETag, answer and the records behind them, all by one decision."""
        if not purpose:
            raise PurposeMissing
        store = self.store()
        stored, held, header = store.values(
            view_key(purpose, profile_id), holders_key(profile_id), header_key(profile_id)
        )
        if held is None or header is None:
            return None
        tokens = held.decode().split()
        if self._anew is not None and self._anew.touched(tokens, purpose, store):
            return self._anew.decided(store, profile_id, purpose)
        if stored is None or (self._anew is None and self._denials.denied_any(tokens, purpose)):
            return None
        tag, listed, body = unpacked(stored)
        if listed is None:
            return None
        return tag, body, frozenset(key for key, purposes in _used(header).items() if purpose in purposes)

    def remasked(self, body: bytes, purpose: Purpose) -> bytes:
        """Return an answer of another time without what the purpose's masks of now take out."""
        return body if self._anew is None else self._anew.remasked(body, purpose)

    def search(self, words: str, purpose: Purpose, limit: int = 20) -> list[ProfileId]:
        """Return people whose names begin with each of the words, in the order of their ids."""
        if not purpose:
            raise PurposeMissing
        wanted = folded_words(words)
        if not wanted:
            return []
        now = self.moment()
        found = set.intersection(*[now.named(word, purpose) for word in wanted])
        # A name that a purpose saw at the build, and does not see now, leads to nobody.
        open_ = (p for p in map(ProfileId, sorted(found)) if _is_called(now.view(p, purpose), wanted))
        return [person for person, _ in zip(open_, range(limit), strict=False)]

    def named(self, word: str, purpose: str) -> set[str]:
        """Return the people whose names, as a purpose may see them, have a word that begins so."""
        return {key.decode().rpartition("|")[2] for key, _ in self.store().items(search_key(purpose, word))}

    def manifest(self) -> Mapping[str, Any]:
        """Return what the served generation was made from: run, table versions, counts."""
        stored = self.store().get(MANIFEST)
        try:
            manifest: dict[str, Any] = orjson.loads(stored or b"")
        except orjson.JSONDecodeError as error:
            raise ManifestUnreadable("that is served") from error
        return manifest

    def generation(self) -> str | None:
        """Name the served generation, or None where its manifest says nothing."""
        name = self.manifest().get("generation")
        return None if name is None else str(name)

    def counted(self) -> datetime | None:
        """Return when the build of the served generation judged and counted, or None where its manifest is silent."""
        told = self.manifest().get("started_at")
        return None if told is None else datetime.fromisoformat(told)

    def find_all(self, tokens: Sequence[Token], purpose: Purpose) -> list[ProfileId | None]:
        """Return what `find` says of each token, from one look at the store."""
        store, led = self.store(), token_key(Token(""))
        values = store.values(*[led + _key(token) for token in tokens])
        if self._anew is None or not self._anew.overruled(store):  # as it was tied by the build
            return [led_to(value, purpose) for value in values]
        return [self._led(store, token, value, purpose) for token, value in zip(tokens, values, strict=True)]

    def tagged_all(self, ids: Sequence[ProfileId], purpose: Purpose) -> list[tuple[bytes, bytes] | None]:
        """Return what `tagged` says of each id, from one look at the store and one at what was refused."""
        if not purpose:
            raise PurposeMissing
        views, store = view_key(purpose, ""), self.store().snapshot()
        found = [
            None if stored is None else unpacked(stored) for stored in store.values(*[views + _key(one) for one in ids])
        ]
        held = [view[1] for view in found if view is not None]
        if len(held) < len(ids):
            lacking = zip(ids, found, strict=True)
            held += store.values(*[holders_key(one) for one, view in lacking if view is None and one])
        # Refused is mostly nobody: asked of all at once, and of each only where somebody is.
        everybody = AllListed(held)
        if self._anew is None:
            touched = self._denials.denied_any(everybody, purpose)
        else:
            touched = self._anew.touched(everybody, purpose, store)
        if touched:
            return [self._open(store, one, purpose) if one else None for one in ids]
        return [None if view is None or view[1] is None else (view[0], view[2]) for view in found]


@lru_cache(maxsize=8)  # of one person every purpose is mostly asked
def _used(header: bytes) -> Mapping[str, Sequence[str]]:
    return {key: one["purposes"] for key, one in orjson.loads(header)["records"].items()}


def _is_called(answer: bytes | None, words: Iterable[str]) -> bool:
    """Say whether an answer shows each of the words as the beginning of one in a name."""
    shown: Mapping[str, Any] = {} if answer is None else orjson.loads(answer)["attributes"]
    names = search_words({"name": name, "value": value} for name, value in shown.items())
    return all(any(name.startswith(word) for name in names) for word in words)
