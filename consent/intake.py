"""Words about consent on their way in and out: the inbox into the ledger, the ledger into a file for its mirror."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Engine

from consent.model import ConsentEntry
from consent.store import Draw, Said, advance, append, entries, exported, last_sequence, progress
from consent.tables import CONSENT_EVENT, CONSENT_INBOX
from infra import shelf
from infra.ids import Purpose, Sid, Token, content_digest

_INBOX_PROGRESS: Final = "inbox"
_MIRROR_PROGRESS: Final = "mirror"
_MIRROR_RUN: Final = "mirror_run"
_ROWS: Final = 8_192
_ARROW: Final[Mapping[str, pa.DataType]] = {"STRING": pa.string(), "TIMESTAMP": pa.timestamp("us", tz="UTC")}


def take_in(database: Engine, lake: Path, *, controller: str, draw: Draw) -> int:
    """Move what the inbox holds into the ledger and return how many entries were new.

    Each batch is one transaction and each entry's id follows from its source and event id, so a run that was
    killed anywhere takes the rest in when it is run again.
    """
    if not shelf.exists(lake, CONSENT_INBOX):
        return 0
    done = progress(database, _INBOX_PROGRESS)
    # The newest batch is read again: a run may have added another source's rows to it.
    new, newest = 0, done
    for batch in shelf.batches(lake, CONSENT_INBOX):
        rows = batch.filter(pc.greater_equal(batch.column("batch"), done)).to_pylist()
        new += append(database, [said(row, controller) for row in rows], draw)
        newest = max([newest, *(row["batch"] for row in rows)])
    advance(database, {_INBOX_PROGRESS: newest})
    return new


def said(row: Mapping[str, Any], controller: str) -> Said:
    """Return an inbox row as a ledger entry that awaits its sid."""
    notice, _, version = (row["notice"] or "").partition("@")
    entry = ConsentEntry(
        id=content_digest(["inbox", row["source"], row["event_id"]]),
        sid=Sid(""),
        identifier_kind=row["kind"],
        purpose=Purpose(row["purpose"]),
        action=row["action"],
        mechanism=(row["mechanism"] or "import").strip().lower(),
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        controller=controller,
        channel=row["channel"] or None,
        jurisdiction=(row["jurisdiction"] or "").strip().upper() or None,
        notice_id=notice or None,
        notice_version=version or None,
        expires_at=row["expires_at"],
    )
    return Said(Token(row["token"]), entry)


def mirrored_through(database: Engine) -> int:
    """Return the sequence number of the last entry that the mirror holds; publishing purges the overlay up to it."""
    return progress(database, _MIRROR_PROGRESS)


def is_mirrored(database: Engine, lake: Path, run: int) -> bool:
    """Say whether this run has written the mirror already, or the mirror still holds the whole ledger.

    The rows are counted too: a lake that was restored or emptied must not pass for a mirror, for then refusals
    would be forgotten.
    """
    if progress(database, _MIRROR_RUN) == run:
        return True
    rows = shelf.count(lake, CONSENT_EVENT)
    return mirrored_through(database) == last_sequence(database) and rows == entries(database)


def remember_mirror(database: Engine, run: int, through: int) -> None:
    """Note that this run's mirror holds everything up to a sequence number."""
    advance(database, {_MIRROR_PROGRESS: through, _MIRROR_RUN: run})


def export(database: Engine, folder: Path, run: int) -> tuple[Path, int]:
    """Write the ledger with its tokens to a Parquet file; return it and the last sequence number surely in it.

    The file appears whole under a name that tells the number. A resumed run finds the file of its first try, for
    the lake takes a run's first write only.
    """
    for file in sorted(folder.glob(f"consent_event-{run}-*.parquet")):
        return file, int(file.stem.rpartition("-")[2])
    through = last_sequence(database)
    schema = pa.schema([pa.field(c.name, _ARROW[c.sql]) for c in CONSENT_EVENT.columns()])
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"consent_event-{run}.unfinished"
    with pq.ParquetWriter(unfinished, schema) as writer:
        for rows in exported(database, _ROWS):
            writer.write_table(_table(rows, schema))
    return unfinished.rename(folder / f"consent_event-{run}-{through}.parquet"), through


def _table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)
