"""Signals on their way into the ledger: what is news becomes an entry, and denied at once is what it denies."""

from collections.abc import Sequence
from dataclasses import dataclass

from consent.model import GPC, REFUSALS, ConsentEntry
from consent.officer import Desk
from consent.signals.book import Book, deny
from consent.signals.config import SignalsConfig
from consent.signals.model import Named, Visit, Word
from consent.signals.rule import due, skewed, words
from infra.ids import Token, content_digest


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of signals: the new entries in order, and how many words were no news."""

    entries: tuple[ConsentEntry, ...]
    repeated: int
    flags: tuple[str, ...] = ()


def take(desk: Desk, config: SignalsConfig, visits: Sequence[Visit]) -> Kept:
    """Keep what visits say that is new, in one transaction, and return it.

    When this returns the words are durable and what they deny is denied to every reader. To hear a visit again
    adds nothing, also after a kill in between: then the denial that is missing is written.
    """
    book = Book(desk, (one.token for visit in visits for one in visit.named))
    repeated: list[tuple[Token, ConsentEntry]] = []
    silent = 0
    for visit in visits:
        for word in words(visit, config, desk.policy):
            for named in visit.reached(word.reach):
                entry = _entry(desk, book, visit, word, named)
                if entry is not None:
                    book.add(named.token, entry)
                    continue
                silent += 1
                if word.action in REFUSALS:
                    repeated += [(named.token, e) for e in book.of(named.token) if _same(e, word)]
    book.write()
    deny(desk, repeated, fresh=False)
    flags = ("clock_skew",) if any(skewed(visit) for visit in visits) else ()
    return Kept(tuple(said.entry for said in book.new), silent, flags)


def _same(entry: ConsentEntry, word: Word) -> bool:
    return entry.action in REFUSALS and (entry.mechanism, entry.purpose) == (word.mechanism, word.purpose)


def _entry(desk: Desk, book: Book, visit: Visit, word: Word, named: Named) -> ConsentEntry | None:
    at = due(word, book.of(named.token), visit, named.role)
    if at is None:
        return None
    sid = book.sids[named.token]
    notice, _, version = (word.notice or "").partition("@")
    # One entry for a browser's wish, whoever hears it first; a banner's words differ by their moment.
    when = "" if word.mechanism == GPC else at.isoformat()
    return ConsentEntry(
        id=content_digest(["signal", sid, word.purpose, word.mechanism, word.action, when]),
        sid=sid,
        identifier_kind=named.kind,
        purpose=word.purpose,
        action=word.action,
        mechanism=word.mechanism,
        occurred_at=at,
        received_at=visit.received_at,
        controller=desk.policy.controller,
        jurisdiction=visit.jurisdiction,
        notice_id=notice or None,
        notice_version=version or None,
        evidence=word.evidence,
    )
