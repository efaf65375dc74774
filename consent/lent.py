"""The ledger lent to a workspace that tries things: what was said, and of whom, as it stands now."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, bindparam, delete, insert, select

from consent.ledger.leaf import entry_fields, leaf_of
from consent.store import CONSENT_EVENT, IDENTIFIER_INDEX
from infra.database import writing

# Evidence is lent to nobody, and its key stays where it is.
_STAYS: Final = ("evidence", "commitment", "private")
_BATCH: Final = 400  # values in one IN list: below SQLite's limit of variables


def lend(ledger: Engine, to: Engine) -> None:
    """Bring a ledger up to date with another: its entries, and which identifiers they speak of; to do so again is free.

    An identifier that was unlinked from its entries for good is unlinked there, too.
    """
    with ledger.connect() as here, writing(to) as there:
        links, own = _links(here), _links(there)
        # Who is known there keeps the number there.
        sids = {sid: own.get(token, sid) for token, sid in links.items()}
        for part in _parts({"gone": token} for token in own.keys() - links.keys()):
            there.execute(delete(IDENTIFIER_INDEX).where(IDENTIFIER_INDEX.c.token == bindparam("gone")), part)
        new_links = ({"token": token, "sid": sid} for token, sid in links.items() if token not in own)
        for part in _parts(new_links):
            there.execute(insert(IDENTIFIER_INDEX), part)
        known = set(there.execute(select(CONSENT_EVENT.c.id)).scalars())
        entries = here.execute(select(CONSENT_EVENT).order_by(CONSENT_EVENT.c.sequence)).mappings()
        new = (_entry(row, sids) for row in entries if row["id"] not in known)
        for part in _parts(new):
            there.execute(insert(CONSENT_EVENT), part)


def _links(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(IDENTIFIER_INDEX.c.token, IDENTIFIER_INDEX.c.sid))
    return {row.token: row.sid for row in rows}


def _entry(row: RowMapping, sids: Mapping[str, str]) -> dict[str, Any]:
    told = {**row, "sid": sids.get(row["sid"], row["sid"]), **dict.fromkeys(_STAYS)}
    return {name: value for name, value in told.items() if name != "sequence"} | {
        "leaf": leaf_of(entry_fields(told), None)
    }


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == _BATCH:
            yield part
            part = []
    if part:
        yield part
