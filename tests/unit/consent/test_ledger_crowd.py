"""Eight processes that write, a sealer that is killed: nothing is lost, no number is missing, one root."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import ledger_writers
import pymerkle
import pytest
from sqlalchemy import Engine, select

from consent import store
from consent.ledger.export import export
from consent.ledger.heads import heads, newest_head
from consent.ledger.leaf import entry_fields, note_fields, spelled
from consent.ledger.schema import CONSENT_EVENT, LEDGER_LEAF, LEDGER_NOTE
from consent.ledger.sealer import seal, unsealed
from consent.ledger.verify import verify_export
from infra.signing import Signer

AT = datetime(2026, 5, 1, tzinfo=UTC)
WRITERS, EACH = 8, 20


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_crowd_and_a_dying_sealer(database: Engine, tmp_path: Path) -> None:
    url = database.url.render_as_string(hide_password=False)
    script = [sys.executable, ledger_writers.__file__, url, str(tmp_path / "keys.db"), str(WRITERS), str(EACH), "3"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 0
    signer = Signer.of(ledger_writers.SEED)
    seal(database, signer, lambda: AT)
    assert unsealed(database) == 0
    assert store.entries(database) == WRITERS * EACH
    with database.connect() as connection:
        leaves = connection.execute(select(LEDGER_LEAF).order_by(LEDGER_LEAF.c.sequence)).mappings().all()
        said = {row["id"]: row for row in connection.execute(select(CONSENT_EVENT)).mappings()}
        notes = {row["id"]: row for row in connection.execute(select(LEDGER_NOTE)).mappings()}
    assert [row["sequence"] for row in leaves] == list(range(len(leaves)))
    assert sorted(row["id"] for row in leaves) == sorted([*said, *notes])
    other = pymerkle.InmemoryTree(algorithm="sha256")
    told = {head.size: head.root for head in heads(database, limit=10_000)}
    for size, row in enumerate(leaves, start=1):
        is_said = row["kind"] == "consent"
        content = spelled(entry_fields(said[row["id"]]) if is_said else note_fields(notes[row["id"]]))
        other.append_entry(content + (said[row["id"]]["commitment"] if is_said else b""))
        assert told.pop(size, None) in {None, other.get_root().hex()}
    assert not told
    assert newest_head(database).size == len(leaves)
    export(database, signer, tmp_path / "ledger")
    with (tmp_path / "ledger").open("rb") as lines:
        assert verify_export(lines, signer.public).faults == ()
