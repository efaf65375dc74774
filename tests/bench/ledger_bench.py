"""How fast the sealed ledger is: `python tests/bench/ledger_bench.py [ENTRIES]`, on SQLite in a temporary folder.

Appends are durable (write-ahead log, synchronous=FULL) and committed by groups; each entry has a salt under its
subject's own key, one in five has evidence. Times are of the wall; those of the processor stand beside them, for
machines that are shared.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from consent import store
from consent.ledger import vault
from consent.ledger.export import export
from consent.ledger.group import Grouped
from consent.ledger.proofs import consistency, proven
from consent.ledger.sealer import seal
from consent.ledger.subject_keys import SubjectKeys
from consent.ledger.verify import verify_export
from consent.model import ConsentEntry
from infra.database import open_database
from infra.ids import Purpose, Sid, Token
from infra.signing import Signer

AT = datetime(2026, 5, 1, tzinfo=UTC)
GROUP = 1_000
PROOFS = 500
THREADS, WORDS = 64, 4_000
SIGNER = Signer.of(bytes(range(32)))
ENTRY = ConsentEntry(
    id="",
    sid=Sid(""),
    identifier_kind="email",
    purpose=Purpose("email_marketing"),
    action="given",
    mechanism="centre",
    occurred_at=AT,
    received_at=AT,
    jurisdiction="US-OH",
    notice_id="newsletter",
    notice_version="3",
)


def words(first: int, after: int) -> list[store.Said]:
    return [
        store.Said(
            Token(f"1:{n:016x}"),
            replace(
                ENTRY,
                id=f"{n:032x}",
                received_at=AT + timedelta(milliseconds=n),
                evidence="x" * 200 if n % 5 == 0 else None,
            ),
        )
        for n in range(first, after)
    ]


@contextmanager
def timed(what: str, count: int, unit: str) -> Iterator[None]:
    wall, work = time.perf_counter(), time.process_time()
    yield
    wall, work = time.perf_counter() - wall, time.process_time() - work
    print(f"{what:<34} {count / wall:>12,.0f} {unit}/s   (processor {count / work:>12,.0f})")


def each(what: str, times: int, ask: Callable[[int], object]) -> None:
    taken = []
    for at in range(times):
        begun = time.perf_counter()
        ask(at)
        taken.append(1_000 * (time.perf_counter() - begun))
    taken.sort()
    print(f"{what:<34} {statistics.median(taken):>12.3f} ms median   p99 {taken[int(0.99 * len(taken))]:.3f} ms")


def crowd(database: Engine, first: int) -> None:
    """Words one by one from many threads, as a server's requests bring them."""
    grouped, said = Grouped(database), words(first, first + WORDS)
    with timed(f"append, one by one, {THREADS} threads", WORDS, "entries"), ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(grouped.append, said))
    seal(database, SIGNER, lambda: AT)


def main(entries: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kindred-ledger-"))
    database = open_database(f"sqlite:///{folder}/k.db", store.METADATA)
    vault.attach(database, SubjectKeys.open(folder / "keys.db", bytes(32)))
    groups = [words(first, min(first + GROUP, entries)) for first in range(0, entries, GROUP)]
    with timed(f"append, groups of {GROUP:,}", entries, "entries"):
        for group in groups:
            store.append(database, group, store.secret_sid)
    with timed("seal", entries, "leaves"):
        assert seal(database, SIGNER, lambda: AT) == entries
    crowd(database, entries)
    drawn = random.Random(1)  # noqa: S311 - a sample, not a secret
    ids = [f"{drawn.randrange(entries):032x}" for _ in range(PROOFS)]
    proven(database, ids[0])
    each("inclusion proof, from the database", PROOFS, lambda at: proven(database, ids[at]))
    each("consistency proof", PROOFS, lambda _: consistency(database, min(8_000, entries)))
    with timed("export", entries + WORDS, "leaves"):
        export(database, SIGNER, folder / "ledger")
    with timed("verify the export", entries + WORDS, "leaves"), (folder / "ledger").open("rb") as lines:
        assert verify_export(lines, SIGNER.public).faults == ()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
