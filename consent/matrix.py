"""Which rows of the policy's matrix a question falls under; both tongues of the decision select by this module."""

from collections.abc import Iterable
from typing import Final

from consent.errors import UnknownPurpose
from consent.model import MatrixRow, Policy, PurposeTerms
from consent.places import covers, width

ANYWHERE: Final = "*"
# The index that stands for "the matrix has no row": a denial.
NO_ROW: Final = -1


def terms_of(policy: Policy, purpose: str) -> PurposeTerms:
    """Return a purpose's terms; raise `UnknownPurpose` with the known ones."""
    for name, terms in policy.purposes.items():
        if name == purpose:
            return terms
    raise UnknownPurpose(policy.purposes)


def selection(
    policy: Policy, terms: PurposeTerms, channel: str | None, recipient: str | None
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return jurisdiction patterns with the rows that apply there, the narrowest pattern first.

    A row of the asked channel or recipient goes before one that names none. Where the question names none, every
    row may apply, and the strictest will decide.
    """
    rows = [(i, row) for i, row in enumerate(policy.rows) if row.purpose == terms.name]
    rows = [(i, row) for i, row in rows if _fits(row.channel, channel) and _fits(row.recipient, recipient)]
    patterns = sorted({row.jurisdiction for _, row in rows}, key=lambda p: (p == ANYWHERE, width(p), p))
    there = {p: [(i, row) for i, row in rows if row.jurisdiction == p] for p in patterns}
    return tuple((p, _narrowest(found, channel, recipient)) for p, found in there.items())


def _fits(stated: str | None, asked: str | None) -> bool:
    return stated is None or asked is None or stated == asked


def _narrowest(rows: list[tuple[int, MatrixRow]], channel: str | None, recipient: str | None) -> tuple[int, ...]:
    if channel is not None and any(row.channel == channel for _, row in rows):
        rows = [(i, row) for i, row in rows if row.channel == channel]
    if recipient is not None and any(row.recipient == recipient for _, row in rows):
        rows = [(i, row) for i, row in rows if row.recipient == recipient]
    return tuple(i for i, _ in rows)


def candidates(
    chosen: tuple[tuple[str, tuple[int, ...]], ...], stated: Iterable[str], heard: Iterable[str]
) -> tuple[int, ...]:
    """Return the rows that may apply, `NO_ROW` among them where the matrix is silent.

    `stated` are the jurisdictions of the records; without any, it is unknown and every row is a candidate.
    `heard` are those of the ledger's entries, which can only add candidates.
    """
    stated = tuple(stated)
    if not stated:
        return everywhere(chosen)
    found = {row for jurisdiction in (*stated, *heard) for row in _rows_in(chosen, jurisdiction)}
    return tuple(sorted(found))


def everywhere(chosen: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[int, ...]:
    """Return the candidates of an unknown jurisdiction: all rows, and none where nothing is said of the rest."""
    found = {row for _, rows in chosen for row in rows}
    if not any(pattern == ANYWHERE for pattern, _ in chosen):
        found.add(NO_ROW)
    return tuple(sorted(found))


def _rows_in(chosen: tuple[tuple[str, tuple[int, ...]], ...], jurisdiction: str) -> tuple[int, ...]:
    for pattern, rows in chosen:
        if pattern == ANYWHERE or covers(pattern, jurisdiction):
            return rows
    return (NO_ROW,)
