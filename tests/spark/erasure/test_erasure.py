"""A person erased from a lake of twelve: nothing of them is left in any byte, and they do not come back."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consent.residue.needles import Needles

pytestmark = pytest.mark.spark
CID = ("cid.engel@example.org", "+16145550101", "C77028802", "cookie-of-number-02")


def looked(root: Path, *groups: tuple[str, ...]) -> list[set[str]]:
    """Return for each group of values the files below a folder in which one stands, as bytes or as rows.

    It is a look of this test's own; each file is opened once for all groups.
    """
    sought = [(Needles.of(values), set[str]()) for values in groups]
    for path in sorted(root.rglob("*")):
        for text in _texts(path) if path.is_file() else ():
            for needles, found in sought:
                if needles.hit(text) is not None:
                    found.add(str(path.relative_to(root)))
    return [found for _, found in sought]


def _texts(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield str(path).encode()
    yield raw
    if raw[:4] == b"PAR1":
        yield orjson.dumps(pq.read_table(pa.BufferReader(raw)).to_pylist(), default=str)


def test_one_of_twelve_is_erased_and_does_not_come_back(town_of: Callable[..., Any]) -> None:
    from api.cli.erasing import tokens_for
    from api.cli.naming import Named
    from api.cli.persons import Gallery
    from consent.erasure.book import Book
    from consent.residue.certificate import check
    from infra.clock import system_clock
    from ingestion.tables import QUARANTINE, RECORDS

    town = town_of("town")
    town.job("run")
    state, values = town.root / "state", CID
    (before_it,) = looked(state, values)
    assert len(before_it) > 10
    before = sorted(row["key"] for row in _rows(town, RECORDS, "key"))
    request = town.ask("email", CID[0])
    # from here on no reader sees him, under any of his identifiers
    ((_, token), *_) = tokens_for(town.world, Named("customer", CID[2]))
    gallery = Gallery.open(town.world)
    (person,) = gallery.reader.candidates(token)
    assert all(gallery.reader.view(person, p) is None for p in ("service", "email_marketing"))
    gallery.desk.overlay.close()

    told = town.job("erase", request=request, at_once="yes")
    assert told["status"] == "certified_with_exceptions"
    gone, numbered = looked(state, values, (person,))
    assert gone == set()
    # a random id stands in the log's statistics until they expire, as the certificate says
    assert all("/_delta_log/" in file for file in numbered)
    # others are as they were: the two who share a telephone, and he whose row was rejected for the same reason
    others = [key for key in before if not any(value in key for value in values)]
    assert sorted(row["key"] for row in _rows(town, RECORDS, "key")) == others
    assert len(_rows(town, QUARANTINE, "source")) == 2
    kept = Book(town.world.database, system_clock).get(request).certificate
    assert kept is not None
    assert check(kept, town.world.workspace.signer().public, None, ()) == ()
    assert [one["id"] for one in kept["recipients"]] == ["mail"]

    # the same source, written anew; his customer number is new there, his address in another spelling
    old = (town.root / "data/crm/1.csv").read_text()
    rows = list(csv.reader(io.StringIO(old)))
    rows += [["C99999999", "Cid", "Engel", "1962-03-03", "2 Elm St", "43002", "CID.ENGEL@Example.ORG", ""]]
    (town.root / "data/crm/1.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    account = town.job("ingest")["ingest"]["sources"]["crm"]
    assert (account["suppressed"], account["accepted"]) == (3, 0)
    gone, numbered = looked(state, (*values, "C99999999"), (person,))
    assert gone == set()
    assert all("/_delta_log/" in file for file in numbered)


def _rows(town: Any, table: Any, *columns: str) -> list[dict[str, Any]]:
    from infra import shelf

    lake = town.world.workspace.lake_path
    return [row for batch in shelf.batches(lake, table, columns=list(columns)) for row in batch.to_pylist()]
