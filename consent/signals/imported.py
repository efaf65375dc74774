"""Words about consent from a file into the ledger: a verdict on every row, and the same file again adds nothing."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, Literal

from consent.config import known_purposes
from consent.model import ALL, GIVEN, REFUSALS, ConsentEntry
from consent.officer import Desk, token_of
from consent.signals.book import Book, deny
from consent.signals.model import SKEW
from consent.signals.sheet import Row, Rules, Unsaid, cells, read
from consent.suppression import KeptOut
from infra.identifiers import normalise
from infra.ids import Purpose, Token, content_digest

Standing = Literal["recorded", "already", "repeated", "overruled", "suppressed", "rejected"]
_PART: Final = 1_000
_REMEMBERED: Final = 65_536
_NOBODY: Final = KeptOut()


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What became of one row.

    It was recorded; is in the ledger already; was said twice in the file; overruled by a no; suppressed, for it is of
    somebody who was erased; or rejected.
    """

    row: int
    verdict: Standing
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All rows of a file with their verdicts, in the file's order."""

    verdicts: tuple[RowVerdict, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many rows have which verdict."""
        return dict(Counter(one.verdict for one in self.verdicts))


def bring_in(desk: Desk, content: bytes, now: datetime, *, dry: bool, kept_out: KeptOut = _NOBODY) -> Report:
    """Record what a CSV file says and return a verdict on every row; `dry` writes nothing and says the same.

    Of rows that contradict each other the no counts. It may be killed and run again: what is in the ledger is known
    there by its row, and a denial that is missing is written.
    """
    known, token = known_purposes(desk.policy), lru_cache(_REMEMBERED)(partial(token_of, desk))
    rules = Rules(known, token, partial(_is_kept_out, desk, kept_out), now)
    read_rows = [read(number, told, rules) for number, told in cells(content)]
    rows = [row for row in read_rows if isinstance(row, Row)]
    work = _Work(desk, _Noes(rows), hashlib.sha256(content).hexdigest(), now)
    told = {one.number: _unsaid(one) for one in read_rows if isinstance(one, Unsaid)}
    for start in range(0, len(rows), _PART):
        told |= {verdict.row: verdict for verdict in work.part(rows[start : start + _PART], dry=dry)}
    return Report(tuple(told[row.number] for row in read_rows))


def _unsaid(row: Unsaid) -> RowVerdict:
    return RowVerdict(row.number, "suppressed" if row.kept_out else "rejected", row.because)


def _is_kept_out(desk: Desk, kept_out: KeptOut, kind: str, value: str) -> bool:
    spelled = normalise(desk.kinds[kind].normaliser, value, desk.region) if kept_out else None
    return spelled is not None and kept_out.names(desk.kinds, kind, spelled)


class _Noes:
    """The rows that say no, by what they are about, to find what contradicts a yes."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._found: dict[tuple[object, ...], list[Row]] = {}
        for row in rows:
            if row.action in REFUSALS:
                self._found.setdefault((row.token, row.purpose, row.channel, row.recipient), []).append(row)

    def against(self, yes: Row) -> Row | None:
        """Return a row that says no to the same thing at the same moment, or at a moment that nobody told."""
        about = {
            (yes.token, purpose, channel, recipient)
            for purpose in (yes.purpose, ALL)
            for channel in (yes.channel, None)
            for recipient in (yes.recipient, None)
        }
        noes = (no for key in about for no in self._found.get(key, ()))
        return min((no for no in noes if no.at is None or no.at == yes.at), key=lambda no: no.number, default=None)


class _Work:
    """One file on its way into the ledger, part by part."""

    def __init__(self, desk: Desk, noes: _Noes, digest: str, now: datetime) -> None:
        self._desk, self._noes, self._digest, self._now = desk, noes, digest, now
        self._seen: dict[str, Row] = {}

    def part(self, rows: Sequence[Row], *, dry: bool) -> Iterator[RowVerdict]:
        book = Book(self._desk, (row.token for row in rows))
        again: list[tuple[Token, ConsentEntry]] = []
        verdicts = [self._verdict(row, book, again) for row in rows]
        if not dry:
            book.write()
            deny(self._desk, again, fresh=False)
        yield from verdicts

    def _verdict(self, row: Row, book: Book, again: list[tuple[Token, ConsentEntry]]) -> RowVerdict:
        # Of an identifier that is new here, a second part of the file draws another sid where nothing was written.
        seen = content_digest([row.token, row.id or _content(row)])
        if (before := self._seen.setdefault(seen, row)) is not row:
            same = _content(before) == _content(row)
            because = f"row {before.number} says the same" if same else f"row {before.number} says another under its id"
            return RowVerdict(row.number, "repeated" if same else "rejected", because)
        if row.action == GIVEN and (no := self._noes.against(row)) is not None:
            return RowVerdict(row.number, "overruled", f"row {no.number} says no to the same; the no counts")
        entry = self._entry(row, book)
        known = next((one for one in book.of(row.token) if one.id == entry.id), None)
        if known is None:
            book.add(row.token, entry)
            ahead = row.at is not None and row.at > self._now + SKEW
            return RowVerdict(
                row.number, "recorded", "clock_skew: said to be of later; it counts from now" if ahead else None
            )
        again.append((row.token, known))
        moved = row.at is not None and known.occurred_at != row.at
        if moved or _said(known) != _said(entry):
            return RowVerdict(row.number, "rejected", "another word was taken in under its id; give it a new one")
        return RowVerdict(row.number, "already")

    def _entry(self, row: Row, book: Book) -> ConsentEntry:
        sid = book.sids[row.token]
        notice, _, version = (row.notice or "").partition("@")
        return ConsentEntry(
            id=content_digest(["import", sid, row.id or _content(row)]),
            sid=sid,
            identifier_kind=row.kind,
            purpose=Purpose(row.purpose),
            action=row.action,
            mechanism="import",
            occurred_at=row.at or self._now,
            received_at=self._now,
            controller=self._desk.policy.controller,
            channel=row.channel,
            recipient=row.recipient,
            jurisdiction=row.jurisdiction,
            notice_id=notice or None,
            notice_version=version or None,
            asserted_by="operator",
            expires_at=row.expires_at,
            evidence=json.dumps({"signal": "import", "sha256": self._digest, "row": row.number}),
        )


def _content(row: Row) -> list[str | None]:
    at, expires_at = (None if moment is None else moment.isoformat() for moment in (row.at, row.expires_at))
    return [row.purpose, row.action, row.channel, row.recipient, row.jurisdiction, row.notice, at, expires_at]


def _said(entry: ConsentEntry) -> tuple[object, ...]:
    return (entry.scope, entry.action, entry.jurisdiction, entry.notice_id, entry.notice_version, entry.expires_at)
