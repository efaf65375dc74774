"""What is doubtful about a proposed source, in words, with what it could be instead. Pure."""

from collections.abc import Iterator

from consent.discovery.kinds import worded
from infra.dates import Order
from ingestion.proposal.facts import ColumnFacts
from ingestion.proposal.sorts import Moment, is_ambiguous
from ingestion.proposal.understood import Understood
from ingestion.proposal.words import roles_of

_SURE = 0.8
_NAMED = 4


def doubts_of(
    one: Understood, moment: Moment | None, lost: str | None, order: tuple[Order, str] | None
) -> Iterator[str]:
    """Yield the doubts, the gravest first: what the rows are, their key, their moment, their people."""
    record = one.sort.record
    if one.sort.sure < _SURE and one.sort.other:
        yield f"its rows are taken for record: {record} ({one.sort.because}); it could be: {one.sort.other}"
    yield from _key(one)
    yield from _moment(one, moment, lost)
    if record in ("person", "event"):
        yield from one.meant.doubts
        yield from _birth(one, order)
        yield from _flags(one)
    for kind, held in one.meant.identifiers.items():
        for column in (one.facts.column(meaning.column) for meaning in held):
            if column.share("whole") > 0.9 and column.share("integer") < 0.5:
                yield f"{column.name} ({kind}) is written as 123.0 and meets no 123 of others; write whole numbers"
    if record == "event" and not one.meant.identifiers and not one.codes:
        yield "no column says whose events these are; they reach no profile"


def _key(one: Understood) -> Iterator[str]:
    told = ", ".join(one.key.columns)
    if one.key.numbered:
        yield f"{one.key.because} ({told}); a later export must keep its rows in their order, or have a key of its own"
    elif one.key.repeated or len(one.key.columns) > 1:
        yield f"key {told}: {one.key.because}; a column that numbers the rows would be better"
    elif one.key.other:
        yield f"the key is {told}; {one.key.other} tells the rows apart as well"


def _moment(one: Understood, moment: Moment | None, lost: str | None) -> Iterator[str]:
    if lost:
        yield f"{lost} says when, but not in ISO 8601 (2001-12-31T23:59:59Z); it is kept and not used as the moment"
    if moment is None:
        if one.sort.record == "person" and not lost:
            yield "no column says when a row was true; a row counts from its arrival"
        return
    if moment.faults:
        yield f"{moment.faults:,} rows have no {moment.column} that can be read as a moment; they go to quarantine"
    if moment.dated:
        yield f"{moment.column} is read as a day by date_order, its time of day is lost; ISO 8601 would keep it"
    elif moment.other:
        yield f"the moment is {moment.column}; it could be {moment.other}"
    column = one.facts.column(moment.column)
    if column.share("clocked") > column.share("zoned") + 0.5:
        yield f"{moment.column} names no offset; it is read in the workspace's time zone (`time_zone` says another)"


def _birth(one: Understood, order: tuple[Order, str] | None) -> Iterator[str]:
    born = one.meant.fields.get("birth_date")
    if born and order is None and is_ambiguous(one.facts.column(born.column)):
        yield (
            f"nothing in {born.column} tells whether day or month stands first; it is read month first (`date_order`)"
        )


def _is_flag(column: ColumnFacts) -> bool:
    named = "consent_flag" in roles_of(column.name) or "consent" in worded(column.name)
    return named and 0 < column.distinct <= 2 * _NAMED


def _flags(one: Understood) -> Iterator[str]:
    flags = [c.name for c in one.facts.columns if _is_flag(c)]
    if flags:
        yield (
            f"{', '.join(flags[:_NAMED])} may say what the person agreed to; it is kept as a word and allows nothing. "
            "A consent source or `consent_gate` would make it count (docs/privacy-officer.md)"
        )
