"""The part of the ledger that some words are about: what stands there, and what is added to it in one piece."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from consent import store
from consent.decide import denied_at_once
from consent.intake import mirrored_through
from consent.ledger.vault import keys_of
from consent.model import ConsentEntry
from consent.officer import Desk
from consent.overlay import Denial, Moved
from infra.ids import Sid, Token

# So many words at once are what people say; more are a file's, and what it opens waits for the next build.
_SAID_AT_ONCE: Final = 100


class Book:
    """The ledger as far as some tokens go, with what is about to be added to it."""

    def __init__(self, desk: Desk, tokens: Iterable[Token]) -> None:
        self._desk = desk
        tokens = tuple(dict.fromkeys(tokens))
        self.sids = dict(store.sids(desk.database, tokens))
        # A sid is drawn here and not when the entry is appended, for the entry's id follows from it: from a token,
        # which can be computed again, an id would tell of an erased person.
        self.drawn = {token: Sid(desk.mint()) for token in tokens if token not in self.sids}
        self.sids.update(self.drawn)
        self._said: dict[Sid, list[ConsentEntry]] = defaultdict(list)
        for entry in store.history(desk.database, tokens):
            self._said[entry.sid].append(entry)
        self.new: list[store.Said] = []

    def of(self, token: Token) -> list[ConsentEntry]:
        """Return what was said under a token, with what is about to be added."""
        return self._said[self.sids[token]]

    def add(self, token: Token, entry: ConsentEntry) -> None:
        """Take an entry down; `write` makes it durable."""
        self._said[entry.sid].append(entry)
        self.new.append(store.Said(token, entry))

    def write(self) -> None:
        """Append what was added in one transaction; when this returns it is durable, and denied is what it denies."""
        if self.new:
            database, said = self._desk.database, self.new
            if keys_of(database) is None:
                # Evidence lies under each person's own key or nowhere, and no word waits for a key.
                said = [replace(one, entry=replace(one.entry, evidence=None)) for one in said]
            store.append(database, said, lambda token: self.drawn.get(token) or Sid(self._desk.mint()))
        deny(self._desk, [(said.token, said.entry) for said in self.new], fresh=True)


def deny(desk: Desk, said: Iterable[tuple[Token, ConsentEntry]], *, fresh: bool) -> None:
    """Deny what the entries deny; of repeated ones, those that no build has seen and the overlay does not hold."""
    told = list(said)
    denying = [(token, entry, purposes) for token, entry in told if (purposes := denied_at_once(entry, desk.policy))]
    if not fresh:
        denying = [one for one in denying if not desk.overlay.denied_any([one[0]], one[2][0])]
    heard = [(token, entry) for token, entry, _ in denying]
    if fresh and len(told) <= _SAID_AT_ONCE:
        heard = told
    if not heard:
        return
    through = 0 if fresh else mirrored_through(desk.database)
    sequences = store.sequences_of(desk.database, {entry.id for _, entry in heard})
    denials = [
        Denial(token, purposes, entry.received_at, sequences[entry.id])
        for token, entry, purposes in denying
        if sequences.get(entry.id, 0) > through
    ]
    moved = [
        Moved(token, entry.received_at, sequences[entry.id])
        for token, entry in heard
        if sequences.get(entry.id, 0) > through
    ]
    if denials or moved:
        desk.overlay.restrict_all([*denials, *moved])
